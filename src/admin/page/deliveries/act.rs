//! What is done about batches: those that are checked, or all that match. Pure, but for what it calls.

use super::list::Deliveries;
use crate::admin::api::DeliverySelection;
use crate::admin::control::Control;
use crate::admin::page::bulk::{self, Act, Bulk, Counted};
use crate::admin::page::frame::Nav;
use crate::admin::page::texts as t;
use crate::admin::page::times::Fact;
use crate::admin::page::visit::Visit;
use crate::admin::request_error::RequestError;

impl Bulk for Deliveries {
    const NAV: Nav = Nav::Deliveries;
    const NOTHING: &str = t::deliveries::NONE_TO_ACT_ON;

    fn act(act: Act, control: &dyn Control, visit: &Visit, dry_run: bool) -> Result<Counted, RequestError> {
        let selection = DeliverySelection { dry_run, ..selection(visit)? };
        let counts = match act {
            Act::Discard => control.discard_deliveries(&selection, &visit.access),
            Act::Redeliver => control.redeliver_deliveries(&selection, &visit.access),
            Act::Replay => control.replay_deliveries(&selection, &visit.access),
        }?;
        let kind = if act == Act::Replay { t::deliveries::SETTLED_ONES } else { t::deliveries::DEAD_ONES };
        let mut sentences = vec![t::deliveries::about(counts.deliveries, counts.records, counts.more, kind)];
        sentences.extend((counts.left_out > 0).then(|| t::deliveries::left_out(counts.left_out, kind)));
        Ok(Counted {
            number: counts.deliveries,
            records: counts.records,
            sentences,
            estimated_seconds: counts.estimated_seconds,
            job: counts.job,
        })
    }

    fn filter(visit: &Visit) -> Vec<(&'static str, Option<Fact>)> {
        let filter = Self::query(visit).filter;
        vec![
            (t::PROJECT, bulk::text(filter.project.as_ref())),
            (t::CALLBACK, bulk::text(filter.callback.as_ref())),
            (t::deliveries::STATE, bulk::text(filter.state.as_ref())),
            (t::deliveries::CLASS, bulk::text(filter.class.as_ref())),
            (t::deliveries::STATUS, bulk::text(filter.status.as_ref())),
            (t::deliveries::SINCE, bulk::time(filter.since.as_ref())),
            (t::deliveries::UNTIL, bulk::time(filter.until.as_ref())),
        ]
    }

    fn back(visit: &Visit, more: &[(&str, &str)]) -> String {
        Self::link(visit, "deliveries", more)
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
    if query.is_search() {
        return Err(RequestError::Invalid(t::deliveries::SEARCH_NOT_ALL.to_owned()));
    }
    let filter = query.filter;
    Ok(DeliverySelection { all: !filter.is_set(), filter, ..DeliverySelection::default() })
}
