//! The list of dead letters. Pure.

use askama::Template;

use crate::admin::access::Capability;
use crate::admin::api::{DeadLetterFilter, DeadLetterPage, DeadLetterQuery, DeadLetterStatus};
use crate::admin::page::attempts::outcome;
use crate::admin::page::choice::{Choice, callbacks, choices};
use crate::admin::page::times::Time;
use crate::admin::page::utc::{field, in_utc};
use crate::admin::page::visit::{Links, Visit};
use crate::admin::page::{show, texts as t};
use crate::spool::DeadReason;

#[derive(Template)]
#[template(path = "dead_letters.html")]
pub(super) struct List {
    links: Links,
    project: String,
    callbacks: Vec<Choice>,
    reasons: Vec<Choice>,
    since: String,
    until: String,
    is_filtered: bool,
    rows: Vec<Row>,
    next: Option<String>,
    can_redeliver: bool,
    can_discard: bool,
    redeliver_all: String,
    discard_all: String,
}

struct Row {
    no: i64,
    link: String,
    project: String,
    callback: &'static str,
    reason: &'static str,
    answer: String,
    at: Time,
    records: String,
    size: String,
    is_redelivering: bool,
}

impl List {
    pub(super) fn query(visit: &Visit) -> DeadLetterQuery {
        let text = |name| visit.query(name).map(str::to_owned);
        DeadLetterQuery {
            filter: DeadLetterFilter {
                project: text("project"),
                callback: text("callback"),
                reason: text("reason"),
                since: visit.query("since").map(in_utc),
                until: visit.query("until").map(in_utc),
            },
            after: visit.query("after").and_then(|after| after.parse().ok()),
            limit: Some(PAGE),
        }
    }

    pub(super) fn of(page: &DeadLetterPage, visit: &Visit) -> Self {
        let filter = Self::query(visit).filter;
        let after = page.next.map(|next| next.to_string());
        Self {
            links: visit.links.clone(),
            callbacks: callbacks(filter.callback.as_deref()),
            reasons: choices(
                DeadReason::ALL.map(|reason| (reason.name(), t::dead_letters::reason(reason.name()))),
                filter.reason.as_deref(),
            ),
            is_filtered: FILTERS.into_iter().any(|name| visit.query(name).is_some()),
            project: filter.project.unwrap_or_default(),
            since: field(visit, "since"),
            until: field(visit, "until"),
            rows: page.dead_letters.iter().map(|letter| Row::of(letter, &visit.links)).collect(),
            next: after.map(|after| Self::link(visit, &[("after", &after)])),
            can_redeliver: visit.can(Capability::SendAgain),
            can_discard: visit.can(Capability::Manage),
            redeliver_all: Self::filtered(visit, "dead-letters/redeliver", &[("all", "1")]),
            discard_all: Self::filtered(visit, "dead-letters/discard", &[("all", "1")]),
        }
    }

    /// A link to the list with the filter of this visit.
    pub(super) fn link(visit: &Visit, more: &[(&str, &str)]) -> String {
        Self::filtered(visit, "dead-letters", more)
    }

    fn filtered(visit: &Visit, path: &str, more: &[(&str, &str)]) -> String {
        let filter = FILTERS.map(|name| (name, visit.query(name).unwrap_or_default()));
        visit.links.with(path, &[&filter, more].concat())
    }
}

impl Row {
    fn of(letter: &DeadLetterStatus, links: &Links) -> Self {
        let last = letter.last_attempt.as_ref();
        Self {
            no: letter.no,
            link: links.by("dead-letter", "no", &letter.no.to_string()),
            project: show::plain(&letter.project),
            callback: letter.callback.name(),
            reason: t::dead_letters::reason(letter.reason.name()),
            answer: last.map_or_else(
                || t::dead_letters::NO_ANSWER.to_owned(),
                |last| outcome(last.status, last.outcome),
            ),
            at: Time::of(&letter.at),
            records: show::number(letter.records),
            size: show::size(letter.bytes),
            is_redelivering: letter.redelivering,
        }
    }
}

const FILTERS: [&str; 5] = ["project", "callback", "reason", "since", "until"];
/// Rows of a page.
const PAGE: u32 = 50;
