//! Redelivers and discards the dead letters of batches, and replays settled batches, by id or by filter.

use super::Controller;
use super::bulk::Action;
use super::bulk_selection::Selected;
use super::delivery_query::{id, lanes_of, parse};
use super::replayed_batches::{COUNTED_MAX, Settled, ranges};
use super::stored_records::Names;
use crate::admin::{
    Access, DeliveryCounts, DeliveryQuery, DeliverySelection, DeliveryState, RequestError, Scope,
};
use crate::amount::count;
use crate::replay::ReplayRequest;
use crate::service::audit::Entry;
use crate::spool::{Batch, BatchQuery, BatchState, DeadLetter, Reader, SpoolError};

/// The batches that a request names.
enum Chosen {
    Batches(Vec<(Batch, BatchState)>),
    /// With the state that the filter asks for.
    Filter(BatchQuery, Option<DeliveryState>),
}

impl Controller {
    /// Acts on the dead letters of the batches.
    pub(super) fn act_on_deliveries(
        &self,
        action: Action,
        selection: &DeliverySelection,
        access: &Access,
    ) -> Result<DeliveryCounts, RequestError> {
        if selection.rate.is_some() {
            return Err(RequestError::field("rate", "it is of a replay only"));
        }
        let reader = self.reader()?;
        let (selected, left_out) = match chosen(&reader, selection, access)? {
            Chosen::Batches(batches) => {
                let letters = dead_letters(&reader, &batches)?;
                let left_out = batches.len() - letters.len();
                (Selected::Letters(letters), left_out)
            }
            Chosen::Filter(query, None | Some(DeliveryState::DeadLetter)) => (Selected::Batches(query), 0),
            Chosen::Filter(..) => (Selected::Letters(Vec::new()), 0),
        };
        let counts =
            self.carry_out(action, selected, about(selection, access), (selection.dry_run, access))?;
        Ok(DeliveryCounts {
            deliveries: counts.dead_letters,
            records: counts.records,
            left_out: left_out as u64,
            more: false,
            estimated_seconds: counts.estimated_seconds,
            job: counts.job,
            replay: None,
        })
    }

    /// Sends the records of settled batches again.
    pub(super) fn replay_deliveries_of(
        &self,
        selection: &DeliverySelection,
        access: &Access,
    ) -> Result<DeliveryCounts, RequestError> {
        if selection.rate == Some(0) {
            return Err(RequestError::field("rate", "at least 1 record a second is expected"));
        }
        let reader = self.reader()?;
        let mut settled = match chosen(&reader, selection, access)? {
            Chosen::Batches(batches) => Settled::of(batches),
            Chosen::Filter(query, state) => Settled::find(&reader, query, state)?,
        };
        self.leave_out_what_is_gone(&reader, &mut settled)?;
        let mut counts = DeliveryCounts {
            deliveries: settled.batches.len() as u64,
            records: settled.batches.iter().map(|batch| u64::from(batch.records)).sum(),
            left_out: settled.left_out,
            more: settled.more,
            estimated_seconds: Some(settled.takes(&reader, selection.rate)?),
            ..DeliveryCounts::default()
        };
        if selection.dry_run {
            return Ok(counts);
        }
        if settled.more {
            return Err(RequestError::Conflict(format!(
                "more than {COUNTED_MAX} batches match: narrow the filter, or replay their records by time"
            )));
        }
        let about = about(selection, access);
        if !settled.batches.is_empty() {
            let request = ReplayRequest {
                project: about.project.map(str::to_owned),
                callback: selection.filter.callback.clone(),
                rate: selection.rate,
                deliveries: Some(counts.deliveries),
                ..ReplayRequest::default()
            };
            let (no, records) =
                self.begin_replay_of(&reader, &request, ranges(&reader, &settled.batches)?)?;
            (counts.replay, counts.records) = (Some(no), records);
        }
        let batches = count(counts.deliveries, "batch", "batches");
        let detail = Some(format!("{batches}, {}", count(counts.records, "record", "records")));
        self.record(access, Entry { what: "a replay of batches was requested", detail, ..about });
        Ok(counts)
    }
}

fn about<'a>(selection: &'a DeliverySelection, access: &'a Access) -> Entry<'a> {
    let project = selection.filter.project.as_deref().or(access.scope.project());
    Entry { callback: selection.filter.callback.as_deref(), ..Entry::about("", project) }
}

/// An unknown id is an error.
fn chosen(reader: &Reader, selection: &DeliverySelection, access: &Access) -> Result<Chosen, RequestError> {
    let is_filtered = selection.filter.is_set();
    if !selection.ids.is_empty() {
        if is_filtered || selection.all {
            return Err(RequestError::Invalid("name batches by id or by filter, not by both".to_owned()));
        }
        let found = selection.ids.iter().map(|text| find(reader, text, &access.scope));
        return Ok(Chosen::Batches(found.collect::<Result<_, _>>()?));
    }
    if !is_filtered && !selection.all {
        return Err(RequestError::Invalid(
            "say which: ids, a project, a callback, a state, a class, a status, a time, or all of them"
                .to_owned(),
        ));
    }
    let project = access.scope.narrowed(selection.filter.project.as_deref())?;
    let parsed = parse(&DeliveryQuery { filter: selection.filter.clone(), ..DeliveryQuery::default() })?;
    let lanes = project.map(|project| lanes_of(reader, &project, parsed.callback)).transpose()?;
    Ok(Chosen::Filter(BatchQuery { lanes, ..parsed.batches() }, parsed.state))
}

/// Those of other projects are not found.
fn find(reader: &Reader, text: &str, scope: &Scope) -> Result<(Batch, BatchState), RequestError> {
    let not_found = || {
        RequestError::NotFound(format!(
            "there is no batch with the webhook-id {text}: `sidecar deliveries list` lists them"
        ))
    };
    let found = reader.batch(&id("ids", text)?)?.ok_or_else(not_found)?;
    if scope.holds(&Names::new(reader).of(found.0.lane)?) { Ok(found) } else { Err(not_found()) }
}

fn dead_letters(reader: &Reader, batches: &[(Batch, BatchState)]) -> Result<Vec<DeadLetter>, SpoolError> {
    let dead = batches.iter().filter(|(_, state)| *state == BatchState::DeadLetter);
    let letters = dead.map(|(batch, _)| reader.dead_letter_holding(batch.lane, batch.first));
    let mut letters: Vec<_> = letters.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    letters.sort_unstable_by_key(|letter| letter.no);
    letters.dedup_by_key(|letter| letter.no);
    Ok(letters)
}
