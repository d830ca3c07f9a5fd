//! Times as elements: they show UTC, and the script shows them in local time where the visitor wants that. Pure.

use std::fmt;

use askama::filters::{Html, HtmlSafe, escape};

use super::show;

/// A time of the API, in UTC.
#[derive(Clone, Debug, Default)]
pub(super) struct Time(String);

/// What a page says: a time, or a text, whose times are elements too.
#[derive(Clone, Debug)]
pub(super) enum Fact {
    Text(String),
    Time(Time),
}

impl Time {
    pub(super) fn of(rfc3339: &str) -> Self {
        // Markup is made of it.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-+:.".contains(c);
        Self(rfc3339.chars().filter(|c| is_plain(*c)).collect())
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, "<time datetime=\"{}\">{}</time>", self.0, show::time(&self.0))
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write_text(f, text),
            Self::Time(time) => time.fmt(f),
        }
    }
}

/// A text of the API has its times in RFC 3339, as commands print them.
fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let mut rest = text;
    while let Some((before, time, after)) = first_time(rest) {
        let Ok(before) = escape(before, Html);
        let shown = show::time(time);
        write!(f, "{before}<time datetime=\"{time}\" data-utc=\" {UTC}\">{shown} {UTC}</time>")?;
        rest = after;
    }
    let Ok(rest) = escape(rest, Html);
    write!(f, "{rest}")
}

/// The first time in UTC, and what stands before and after it.
fn first_time(text: &str) -> Option<(&str, &str, &str)> {
    text.char_indices().find_map(|(at, _)| {
        let (before, rest) = text.split_at_checked(at)?;
        let (time, after) = rest.split_at_checked(time_length(rest)?)?;
        Some((before, time, after))
    })
}

/// The length of the time in UTC that a text begins with.
fn time_length(text: &str) -> Option<usize> {
    let (time, rest) = text.split_at_checked(FORM.len())?;
    let fits = |(byte, form): (u8, u8)| if form == b'0' { byte.is_ascii_digit() } else { byte == form };
    let digits = |digits: &str| digits.bytes().take_while(u8::is_ascii_digit).count();
    let fraction = rest.strip_prefix('.').map_or(0, |rest| 1 + digits(rest));
    let is_time = time.bytes().zip(FORM.bytes()).all(fits) && rest.get(fraction..)?.starts_with('Z');
    is_time.then_some(time.len() + fraction + 1)
}

const FORM: &str = "0000-00-00T00:00:00";
const UTC: &str = "UTC";

impl From<String> for Fact {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Time> for Fact {
    fn from(time: Time) -> Self {
        Self::Time(time)
    }
}

/// Nothing but the digits and signs of a time stands between its tags.
impl HtmlSafe for Time {}

/// A text is escaped where it is written.
impl HtmlSafe for Fact {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_an_element_and_a_text_is_escaped() {
        let time = "<time datetime=\"2026-11-28T17:46:01.5Z\">2026-11-28 17:46:01</time>";
        assert_eq!(Time::of("2026-11-28T17:46:01.5Z").to_string(), time);
        assert_eq!(Fact::from(Time::of("2026-11-28T17:46:01.5Z")).to_string(), time);
        assert_eq!(Time::of("\"><b>").to_string(), "<time datetime=\"b\">b</time>");
        assert_eq!(Time::default().to_string(), "");
        assert_eq!(Fact::from("<b>".to_owned()).to_string(), "&#60;b&#62;");
        for (text, shown) in [
            (
                "<at 2026-11-28T17:46:01Z>, ü 2026-11-28T17:46:02.25Z",
                "&#60;at <time datetime=\"2026-11-28T17:46:01Z\" data-utc=\" UTC\">2026-11-28 17:46:01 UTC</time>&#62;, ü \
                 <time datetime=\"2026-11-28T17:46:02.25Z\" data-utc=\" UTC\">2026-11-28 17:46:02 UTC</time>",
            ),
            ("2026-11-28T17:46:01+02:00", "2026-11-28T17:46:01+02:00"),
            ("2026-11-28T17:46:0", "2026-11-28T17:46:0"),
        ] {
            assert_eq!(Fact::from(text.to_owned()).to_string(), shown);
        }
    }
}
