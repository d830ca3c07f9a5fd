//! Times as elements: they show UTC, and the script shows them in local time where the visitor wants that. Pure.

use std::fmt;

use askama::filters::{Html, HtmlSafe, escape};

use super::show;

/// A time of the API, in UTC.
#[derive(Clone, Debug, Default)]
pub(super) struct Time(String);

/// What a list of facts shows: a text, or a time.
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
            Self::Text(text) => {
                let Ok(escaped) = escape(text, Html);
                write!(f, "{escaped}")
            }
            Self::Time(time) => time.fmt(f),
        }
    }
}

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
    }
}
