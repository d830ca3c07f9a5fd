//! One request for a page: where it is, how it is to look, and what its query says.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::admin::access::{Access, Capability};
use crate::admin::request_error::RequestError;

/// One request for a page.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    /// The script asks for the versions of the page, as server-sent events.
    pub(super) is_live: bool,
    /// What the visitor may see and do.
    pub(super) access: Access,
    pub(super) links: Links,
    query: Vec<(String, String)>,
}

impl Visit {
    /// A parameter of the query that is not empty.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(given, value)| given == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    /// A parameter that the page cannot do without.
    pub(super) fn required(&self, name: &str) -> Result<&str, RequestError> {
        self.query(name).ok_or_else(|| RequestError::field(name, "the address of this page needs it"))
    }

    /// Every value of a parameter that may be there more than once.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// Refuses a page about a project that the visitor may not see.
    pub(super) fn check_scope(&self) -> Result<(), RequestError> {
        self.query("project").map_or(Ok(()), |project| self.access.scope.require(project))
    }

    /// Whether the visitor may do this.
    pub(super) fn can(&self, capability: Capability) -> bool {
        self.access.can.contains(&capability)
    }

    /// A parameter of the query that is a number.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.query(name)?.parse().ok()
    }
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        let query: Vec<(String, String)> =
            url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let accepted = parts.headers.get(header::ACCEPT).and_then(|accepted| accepted.to_str().ok());
        let is_live = accepted.is_some_and(|accepted| accepted.starts_with("text/event-stream"));
        let access = parts.extensions.get().cloned().unwrap_or_else(Access::none);
        Ok(Self { is_live, access, links: Links::of(parts.uri.path(), &query), query })
    }
}

/// Makes links that are relative to the page, and keep how it is shown.
#[derive(Clone, Debug)]
pub(super) struct Links {
    /// From the page to the first one: `./` or `../`.
    root: String,
    /// `dark` or `light`, where the visitor does not leave it to the system.
    pub(super) theme: Option<&'static str>,
    /// Without navigation, for a page inside another.
    pub(super) is_embedded: bool,
}

impl Links {
    /// Of a page beside the first one.
    pub(super) fn top() -> Self {
        Self { root: "./".to_owned(), theme: None, is_embedded: false }
    }

    fn of(path: &str, query: &[(String, String)]) -> Self {
        let is = |name: &str, wanted: &str| query.iter().any(|(n, value)| n == name && value == wanted);
        let depth = path.matches('/').count().saturating_sub(1);
        Self {
            root: if depth == 0 { "./".to_owned() } else { "../".repeat(depth) },
            theme: ["dark", "light"].into_iter().find(|theme| is("theme", theme)),
            is_embedded: is("nav", "0"),
        }
    }

    /// A link to a page: `projects`, or the first one with an empty path.
    pub(super) fn to(&self, path: &str) -> String {
        self.with(path, &[])
    }

    /// A link to a page with one parameter.
    pub(super) fn by(&self, path: &str, name: &str, value: &str) -> String {
        self.with(path, &[(name, value)])
    }

    /// A link to a page with parameters. Empty ones are left out.
    pub(super) fn with(&self, path: &str, query: &[(&str, &str)]) -> String {
        let mut link = format!("{}{path}", self.root);
        let shown =
            [("theme", self.theme.unwrap_or_default()), ("nav", if self.is_embedded { "0" } else { "" })];
        for (name, value) in query.iter().chain(&shown).filter(|(_, value)| !value.is_empty()) {
            link.push(if link.contains('?') { '&' } else { '?' });
            link.push_str(name);
            link.push('=');
            link.extend(utf8_percent_encode(value, ENCODED));
        }
        link
    }

    /// An asset.
    pub(super) fn asset(&self, name: &str) -> String {
        format!("{}assets/{name}?v={}", self.root, super::assets::version())
    }
}

const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    fn links(path: &str, query: &[(&str, &str)]) -> Links {
        let owned: Vec<_> = query.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Links::of(path, &owned)
    }

    #[test]
    fn links_are_relative_and_keep_how_the_page_is_shown() {
        assert_eq!(links("/", &[]).to(""), "./");
        assert_eq!(links("/projects", &[]).to("projects"), "./projects");
        assert_eq!(
            links("/a/b", &[]).by("project", "project", "../x&y ü"),
            "../project?project=..%2Fx%26y%20%C3%BC"
        );
        let embedded = links("/", &[("theme", "dark"), ("nav", "0")]);
        assert_eq!(embedded.with("p", &[("a", ""), ("b", "1")]), "./p?b=1&theme=dark&nav=0");
        assert_eq!(links("/", &[("theme", "\"><script>")]).to(""), "./");
    }
}
