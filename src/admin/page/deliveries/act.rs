//! Redelivering, discarding and replaying batches: those selected, or all that match. Pure, but for what it calls.

use super::list::Deliveries;
use crate::admin::access::Capability;
use crate::admin::api::{DeliveryCounts, DeliveryQuery, DeliverySelection};
use crate::admin::control::Control;
use crate::admin::page::confirm::Confirm;
use crate::admin::page::visit::Visit;
use crate::admin::page::{show, texts as t};
use crate::admin::request_error::RequestError;

/// What is done about batches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Act {
    Discard,
    Redeliver,
    Replay,
}

impl Act {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Discard => t::dead_letters::DISCARD,
            Self::Redeliver => t::dead_letters::REDELIVER,
            Self::Replay => t::deliveries::SEND_AGAIN,
        }
    }

    /// Says how many it is about and how long it takes, and asks.
    pub(super) fn confirm(self, control: &dyn Control, visit: &Visit) -> Result<Confirm, RequestError> {
        let selection = DeliverySelection { dry_run: true, ..selection(visit)? };
        let counts = self.call(control, visit, &selection)?;
        let (what, needs) = match self {
            Self::Discard => (t::dead_letters::DISCARD_WHAT, Capability::Manage),
            Self::Redeliver => (t::dead_letters::REDELIVER_WHAT, Capability::SendAgain),
            Self::Replay => (t::deliveries::SEND_AGAIN_WHAT, Capability::SendAgain),
        };
        let kind = if self == Self::Replay { t::deliveries::SETTLED_ONES } else { t::deliveries::DEAD_ONES };
        let filter = [
            (t::PROJECT, selection.project),
            (t::CALLBACK, selection.callback),
            (t::deliveries::STATE, selection.state),
            (t::deliveries::CLASS, selection.class),
            (t::deliveries::STATUS, selection.status),
            (t::deliveries::SINCE, selection.since),
            (t::deliveries::UNTIL, selection.until),
        ];
        let facts =
            filter.into_iter().filter_map(|(name, value)| Some((name.to_owned(), show::plain(value?))));
        let mut sentences = vec![t::deliveries::about(counts.deliveries, counts.records, counts.more, kind)];
        sentences.extend((counts.left_out > 0).then(|| t::deliveries::left_out(counts.left_out, kind)));
        if counts.deliveries > 0 {
            sentences.push(what.to_owned());
            sentences.extend(counts.estimated_seconds.map(t::jobs::takes));
        } else {
            sentences.push(t::deliveries::NONE_TO_ACT_ON.to_owned());
        }
        Ok(Confirm {
            title: self.name().to_owned(),
            sentences,
            facts: facts.collect(),
            button: self.name().to_owned(),
            is_danger: self == Self::Discard,
            is_allowed: visit.can(needs),
            is_possible: counts.deliveries > 0,
            back: Deliveries::link(visit, "deliveries", &[]),
        })
    }

    /// Does it. Returns the link to the page that says so.
    pub(super) fn carry_out(self, control: &dyn Control, visit: &Visit) -> Result<String, RequestError> {
        let counts = self.call(control, visit, &selection(visit)?)?;
        if let Some(job) = counts.job {
            return Ok(visit.links.with("job", &[("no", &job.to_string()), ("done", "job")]));
        }
        let (path, done, count) = match self {
            Self::Discard => ("deliveries", "discarded", counts.deliveries),
            Self::Redeliver => ("deliveries", "redelivering", counts.deliveries),
            Self::Replay => ("replay", "replaying", counts.records),
        };
        let count = count.to_string();
        let done = [("done", done), ("count", &count)];
        Ok(match self {
            Self::Replay => visit.links.with(path, &done),
            Self::Discard | Self::Redeliver => Deliveries::link(visit, path, &done),
        })
    }

    fn call(
        self,
        control: &dyn Control,
        visit: &Visit,
        selection: &DeliverySelection,
    ) -> Result<DeliveryCounts, RequestError> {
        match self {
            Self::Discard => control.discard_deliveries(selection, &visit.access),
            Self::Redeliver => control.redeliver_deliveries(selection, &visit.access),
            Self::Replay => control.replay_deliveries(selection, &visit.access),
        }
    }
}

/// Those that the query names by id, or all that match its filter.
fn selection(visit: &Visit) -> Result<DeliverySelection, RequestError> {
    let ids: Vec<String> = visit.all("id").map(str::to_owned).collect();
    if !ids.is_empty() {
        return Ok(DeliverySelection { ids, ..DeliverySelection::default() });
    }
    if visit.query("all") != Some("1") {
        return Err(RequestError::Invalid(t::deliveries::NONE_SELECTED.to_owned()));
    }
    let query = Deliveries::query(visit);
    if query.document.is_some()
        || query.key.is_some()
        || query.position.is_some()
        || query.webhook_id.is_some()
    {
        return Err(RequestError::Invalid(t::deliveries::SEARCH_NOT_ALL.to_owned()));
    }
    let DeliveryQuery { project, callback, state, class, status, since, until, .. } = query;
    let filter = [&project, &callback, &state, &class, &status, &since, &until];
    let all = filter.into_iter().all(Option::is_none);
    let none = DeliverySelection::default();
    Ok(DeliverySelection { project, callback, state, class, status, since, until, all, ..none })
}
