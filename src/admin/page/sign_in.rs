//! The pages on which a browser signs in. Pure.

use askama::Template;

use super::render::rendered;
use super::texts as t;
use super::visit::Links;

/// The form for a token.
pub(in crate::admin) struct SignInPage<'a> {
    /// The path that is shown after it.
    pub(in crate::admin) next: &'a str,
    /// Why the last try failed.
    pub(in crate::admin) error: Option<&'a str>,
}

/// The form for a link.
pub(in crate::admin) struct LinkPage<'a> {
    pub(in crate::admin) key: &'a str,
    /// Why the last try failed.
    pub(in crate::admin) error: Option<&'a str>,
}

/// A page with one form and no navigation.
#[derive(Template)]
#[template(path = "sign_in.html")]
struct Page<'a> {
    links: Links,
    title: &'static str,
    error: Option<&'a str>,
    form: Form<'a>,
}

enum Form<'a> {
    Link { key: &'a str },
    Token { next: &'a str },
}

pub(in crate::admin) fn sign_in_page(page: &SignInPage<'_>) -> String {
    html(t::sign_in::TITLE, page.error, Form::Token { next: page.next })
}

pub(in crate::admin) fn link_page(page: &LinkPage<'_>) -> String {
    html(t::sign_in::OPEN_TITLE, page.error, Form::Link { key: page.key })
}

fn html(title: &'static str, error: Option<&str>, form: Form<'_>) -> String {
    rendered(&Page { links: Links::top(), title, error, form }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_visitor_gives_is_text() {
        let evil = "\"><script>alert(1)</script>'";
        for html in [
            sign_in_page(&SignInPage { next: evil, error: Some(evil) }),
            link_page(&LinkPage { key: evil, error: Some(evil) }),
        ] {
            assert!(
                html.contains("<form") && !html.contains("<script>") && !html.contains("\">\""),
                "{html}"
            );
        }
    }
}
