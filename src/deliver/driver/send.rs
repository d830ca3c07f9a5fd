//! Cuts and sends batches.

use std::sync::Arc;

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::Driver;
use super::event::{EndedAttempt, Event};
use super::pending_write::PendingWrite;
use crate::deliver::driver::lane_reader::{EncodedBatch, ReadScope};
use crate::deliver::http::client::OutgoingRequest;
use crate::deliver::http::request::{RequestContext, headers};
use crate::deliver::scheduler::Run;
use crate::deliver::scheduler::lane::CutRange;
use crate::deliver::webhook::Webhook;
use crate::failpoint::{self, Side};
use crate::record::LaneNo;
use crate::spool::{Batch, DeadLetterNo, Op, SpoolError};
use crate::time::Uptime;

impl Driver {
    pub(in crate::deliver) fn cut(&mut self, lane: LaneNo, now: Uptime) -> Result<(), SpoolError> {
        let Some(state) = self.scheduler.lane(lane) else { return Ok(()) };
        let (records_max, bytes_max) =
            state.webhook().map_or((1, 1), |webhook| state.cut_limits(webhook, state.work()));
        let Some(CutRange { replay, after, last }) = state.range_at_work() else {
            // The replay was cancelled meanwhile.
            self.scheduler.end_lease(lane, now);
            return Ok(());
        };
        let kind = ReadScope::of(replay);
        let is_at_hand = self.lane_reader.is_at_hand(kind, lane, after);
        let mut wanted = if is_at_hand { records_max } else { records_max.min(FIRST_RECORDS) };
        let (head, candidates, epoch, run) = loop {
            let head = self.lane_reader.read(kind, lane, after, wanted, bytes_max)?;
            let Some(first) = head.first()? else {
                let lost = format!("the records of lane {lane} behind {}", after.0);
                return Err(SpoolError::Damaged(lost));
            };
            let epoch = self.params.epochs.of(first);
            let last = epoch.last.into_iter().chain(last).min();
            let mut candidates = head.candidates(records_max, last)?;
            if let Some(replay) = replay {
                self.order_of_replay(lane, replay, &mut candidates)?;
            }
            let run = self.scheduler.run(lane, &candidates, now);
            let may_all_be_sent =
                run == Run::Records(candidates.len()) && candidates.len() >= wanted as usize;
            if wanted == records_max || !may_all_be_sent {
                break (head, candidates, epoch.id, run);
            }
            wanted = records_max;
        };
        let Run::Records(records) = run else {
            let after = candidates.first().map(|head| head.after).unwrap_or_default();
            let health = self.scheduler.blocked(lane, after, now);
            self.store_health(lane, health);
            return Ok(());
        };
        let encoded = head.encode(records)?;
        let batch = Batch { replay, ..self.batch(lane, epoch, &encoded) };
        self.encoded.insert(lane, (batch.id, encoded));
        self.submit(Op::Cut(batch.clone()), PendingWrite::Cut(batch));
        Ok(())
    }

    pub(in crate::deliver) fn send(&mut self, lane: LaneNo, batch: Batch) -> Result<(), SpoolError> {
        let Some(webhook) = self.scheduler.lane(lane).and_then(|lane| lane.webhook().cloned()) else {
            return Ok(());
        };
        let encoded = if let Some((_, encoded)) = self.encoded.remove(&lane).filter(|(id, _)| *id == batch.id)
        {
            encoded
        } else {
            let kind = ReadScope::of(batch.replay);
            self.lane_reader.encode_again(kind, &batch)?
        };
        let replay = batch.replay.and_then(|replay| self.replays.get(&replay).copied());
        self.request(webhook, batch, encoded, replay, None);
        Ok(())
    }

    /// Starts the request. `dead` is the dead letter that it redelivers.
    pub(in crate::deliver) fn request(
        &mut self,
        webhook: Arc<Webhook>,
        batch: Batch,
        encoded: EncodedBatch,
        replay: Option<Uuid>,
        dead: Option<DeadLetterNo>,
    ) {
        let lane = batch.lane;
        let started_at = self.params.clock.wall();
        let context = RequestContext {
            batch: &batch,
            project: self.project(lane),
            first: encoded.first,
            last: encoded.last,
            attempt: batch.attempts.saturating_add(1),
            replay,
            now: started_at,
        };
        let headers = headers(&webhook, &context, &self.params.header_names, &encoded.body);
        let request =
            OutgoingRequest::new(&webhook, self.project(lane), lane.callback(), headers, encoded.body);
        let (events, committed_at) = (self.events.clone(), encoded.committed_at);
        let clock = self.params.clock;
        let began = clock.elapsed();
        failpoint::reach("send", Side::Before);
        let reply = move |outcome, exchange| {
            failpoint::reach("send", Side::After);
            let took = clock.elapsed().saturating_sub(began);
            let ended = EndedAttempt { lane, batch, dead, outcome, exchange, started_at, took, committed_at };
            let _ = events.send(Event::AttemptEnded(Box::new(ended)));
        };
        (self.params.post)(request, Box::new(reply));
    }

    pub(in crate::deliver) fn batch(&self, lane: LaneNo, epoch: Uuid, encoded: &EncodedBatch) -> Batch {
        Batch {
            id: Uuid::now_v7(),
            lane,
            first: encoded.ends.0,
            last: encoded.ends.1,
            records: encoded.records,
            body_bytes: encoded.body.len() as u64,
            body_sum: xxh3_64(&encoded.body),
            cut_at: self.params.clock.wall(),
            epoch,
            attempts: 0,
            replay: None,
        }
    }
}

/// The rest of a batch is read from the disk where all of these may be sent: behind a record that waits for another
/// lane, nothing is.
const FIRST_RECORDS: u32 = 16;
