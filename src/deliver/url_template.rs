//! A receiver's URL, in which `{project}` and `{callback}` are filled in for each request.

use std::fmt::{self, Write as _};

use hyper::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::shown_url::shown_url;
use crate::record::Callback;

/// A URL whose path and query may hold placeholders; its scheme, host and port never do.
#[derive(Clone, Eq, PartialEq)]
pub struct UrlTemplate {
    uri: Uri,
    /// Path and query, in pieces. Empty: they are those of `uri`.
    pieces: Vec<Piece>,
    /// Without what may be a secret.
    shown: String,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Callback,
    Project,
    Text(String),
}

/// Why a text is no template.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TemplateError {
    /// The text without its placeholders is no URL.
    #[error("{0}")]
    Url(String),
    /// A placeholder is at another place than the path or the query.
    #[error("`{{project}}` and `{{callback}}` may be in the path and the query of a URL only")]
    Misplaced,
    /// What is filled in would be part of an escape.
    #[error(
        "a URL has two hexadecimal digits after each `%` before `{{project}}` and `{{callback}}`: write %25 for a percent sign"
    )]
    Escape,
    /// Something else is in braces.
    #[error("a URL has no placeholders but `{{project}}` and `{{callback}}`: write %7B for a brace")]
    Unknown,
}

impl UrlTemplate {
    /// Reads a template. `url` reads the URL that is left when each placeholder is a plain word.
    pub fn parse(text: &str, url: impl Fn(&str) -> Result<Uri, String>) -> Result<Self, TemplateError> {
        let (project, callback) = (unused_word(text, "project"), unused_word(text, "callback"));
        let filled = text.replace("{project}", &project).replace("{callback}", &callback);
        if filled.contains(['{', '}']) {
            return Err(TemplateError::Unknown);
        }
        let uri = url(&filled).map_err(TemplateError::Url)?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let pieces = pieces(path, &project, &callback);
        let placeholders = pieces.iter().filter(|piece| !matches!(piece, Piece::Text(_))).count();
        if placeholders != text.matches("{project}").count() + text.matches("{callback}").count() {
            return Err(TemplateError::Misplaced);
        }
        // The last piece is followed by no placeholder.
        let texts = pieces.split_last().map_or(&[][..], |(_, before)| before);
        if texts.iter().any(|piece| matches!(piece, Piece::Text(text) if ends_in_an_escape(text))) {
            return Err(TemplateError::Escape);
        }
        let shown = shown_url(text);
        Ok(Self { uri, pieces: if placeholders == 0 { Vec::new() } else { pieces }, shown })
    }

    /// Scheme, host and port as all requests have them.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The URL of one lane's requests.
    pub fn fill(&self, project: &str, callback: Callback) -> Uri {
        if self.pieces.is_empty() {
            return self.uri.clone();
        }
        let mut path = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Callback => path.push_str(callback.name()),
                Piece::Project => push_encoded(&mut path, project),
                Piece::Text(text) => path.push_str(text),
            }
        }
        let mut parts = self.uri.clone().into_parts();
        // Every value is percent-encoded, so that what was a path still is one.
        parts.path_and_query = path.parse().ok();
        Uri::from_parts(parts).unwrap_or_else(|_| self.uri.clone())
    }
}

impl From<Uri> for UrlTemplate {
    fn from(uri: Uri) -> Self {
        let shown = shown_url(&uri.to_string());
        Self { uri, pieces: Vec::new(), shown }
    }
}

/// As it may be shown.
impl fmt::Display for UrlTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for UrlTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// A word of lower-case letters that is not in `text`, and that no reader of URLs changes.
fn unused_word(text: &str, name: &str) -> String {
    let mut word = format!("placeholder{name}");
    while text.to_ascii_lowercase().contains(&word) {
        word.push('x');
    }
    word
}

/// Whether the next letters complete a `%XX`, so that they would not be those of a name any more.
fn ends_in_an_escape(text: &str) -> bool {
    let is_digit = |letter: char| letter.is_ascii_hexdigit();
    text.ends_with('%') || text.strip_suffix(is_digit).is_some_and(|rest| rest.ends_with('%'))
}

fn pieces(path: &str, project: &str, callback: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = path;
    loop {
        let next = [(project, Piece::Project), (callback, Piece::Callback)]
            .into_iter()
            .filter_map(|(word, piece)| Some((rest.find(word)?, word, piece)))
            .min_by_key(|(at, ..)| *at);
        let Some((at, word, piece)) = next else { break };
        let (before, found) = rest.split_at(at);
        pieces.extend([Piece::Text(before.to_owned()), piece]);
        rest = found.strip_prefix(word).unwrap_or_default();
    }
    pieces.push(Piece::Text(rest.to_owned()));
    pieces
}

/// Everything but letters, digits, `-`, `_`, `~` and `.` percent-encoded.
fn push_encoded(path: &mut String, value: &str) {
    const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~').remove(b'.');
    match value {
        // Receivers take a segment `.` or `..` for a step in the path, and `%2E` too: one tenant's name must
        // not lead to another's path. <https://url.spec.whatwg.org/#double-dot-path-segment>
        "." | ".." => path.push_str(&"%252E".repeat(value.len())),
        _ => drop(write!(path, "{}", utf8_percent_encode(value, ENCODED))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn no_name_of_a_project_leads_to_another_host_or_another_depth(
            template in "https?://[a-z.:/%?#{}0-9]{0,12}(\\{project\\}|\\{callback\\}|[a-z./%?#2e]){0,8}",
            project in prop_oneof![any::<String>(), "[./%2e?#\\\\@:]{1,4}"],
        ) {
            prop_assume!(!project.is_empty());
            let read = |text: &str| {
                url::Url::parse(text).map_err(drop).and_then(|url| url.as_str().parse().map_err(drop)).map_err(|()| String::new())
            };
            let Ok(template) = UrlTemplate::parse(&template, read) else { return Ok(()) };
            let filled = template.fill(&project, Callback::Ingested);
            let plain = template.fill("p", Callback::Ingested);
            prop_assert_eq!(filled.scheme(), plain.scheme());
            prop_assert_eq!(filled.authority(), plain.authority());
            // As a receiver reads it, dot segments removed.
            let depth = |uri: &Uri| url::Url::parse(&uri.to_string()).unwrap().path().matches('/').count();
            prop_assert_eq!(depth(&filled), depth(&plain), "{} and {}", filled, plain);
            prop_assert_eq!(filled.query().is_some(), plain.query().is_some());
        }
    }

    fn parse(text: &str) -> Result<UrlTemplate, TemplateError> {
        UrlTemplate::parse(text, |text| text.parse().map_err(|_| "no URL".to_owned()))
    }

    fn filled(text: &str, project: &str) -> String {
        parse(text).unwrap().fill(project, Callback::Modified).to_string()
    }

    #[test]
    fn placeholders_are_filled_in_percent_encoded() {
        for (text, project, wanted) in [
            ("http://h/a?b", "p", "http://h/a?b"),
            ("http://h/{project}/{callback}", "p", "http://h/p/modified"),
            (
                "http://h:81/x/{callback}?of={project}&{project}",
                "p-1_~.",
                "http://h:81/x/modified?of=p-1_~.&p-1_~.",
            ),
            ("http://h/{project}", "a/b?c#d e%é", "http://h/a%2Fb%3Fc%23d%20e%25%C3%A9"),
            ("http://h/{project}/x", "..", "http://h/%252E%252E/x"),
            ("http://h/{project}/x", ".", "http://h/%252E/x"),
            ("http://h/{project}{callback}", "{callback}", "http://h/%7Bcallback%7Dmodified"),
            ("http://h/placeholderproject/{project}", "p", "http://h/placeholderproject/p"),
        ] {
            assert_eq!(filled(text, project), wanted, "{text} of {project}");
        }
    }

    #[test]
    fn a_placeholder_is_in_the_path_or_the_query_or_refused() {
        for text in ["http://{project}/", "http://{project}.example.com/", "http://h/{project}#{callback}"] {
            assert_eq!(parse(text), Err(TemplateError::Misplaced), "{text}");
        }
        for text in
            ["http://h/{Project}", "http://h/{}", "http://h/{project", "http://h/}", "http://h/{{project}}"]
        {
            assert_eq!(parse(text), Err(TemplateError::Unknown), "{text}");
        }
        for text in ["http://h/%{project}", "http://h/%2{project}/x", "http://h/?a=%{callback}"] {
            assert_eq!(parse(text), Err(TemplateError::Escape), "{text}");
        }
        assert!(parse("http://h:{project}/").is_err());
        assert_eq!(parse("http://h h/{project}"), Err(TemplateError::Url("no URL".into())));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn any_text_is_a_template_or_not(text in "\\PC{0,60}", project in "\\PC{0,20}") {
            for text in [format!("http://h/{text}"), text] {
                if let Ok(template) = parse(&text) {
                    template.fill(&project, Callback::Excluded);
                }
            }
        }

        #[test]
        fn a_project_is_one_part_of_a_path_or_query_whatever_it_is_called(project in "\\PC{1,30}") {
            let template = parse("http://h:81/a/{project}/b?c={project}&d").unwrap();
            let url = template.fill(&project, Callback::Modified);
            prop_assert_eq!(url.authority().unwrap().as_str(), "h:81");
            prop_assert_eq!(url.path().split('/').count(), 4);
            prop_assert!(url.path().ends_with("/b") && url.query().unwrap().ends_with("&d"));
            prop_assert_eq!(url.query().unwrap().matches(['&', '=']).count(), 2);
            // Readers of URLs take no step in the path for it.
            let read = url::Url::parse(&url.to_string()).unwrap();
            prop_assert_eq!(read.path(), url.path());
        }
    }
}
