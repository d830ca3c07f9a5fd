//! What every page has: title, navigation, the message of what was done last.

use askama::Template;

use super::parts::Undelivered;
use super::render::rendered;
use super::visit::{Links, Visit};
use super::{show, texts as t};
use crate::admin::control::Control;
use crate::admin::request_error::RequestError;

/// The pages of the navigation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Nav {
    Overview,
    Projects,
}

impl Nav {
    /// In the order of the navigation, each with its path and its name.
    const ALL: [(Self, &'static str, &'static str); 2] =
        [(Self::Overview, "", t::nav::OVERVIEW), (Self::Projects, "projects", t::nav::PROJECTS)];
}

#[derive(Template)]
#[template(path = "frame.html")]
struct Frame<'a> {
    links: &'a Links,
    nav: Nav,
    title: &'a str,
    /// What no receiver has taken, and somebody has to act on.
    undelivered: u64,
    /// What was done by the request before.
    done: Option<String>,
    content: &'a str,
}

/// The whole page.
pub(super) fn page(
    control: &dyn Control,
    visit: &Visit,
    (nav, title): (Nav, &str),
    content: &str,
) -> Result<String, RequestError> {
    // The status is of all projects.
    let status = visit.access.scope.require_all().and_then(|()| control.recent_status(&visit.access));
    let undelivered = status.map_or(0, |status| Undelivered::of(&status).total());
    let done = visit.query("done").and_then(|what| t::done(what, visit.number("count").unwrap_or(0)));
    rendered(&Frame { links: &visit.links, nav, title, undelivered, done, content })
}
