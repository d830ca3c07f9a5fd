//! What every page has: title, navigation, the message of what was done last.

use askama::Template;

use super::parts::{Undelivered, is_failing};
use super::render::rendered;
use super::visit::{Links, Visit};
use super::{show, texts as t};
use crate::admin::access::{Access, Caller, Endpoint, Reach};
use crate::admin::api::{DeadLetterFilter, DeadLetterSelection};
use crate::admin::control::Control;
use crate::admin::request_error::RequestError;

/// The pages of the navigation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Nav {
    Overview,
    Projects,
    Deliveries,
    Document,
    DeadLetters,
    Replay,
    Jobs,
    Tail,
    Table,
    Doctor,
    Settings,
    Audit,
}

impl Nav {
    /// In the order of the navigation, each with its path and its name.
    const ALL: [(Self, &'static str, &'static str); 12] = [
        (Self::Overview, "", t::nav::OVERVIEW),
        (Self::Projects, "projects", t::nav::PROJECTS),
        (Self::Deliveries, "deliveries", t::nav::DELIVERIES),
        (Self::Document, "document", t::nav::DOCUMENT),
        (Self::DeadLetters, "dead-letters", t::nav::DEAD_LETTERS),
        (Self::Replay, "replay", t::nav::REPLAY),
        (Self::Jobs, "jobs", t::nav::JOBS),
        (Self::Tail, "tail", t::nav::TAIL),
        (Self::Table, "table", t::nav::TABLE),
        (Self::Doctor, "doctor", t::nav::DOCTOR),
        (Self::Settings, "settings", t::nav::SETTINGS),
        (Self::Audit, "audit", t::nav::AUDIT),
    ];
}

impl Nav {
    /// The pages that the visitor may see, each with its path and its name.
    fn seen_by(access: &Access) -> Vec<(Self, &'static str, &'static str)> {
        let is_seen = |path: &str| {
            let endpoint = Endpoint::find("GET", &format!("/{path}"));
            endpoint.is_some_and(|found| access.scope.project().is_none() || found.reach == Reach::Tenant)
        };
        Self::ALL.into_iter().filter(|(_, path, _)| is_seen(path)).collect()
    }
}

#[derive(Template)]
#[template(path = "frame.html")]
struct Frame<'a> {
    links: &'a Links,
    nav: Nav,
    entries: Vec<(Nav, &'static str, &'static str)>,
    title: &'a str,
    /// What no receiver has taken, and somebody has to act on.
    undelivered: u64,
    /// Who is signed in; `None`: nobody.
    who: Option<String>,
    /// Where nobody is: the way to change that.
    sign_in: Option<String>,
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
    let undelivered = match visit.access.scope.project() {
        // The status is of all projects.
        None => control.recent_status(&visit.access).map_or(0, |status| Undelivered::of(&status).total()),
        Some(own) => own_undelivered(control, visit, own).unwrap_or_default(),
    };
    let done = visit.query("done").and_then(|what| t::done(what, visit.number("count").unwrap_or(0)));
    let (who, sign_in) = match &visit.access.caller {
        Caller::Anonymous => (None, Some(visit.links.to("sign-in"))),
        Caller::Link { .. } | Caller::Token { .. } | Caller::AdminToken => {
            (Some(visit.access.caller.to_string()), None)
        }
        Caller::Socket { .. } | Caller::User { .. } => (None, None),
    };
    rendered(&Frame {
        links: &visit.links,
        nav,
        entries: Nav::seen_by(&visit.access),
        title,
        undelivered,
        who,
        sign_in,
        done,
        content,
    })
}

/// What a caller of one project sees as undelivered: its dead letters, and what waits in its lanes that fail.
fn own_undelivered(control: &dyn Control, visit: &Visit, own: &str) -> Result<u64, RequestError> {
    let filter = DeadLetterFilter { project: Some(own.to_owned()), ..DeadLetterFilter::default() };
    let all = DeadLetterSelection { filter, dry_run: true, ..DeadLetterSelection::default() };
    let dead = control.discard(&all, &visit.access)?.records;
    let lanes = control.project(own, &visit.access)?.callbacks.into_iter().filter_map(|of| of.lane);
    Ok(dead + lanes.filter(is_failing).map(|lane| lane.pending.records).sum::<u64>())
}
