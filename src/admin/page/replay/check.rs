//! What a replay would send: the dry run between form and confirmation. Pure.

use askama::Template;

use super::range;
use crate::admin::access::Capability;
use crate::admin::api::{LaneCount, ReplaySummary};
use crate::admin::page::choice::{Choice, callbacks};
use crate::admin::page::form::Form;
use crate::admin::page::visit::{Links, Visit};
use crate::admin::page::{show, texts as t};
use crate::admin::request_error::RequestError;

#[derive(Template)]
#[template(path = "replay_check.html")]
pub(super) struct Check {
    links: Links,
    form: Form,
    callbacks: Vec<Choice>,
    counted: Option<Counted>,
}

struct Counted {
    sentences: Vec<String>,
    warnings: Vec<String>,
    lanes: Vec<Lane>,
    without_webhook: Vec<Lane>,
    button: Option<String>,
    is_allowed: bool,
}

struct Lane {
    project: String,
    callback: &'static str,
    records: String,
    size: String,
}

impl Check {
    pub(super) fn counted(summary: &ReplaySummary, visit: &Visit) -> Self {
        Self { counted: Some(Counted::of(summary, visit)), ..Self::form(visit) }
    }

    pub(super) fn refused(error: &RequestError, visit: &Visit) -> Self {
        let empty = Self::form(visit);
        let form = empty.form.refused(error, |field| Some(field.to_owned()));
        Self { form, ..Self::form(visit) }
    }

    fn form(visit: &Visit) -> Self {
        let form = range::form(visit);
        Self { links: visit.links.clone(), callbacks: callbacks(form.given("callback")), form, counted: None }
    }
}

impl Counted {
    fn of(summary: &ReplaySummary, visit: &Visit) -> Self {
        let mut sentences = vec![t::replay::will_send(summary.records, &show::size(summary.bytes))];
        if let Some(rate) = visit.query("rate").and_then(|rate| rate.trim().parse::<u32>().ok()) {
            let records = std::time::Duration::from_secs(summary.records).as_secs_f64();
            sentences.push(t::replay::takes(records / f64::from(rate.max(1))));
        }
        let late = summary.begins_late.as_deref().map(t::replay::begins_late);
        let newer = summary.documents_with_newer_records.filter(|count| *count > 0).map(t::replay::newer);
        Self {
            sentences,
            warnings: late.into_iter().chain(newer).collect(),
            lanes: summary.lanes.iter().map(Lane::of).collect(),
            without_webhook: summary.without_webhook.iter().map(Lane::of).collect(),
            button: (summary.records > 0).then(|| t::replay::button(summary.records)),
            is_allowed: visit.can(Capability::SendAgain),
        }
    }
}

impl Lane {
    fn of(lane: &LaneCount) -> Self {
        Self {
            project: show::plain(&lane.project),
            callback: lane.callback.name(),
            records: show::number(lane.records),
            size: show::size(lane.bytes),
        }
    }
}
