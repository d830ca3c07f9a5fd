//! The list of batches. Pure.

use askama::Template;

use crate::admin::api::{
    DeliveryFilter, DeliveryPage, DeliveryQuery, DeliveryState, DeliveryStatus, FoundRecordStatus,
};
use crate::admin::page::attempts::outcome;
use crate::admin::page::bulk::Act;
use crate::admin::page::choice::{Choice, callbacks, choices};
use crate::admin::page::parts::Pill;
use crate::admin::page::times::{Fact, Time};
use crate::admin::page::utc::{field, in_utc};
use crate::admin::page::visit::{Links, Visit};
use crate::admin::page::{show, texts as t};
use crate::outcome::Class;

#[derive(Template)]
#[template(path = "deliveries.html")]
pub(super) struct Deliveries {
    links: Links,
    project: String,
    callbacks: Vec<Choice>,
    states: Vec<Choice>,
    classes: Vec<Choice>,
    status: String,
    since: String,
    until: String,
    by: Vec<Choice>,
    find: String,
    is_filtered: bool,
    rows: Vec<Row>,
    found: Vec<Found>,
    next: Option<String>,
    acts: Vec<ActLinks>,
    /// A search is no filter: all that it found are selected one by one.
    is_search: bool,
}

/// What can be done about those selected, and about all that match.
struct ActLinks {
    name: &'static str,
    is_danger: bool,
    selected: String,
    all: String,
}

struct Row {
    id: String,
    link: String,
    at: Time,
    project: String,
    callback: &'static str,
    pill: Pill,
    records: String,
    size: String,
    attempts: u32,
    answer: String,
    next: Fact,
}

/// A record that a search found.
struct Found {
    position: String,
    project: String,
    callback: &'static str,
    committed_at: Time,
    link: Option<String>,
    is_settled: bool,
}

impl Deliveries {
    pub(super) fn query(visit: &Visit) -> DeliveryQuery {
        let text = |name| visit.query(name).map(|value| value.trim().to_owned());
        let search = |kind| text("find").filter(|_| visit.query("by").unwrap_or(BY_DEFAULT) == kind);
        DeliveryQuery {
            filter: DeliveryFilter {
                project: visit.query("project").map(str::to_owned),
                callback: text("callback"),
                state: text("state"),
                class: text("class"),
                status: text("status"),
                since: visit.query("since").map(in_utc),
                until: visit.query("until").map(in_utc),
            },
            document: search("document"),
            key: search("key"),
            position: search("position"),
            webhook_id: search("webhook-id"),
            after: text("after"),
            limit: None,
        }
    }

    pub(super) fn of(page: DeliveryPage, visit: &Visit) -> Self {
        let text = |name| visit.query(name).unwrap_or_default().to_owned();
        let filter = FILTERS.map(|name| (name, visit.query(name).unwrap_or_default()));
        let next = page.next.as_deref();
        Self {
            links: visit.links.clone(),
            project: text("project"),
            callbacks: callbacks(visit.query("callback")),
            states: choices(
                DeliveryState::ALL.map(|state| (state.name(), pill(state).word)),
                visit.query("state"),
            ),
            classes: choices(Class::ALL.map(|class| (class.name(), class.name())), visit.query("class")),
            status: text("status"),
            since: field(visit, "since"),
            until: field(visit, "until"),
            by: choices(t::deliveries::SEARCHES, Some(visit.query("by").unwrap_or(BY_DEFAULT))),
            find: text("find"),
            is_filtered: filter.iter().any(|(name, value)| !value.is_empty() && *name != "by"),
            next: next.map(|after| Self::link(visit, "deliveries", &[("after", after)])),
            acts: acts(visit),
            is_search: visit.query("find").is_some(),
            found: page.records.iter().map(|record| Found::of(record, &visit.links)).collect(),
            rows: page.deliveries.iter().map(|delivery| Row::of(delivery, &visit.links)).collect(),
        }
    }

    /// A link with the filter of this visit.
    pub(super) fn link(visit: &Visit, path: &str, more: &[(&str, &str)]) -> String {
        let filter = FILTERS.map(|name| (name, visit.query(name).unwrap_or_default()));
        visit.links.with(path, &[&filter[..], more].concat())
    }
}

/// What the visitor may do.
fn acts(visit: &Visit) -> Vec<ActLinks> {
    let acts = [
        ("deliveries/redeliver", Act::Redeliver),
        ("deliveries/replay", Act::Replay),
        ("deliveries/discard", Act::Discard),
    ];
    let allowed = acts.into_iter().filter(|(_, act)| visit.can(act.needs()));
    let links = allowed.map(|(path, act)| ActLinks {
        name: act.name(),
        is_danger: act == Act::Discard,
        selected: visit.links.to(path),
        all: Deliveries::link(visit, path, &[("all", "1")]),
    });
    links.collect()
}

impl Row {
    fn of(delivery: &DeliveryStatus, links: &Links) -> Self {
        let last = delivery.last_attempt.as_ref();
        let next = delivery.next_attempt_at.as_deref().map(|at| Time::of(at).into());
        Self {
            id: delivery.id.clone(),
            link: links.by("delivery", "id", &delivery.id),
            at: Time::of(&delivery.cut_at),
            project: show::plain(&delivery.project),
            callback: delivery.callback.name(),
            pill: pill(delivery.state),
            records: show::number(u64::from(delivery.records)),
            size: show::size(delivery.bytes),
            attempts: delivery.attempts,
            answer: last.map_or_else(String::new, |last| {
                format!("{}, {}", outcome(last.status, last.outcome), show::short(last.took_seconds))
            }),
            next: next
                .unwrap_or_else(|| delivery.waits_for.as_deref().map(show::plain).unwrap_or_default().into()),
        }
    }
}

impl Found {
    fn of(record: &FoundRecordStatus, links: &Links) -> Self {
        Self {
            position: record.position.clone(),
            project: show::plain(&record.project),
            callback: record.callback.name(),
            committed_at: Time::of(&record.committed_at),
            link: record.webhook_id.as_deref().map(|id| links.by("delivery", "id", id)),
            is_settled: record.settled,
        }
    }
}

/// The state of a batch.
pub(in crate::admin::page) fn pill(state: DeliveryState) -> Pill {
    match state {
        DeliveryState::DeadLetter => Pill::bad(t::deliveries::DEAD_LETTER),
        DeliveryState::Delivered => Pill::ok(t::deliveries::DELIVERED),
        DeliveryState::InFlight => Pill { tone: "ok", icon: "→", word: t::deliveries::IN_FLIGHT },
        DeliveryState::Retired => Pill::quiet(t::deliveries::RETIRED),
        DeliveryState::Waiting => Pill { tone: "warn", icon: "…", word: t::deliveries::WAITING },
    }
}

const FILTERS: [&str; 9] =
    ["project", "callback", "state", "class", "status", "since", "until", "by", "find"];
const BY_DEFAULT: &str = "document";
