//! Deliveries: lists of batches, and searches for them.

use std::collections::HashMap;

use super::Controller;
use super::dead_letters::last_attempt;
use super::delivery_query::{Search, lanes_of, parse};
use super::replays::epochs;
use super::stored_records::Names;
use crate::admin::{
    DeliveryPage, DeliveryQuery, DeliveryState, DeliveryStatus, FoundRecordStatus, RequestError,
};
use crate::deliver::{LaneCondition, LaneView};
use crate::record::LaneNo;
use crate::spool::{Batch, BatchQuery, BatchState, FoundRecord, Reader, SpoolError};
use crate::time::Timestamp;

impl Controller {
    pub(super) fn list_deliveries(&self, query: &DeliveryQuery) -> Result<DeliveryPage, RequestError> {
        let reader = self.reader()?;
        let parsed = parse(query)?;
        let lanes = query.filter.project.as_deref().map(|name| lanes_of(&reader, name, parsed.callback));
        let lanes = lanes.transpose()?;
        match &parsed.search {
            None => self.list_batches(&reader, &BatchQuery { lanes, ..parsed.batches() }, parsed.state),
            Some(Search::Batch(id)) => {
                let found = reader.batch(id)?;
                let is_of = |batch: &Batch| lanes.as_ref().is_none_or(|lanes| lanes.contains(&batch.lane));
                let found: Vec<_> = found.into_iter().filter(|(batch, _)| is_of(batch)).collect();
                let deliveries = self.statuses(&reader, &found)?;
                Ok(DeliveryPage { deliveries, ..DeliveryPage::default() })
            }
            Some(Search::Position(position)) => {
                let found = reader.record_at(*position, epochs(&reader)?.current_after())?;
                let is_of =
                    |record: &FoundRecord| lanes.as_ref().is_none_or(|lanes| lanes.contains(&record.lane));
                self.found_records(&reader, found.into_iter().filter(is_of).collect())
            }
            Some(Search::Records(wanted)) => {
                let lanes = lanes.unwrap_or_default();
                let page = reader.records(&lanes, wanted, parsed.before_record, parsed.limit)?;
                let next = page.next.map(|seq| seq.0.to_string());
                Ok(DeliveryPage { next, ..self.found_records(&reader, page.records)? })
            }
        }
    }

    fn list_batches(
        &self,
        reader: &Reader,
        query: &BatchQuery,
        state: Option<DeliveryState>,
    ) -> Result<DeliveryPage, RequestError> {
        let (mut query, mut deliveries) = (query.clone(), Vec::new());
        for _ in 0..PAGES_MAX {
            let page =
                reader.batches(&BatchQuery { limit: query.limit - deliveries.len(), ..query.clone() })?;
            let mut more = self.statuses(reader, &page.batches)?;
            // The spool does not know which open batches are on the wire.
            more.retain(|delivery| state.is_none_or(|state| delivery.state == state));
            deliveries.extend(more);
            query.before = page.next;
            if page.next.is_none() || deliveries.len() >= query.limit {
                break;
            }
        }
        let next = query.before.map(|id| id.to_string());
        Ok(DeliveryPage { deliveries, records: Vec::new(), next })
    }

    /// The records, and the newest batch of each.
    fn found_records(&self, reader: &Reader, found: Vec<FoundRecord>) -> Result<DeliveryPage, RequestError> {
        let (mut batches, mut records) = (Vec::<(Batch, BatchState)>::new(), Vec::new());
        let (mut names, cursors) = (Names::new(reader), self.spool.cursors());
        for record in found {
            let holding = reader.batches_holding(record.lane, record.seq)?;
            records.push(FoundRecordStatus {
                project: names.of(record.lane)?,
                callback: record.lane.callback(),
                position: record.position.to_string(),
                committed_at: record.committed_at.to_rfc3339(),
                webhook_id: holding.first().map(|(batch, _)| batch.id.to_string()),
                settled: record.seq <= cursors.get(record.lane),
            });
            for batch in holding {
                if batches.iter().all(|(known, _)| known.id != batch.0.id) {
                    batches.push(batch);
                }
            }
        }
        let deliveries = self.statuses(reader, &batches)?;
        Ok(DeliveryPage { deliveries, records, next: None })
    }

    /// The batches as lists show them.
    pub(super) fn statuses(
        &self,
        reader: &Reader,
        batches: &[(Batch, BatchState)],
    ) -> Result<Vec<DeliveryStatus>, SpoolError> {
        let mut names = Names::new(reader);
        let mut open: Vec<LaneNo> = batches
            .iter()
            .filter(|(_, state)| *state == BatchState::Open)
            .map(|(batch, _)| batch.lane)
            .collect();
        open.sort_unstable();
        open.dedup();
        let views = if open.is_empty() { Vec::new() } else { self.deliver.view_of(open) };
        let views: HashMap<LaneNo, LaneView> = views.into_iter().map(|view| (view.lane, view)).collect();
        let now = self.clock.wall();
        let status = |(batch, state): &(Batch, BatchState)| {
            let view = views.get(&batch.lane).filter(|_| *state == BatchState::Open);
            let last_attempt = last_attempt(reader, &batch.id)?;
            let dead_letter = match state {
                BatchState::DeadLetter => reader.dead_letter_holding(batch.lane, batch.first)?,
                _ => None,
            };
            let is_sending = view.is_some_and(|view| view.sending == Some(batch.id));
            let shown = shown_state(*state, is_sending);
            Ok(DeliveryStatus {
                id: batch.id.to_string(),
                project: names.of(batch.lane)?,
                callback: batch.lane.callback(),
                state: shown,
                records: batch.records,
                bytes: batch.body_bytes,
                cut_at: batch.cut_at.to_rfc3339(),
                attempts: batch.attempts,
                last_attempt,
                next_attempt_at: view
                    .filter(|_| shown == DeliveryState::Waiting)
                    .and_then(|view| next_attempt_at(view, now))
                    .map(Timestamp::to_rfc3339),
                waits_for: view.filter(|_| shown == DeliveryState::Waiting).map(waits_for),
                dead_letter: dead_letter.map(|letter| letter.no.0),
                replay: batch.replay.map(|replay| replay.0),
            })
        };
        batches.iter().map(status).collect()
    }
}

fn shown_state(state: BatchState, is_sending: bool) -> DeliveryState {
    match state {
        BatchState::DeadLetter => DeliveryState::DeadLetter,
        BatchState::Delivered => DeliveryState::Delivered,
        BatchState::Open if is_sending => DeliveryState::InFlight,
        BatchState::Open => DeliveryState::Waiting,
        BatchState::Retired => DeliveryState::Retired,
    }
}

/// When a lane tries again, where it waits for that.
pub(super) fn next_attempt_at(view: &LaneView, now: Timestamp) -> Option<Timestamp> {
    let waits = !matches!(view.state, LaneCondition::Paused | LaneCondition::WithoutWebhook);
    view.next_attempt.filter(|_| waits).map(|wait| now.plus(wait))
}

/// What an open batch of a lane waits for.
fn waits_for(view: &LaneView) -> String {
    let reason = view.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    match view.state {
        LaneCondition::Paused => format!("the lane is paused{reason}"),
        LaneCondition::WithoutWebhook => "the lane has no webhook".to_owned(),
        LaneCondition::Failing | LaneCondition::NeedsOwner | LaneCondition::Throttled => {
            let cause = view.cause.map(|cause| format!(" ({})", cause.name)).unwrap_or_default();
            format!("its webhook fails{cause}{reason}")
        }
        LaneCondition::Busy | LaneCondition::Idle | LaneCondition::Waiting => {
            view.reason.clone().unwrap_or_else(|| "its turn".to_owned())
        }
    }
}

/// Pages of the spool that one page of a list is filled from.
const PAGES_MAX: u32 = 16;
