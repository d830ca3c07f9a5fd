//! The records of a document, each with its cause and what became of it.

use std::collections::HashMap;

use serde_json::value::RawValue;

use super::Controller;
use super::deliveries::next_attempt_at;
use super::replays::epochs;
use super::stored_records::{Names, stored_records};
use super::why::{Before, LaneFact, Pair, Place, RecordFacts, RecordProperty, ShadowFact, cause, state};
use crate::admin::DocumentRecord;
use crate::amount::span;
use crate::deliver::{LaneCondition, LaneView};
use crate::position::Position;
use crate::record::{Callback, LaneNo, Seq};
use crate::spool::{Batch, BatchState, FoundRecord, Reader, SpoolError, Wanted};
use crate::time::Timestamp;

/// A document, as a caller names it.
#[derive(Clone, Copy)]
pub(super) struct Document<'a> {
    pub(super) project: &'a str,
    pub(super) id: &'a str,
    /// The caller may see this project alone, and learns no other name.
    pub(super) is_scoped: bool,
}

/// What tells the causes and places of records.
pub(super) struct RecordStory<'a> {
    controller: &'a Controller,
    reader: &'a Reader,
    document: Document<'a>,
    views: HashMap<LaneNo, &'a LaneView>,
    /// The shadow, for the newest record alone.
    shadow: Option<&'a ShadowFact>,
    epoch_after: Seq,
}

impl<'a> RecordStory<'a> {
    /// `shadow`: where the page begins with the newest record.
    pub(super) fn new(
        controller: &'a Controller,
        reader: &'a Reader,
        document: Document<'a>,
        views: &'a [LaneView],
        shadow: Option<&'a ShadowFact>,
    ) -> Result<Self, SpoolError> {
        let views = views.iter().map(|view| (view.lane, view)).collect();
        let epoch_after = epochs(reader)?.current_after();
        Ok(Self { controller, reader, document, views, shadow, epoch_after })
    }

    /// The records, the newest first, as the API shows them.
    pub(super) fn records(
        &self,
        found: &[FoundRecord],
        lanes: &[LaneNo],
    ) -> Result<Vec<DocumentRecord>, SpoolError> {
        let older = found.iter().skip(1);
        let earliest = match found.last() {
            Some(last) => {
                let wanted = Wanted::Document(last.document);
                self.reader.records(lanes, &wanted, Some(last.seq), 1)?.records
            }
            None => Vec::new(),
        };
        let older = older.map(Some).chain([earliest.first()]);
        let mut records = Vec::new();
        for (at, (record, before)) in found.iter().zip(older).enumerate() {
            let now = self.shadow.filter(|_| at == 0);
            records.push(self.record(record, before, now)?);
        }
        Ok(records)
    }

    fn record(
        &self,
        record: &FoundRecord,
        before: Option<&FoundRecord>,
        now: Option<&ShadowFact>,
    ) -> Result<DocumentRecord, SpoolError> {
        let fragment = String::from_utf8_lossy(&record.fragment).into_owned();
        let raw = RawValue::from_string(fragment)
            .map_err(|error| SpoolError::Damaged(format!("a record: {error}")))?;
        let routes = self.controller.webhooks.routes();
        let facts = RecordFacts {
            callback: record.lane.callback(),
            property: property(&raw),
            before: match before.map(|before| before.lane.callback()) {
                None => Before::Unknown,
                Some(Callback::Excluded) => Before::Excluded,
                Some(Callback::Ingested | Callback::Modified) => Before::Live,
            },
            pair: self.pair(record)?,
            now: now.cloned(),
            keeps_excluded: routes.find(self.document.project, Callback::Excluded).is_some(),
        };
        let batches = self.reader.batches_holding(record.lane, record.seq)?;
        let place = self.place(record, &batches)?;
        let newest = batches.into_iter().next();
        let delivery = self.controller.statuses(self.reader, newest.as_slice())?.pop();
        Ok(DocumentRecord {
            callback: record.lane.callback(),
            position: record.position.to_string(),
            commit_lsn: record.position.commit.to_string(),
            committed_at: record.committed_at.to_rfc3339(),
            cause: cause(&facts),
            state: state(&place),
            settled: self.is_settled(record),
            record: raw,
            delivery,
        })
    }

    fn is_settled(&self, record: &FoundRecord) -> bool {
        record.seq <= self.controller.spool.cursors().get(record.lane)
    }

    /// The other half of a move: `excluded` is made first, `ingested` right behind it, in one transaction.
    fn pair(&self, record: &FoundRecord) -> Result<Option<Pair>, SpoolError> {
        let number = match record.lane.callback() {
            Callback::Excluded => record.position.number.checked_add(1),
            Callback::Ingested => record.position.number.checked_sub(1).filter(|number| *number > 0),
            Callback::Modified => None,
        };
        let Some(number) = number.filter(|_| record.seq > self.epoch_after) else { return Ok(None) };
        let other = self.reader.record_at(Position { number, ..record.position }, self.epoch_after)?;
        let Some(other) = other else { return Ok(None) };
        let (excluded, ingested) = match record.lane.callback() {
            Callback::Excluded => (record, &other),
            _ => (&other, record),
        };
        let is_pair =
            excluded.lane.callback() == Callback::Excluded && ingested.lane.callback() == Callback::Ingested;
        let is_same = excluded.document == ingested.document;
        let same_project = excluded.lane.project() == ingested.lane.project();
        // Only under a new id does `ingested` wait for another document's `excluded`.
        let waits = ingested.after.0.get(Callback::Excluded.index()) == Some(&excluded.seq);
        Ok(match (is_pair, same_project) {
            (true, false) if is_same => {
                let name = if self.document.is_scoped {
                    None
                } else {
                    Some(Names::new(self.reader).of(other.lane)?)
                };
                Some(Pair::Project(name))
            }
            (true, true) if !is_same && waits => id_of(&other).map(Pair::Id),
            _ => None,
        })
    }

    fn place(&self, record: &FoundRecord, batches: &[(Batch, BatchState)]) -> Result<Place, SpoolError> {
        let (lane, seq) = (record.lane, record.seq);
        if let Some(letter) = self.reader.dead_letter_holding(lane, seq)? {
            return Ok(Place::DeadLetter { no: letter.no.0, reason: letter.reason.name() });
        }
        let own =
            |(batch, state): &&(Batch, BatchState)| batch.replay.is_none() && *state != BatchState::Retired;
        if let Some((batch, state)) = batches.iter().find(own) {
            let last = self.reader.last_attempt(&batch.id)?;
            if *state == BatchState::Open {
                if self.views.get(&lane).is_some_and(|view| view.sending == Some(batch.id)) {
                    return Ok(Place::InFlight { attempt: batch.attempts + 1 });
                }
                let last = last.map(|last| {
                    last.status.map_or_else(|| last.outcome.to_string(), |status| status.to_string())
                });
                return Ok(Place::Open { attempts: batch.attempts, last, lane: self.lane_fact(record)? });
            }
            let at = last.map(|last| last.started_at.to_rfc3339());
            return Ok(Place::Delivered { attempts: batch.attempts, at });
        }
        if !self.is_settled(record) {
            return Ok(Place::Pending(self.lane_fact(record)?));
        }
        let discarded = self.reader.discarded(lane, seq, seq)?;
        Ok(if discarded.is_empty() { Place::Settled } else { Place::Discarded })
    }

    fn lane_fact(&self, record: &FoundRecord) -> Result<LaneFact, SpoolError> {
        let Some(view) = self.views.get(&record.lane) else { return Ok(LaneFact::WithoutWebhook) };
        let now = self.controller.clock.wall();
        match view.state {
            LaneCondition::Paused => return Ok(LaneFact::Paused { reason: view.reason.clone() }),
            LaneCondition::WithoutWebhook => return Ok(LaneFact::WithoutWebhook),
            LaneCondition::Failing | LaneCondition::NeedsOwner | LaneCondition::Throttled => {
                let next = next_attempt_at(view, now).map(Timestamp::to_rfc3339);
                return Ok(LaneFact::Failing { cause: view.cause.map(|cause| cause.name), next });
            }
            LaneCondition::Busy | LaneCondition::Idle | LaneCondition::Waiting => {}
        }
        let cursors = self.controller.spool.cursors();
        for callback in Callback::ALL {
            let other = LaneNo::new(record.lane.project(), callback);
            let after = record.after.0.get(callback.index()).copied().unwrap_or_default();
            if after > cursors.get(other) {
                let first = stored_records(self.reader, other, (after, after), 1)?.into_iter().next();
                let routes = self.controller.webhooks.routes();
                let webhook = routes.find(self.document.project, record.lane.callback());
                let wait = webhook.map(|webhook| webhook.limits.order_wait).unwrap_or_default();
                let position = first.map(|first| first.position.to_string());
                return Ok(LaneFact::Order { callback, position, wait: span(wait) });
            }
        }
        Ok(LaneFact::Sending { records: view.pending_records })
    }
}

/// By the members of a record's JSON.
fn property(raw: &RawValue) -> RecordProperty {
    let members = serde_json::from_str::<HashMap<&str, &RawValue>>(raw.get()).unwrap_or_default();
    let has = |name: &str| members.contains_key(name);
    match () {
        () if has("similar_doc_id") => RecordProperty::Similarity,
        () if has("predicted_labels") => RecordProperty::PredictedLabels,
        () if has("labels") => RecordProperty::Labels,
        () => RecordProperty::Document,
    }
}

fn id_of(record: &FoundRecord) -> Option<String> {
    let json: serde_json::Value = serde_json::from_slice(&record.fragment).ok()?;
    json.get("id")?.as_str().map(str::to_owned)
}
