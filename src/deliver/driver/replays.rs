//! Replays, and redeliveries of dead letters.

use std::collections::HashMap;
use std::sync::mpsc::SyncSender;

use uuid::Uuid;

use super::Driver;
use super::event::EndedAttempt;
use super::pending_write::{PendingWrite, RedeliveryWrite};
use crate::deliver::driver::lane_reader::ReadScope;
use crate::deliver::scheduler::Candidate;
use crate::metrics::OutcomeLabel;
use crate::record::{Callback, LaneNo, Seq};
use crate::spool::{
    Batch, DeadLetter, DeadLetterNo, Fate, LaneReplay, Op, ReplayNo, ReplayState, SpoolError,
};
use crate::time::Uptime;

impl Driver {
    /// Resumes the replays of an earlier process.
    pub(in crate::deliver) fn resume_replays(&mut self) -> Result<(), SpoolError> {
        let all = self.lane_reader.reader().replays()?;
        for replay in all.into_iter().filter(|replay| replay.state == ReplayState::Running) {
            self.replays.insert(replay.no, replay.id);
            self.scheduler.set_rate(replay.no, replay.rate);
        }
        Ok(())
    }

    /// A replay is durable: adds its ranges to its lanes.
    pub(in crate::deliver) fn replay(
        &mut self,
        replay: ReplayNo,
        id: Uuid,
        rate: Option<u32>,
        ranges: &[LaneReplay],
        now: Uptime,
    ) {
        self.replays.insert(replay, id);
        self.scheduler.replay(replay, rate, ranges, now);
    }

    /// Cuts nothing more of it; `reply` is sent when that is durable.
    pub(in crate::deliver) fn cancel_replay(
        &mut self,
        replay: ReplayNo,
        reply: Option<SyncSender<Result<(), SpoolError>>>,
        now: Uptime,
    ) {
        self.replays.remove(&replay);
        if self.scheduler.cancel(replay, now) {
            self.count_replay("cancelled");
        }
        let op = Op::CancelReplay { replay, at: self.params.clock.wall() };
        self.submit(op, PendingWrite::CancelReplay { replay, reply });
    }

    /// Cancels the newest replay to make room. `false`: none runs.
    pub(in crate::deliver) fn cancel_newest(&mut self, now: Uptime) -> bool {
        let Some(replay) = self.scheduler.newest_replay() else { return false };
        let id = self.replays.get(&replay).map(Uuid::to_string).unwrap_or_default();
        tracing::warn!(replay = id, "the spool is near `spool.bytes_max`: the newest replay is cancelled");
        self.cancel_replay(replay, None, now);
        true
    }

    /// A batch of a replay is delivered, or skipped as too large.
    pub(in crate::deliver) fn replayed(
        &mut self,
        lane: LaneNo,
        replay: ReplayNo,
        batch: &Batch,
        fate: Fate,
        now: Uptime,
    ) {
        self.encoded.remove(&lane);
        if fate == Fate::Delivered {
            self.params.metrics.records_replayed.inc_by(u64::from(batch.records));
        }
        if self.scheduler.advanced(lane, replay, batch.last, now) {
            let id = self.replays.remove(&replay).map(|id| id.to_string()).unwrap_or_default();
            tracing::info!(replay = id, "the replay is done");
            self.count_replay("done");
        }
    }

    /// Sets what each of these records waits for within a replay. A record stores the records that were
    /// unsettled when it was made; those of its document that were settled by then and are not replayed yet
    /// are searched in the other lanes. The search has a limit; a record beyond it waits.
    pub(in crate::deliver) fn order_of_replay(
        &mut self,
        lane: LaneNo,
        replay: ReplayNo,
        candidates: &mut [Candidate],
    ) -> Result<(), SpoolError> {
        let Some(until) = candidates.last().map(|head| head.seq) else { return Ok(()) };
        for callback in Callback::ALL.into_iter().filter(|callback| *callback != lane.callback()) {
            let other = LaneNo::new(lane.project(), callback);
            // Records do not wait for a suspended lane.
            let moving = self.scheduler.lane(other).filter(|other| !other.is_suspended());
            let ranges: Vec<(Seq, Seq)> =
                moving.map_or_else(Vec::new, |other| other.ranges_of(replay).collect());
            let mut before: HashMap<u64, Vec<Seq>> = HashMap::new();
            let (mut left, mut looked_up_to) = (LOOK_BACK, None);
            for (cursor, last) in ranges.into_iter().filter(|(cursor, _)| *cursor < until) {
                let until = until.min(Seq(last.0 + 1));
                let found = self.lane_reader.documents(other, cursor, until, left)?;
                left -= found.len();
                looked_up_to = found.last().map(|(_, seq)| *seq).filter(|_| left == 0);
                found.into_iter().for_each(|(document, seq)| before.entry(document).or_default().push(seq));
                if left == 0 {
                    break;
                }
            }
            for head in candidates.iter_mut() {
                let of_document = before.get(&head.document);
                let last = of_document.and_then(|seqs| seqs.iter().rfind(|seq| **seq < head.seq));
                let unseen = looked_up_to.filter(|seq| *seq < head.seq);
                if let Some(slot) = head.after.0.get_mut(callback.index()) {
                    *slot = (*slot).max(last.copied().unwrap_or_default()).max(unseen.unwrap_or_default());
                }
            }
        }
        Ok(())
    }

    /// Sends the lane's next dead letter that has a requested redelivery, or cuts it first.
    pub(in crate::deliver) fn redeliver(&mut self, lane: LaneNo, now: Uptime) -> Result<(), SpoolError> {
        let webhook = self.scheduler.lane(lane).and_then(|lane| lane.webhook().cloned());
        let letter = self.lane_reader.reader().next_redelivery(lane)?;
        let (Some(webhook), Some(letter)) = (webhook, letter) else {
            self.scheduler.redeliveries(lane, false, now);
            self.scheduler.end_lease(lane, now);
            return Ok(());
        };
        let done = match letter.batch {
            None => self.cut_dead_letter(&letter, webhook.limits.records_max, webhook.limits.bytes_max),
            Some(batch) => {
                let batch = self.lane_reader.reader().batch(&batch)?.map(|(batch, _)| batch);
                let batch =
                    batch.ok_or_else(|| SpoolError::Damaged("a dead letter without its batch".into()));
                batch
                    .and_then(|batch| Ok((self.lane_reader.encode_again(ReadScope::Settled, &batch)?, batch)))
                    .map(|(encoded, batch)| {
                        self.request(webhook, batch, encoded, letter.redelivery, Some(letter.no));
                    })
            }
        };
        match done {
            // It was removed while it was read.
            Err(_) if self.lane_reader.reader().dead_letter(letter.no)?.is_none() => {
                self.scheduler.end_lease(lane, now);
                Ok(())
            }
            done => done,
        }
    }

    /// The first records of a dead letter that was never cut become a batch.
    fn cut_dead_letter(
        &mut self,
        letter: &DeadLetter,
        records_max: u32,
        bytes_max: u64,
    ) -> Result<(), SpoolError> {
        let lane = letter.lane;
        let head =
            self.lane_reader.read(ReadScope::Settled, lane, letter.first.before(), records_max, bytes_max)?;
        let epoch = self.params.epochs.of(letter.first);
        let last: Seq = epoch.last.map_or(letter.last, |last| last.min(letter.last));
        let mut bytes = 0_u64;
        let candidates = head.candidates(records_max, Some(last))?;
        let fits = candidates.iter().take_while(|head| {
            bytes = bytes.saturating_add(head.bytes);
            bytes <= bytes_max
        });
        let records = fits.count().max(1);
        let batch = self.batch(lane, epoch.id, &head.encode(records)?);
        self.submit(Op::CutDead { dead: letter.no, batch }, PendingWrite::CutDeadLetter(lane));
        Ok(())
    }

    /// The attempt of a redelivery ended.
    pub(in crate::deliver) fn redelivery_ended(&self, ended: EndedAttempt, dead: DeadLetterNo, fate: Fate) {
        let (_, attempted) = self.attempted(ended, fate);
        self.write_redelivery(Box::new(RedeliveryWrite { dead, attempted }));
    }

    pub(in crate::deliver) fn write_redelivery(&self, write: Box<RedeliveryWrite>) {
        let op = Op::Redelivered { dead: write.dead, attempted: write.attempted.clone() };
        self.submit(op, PendingWrite::Redelivery(write));
    }

    fn count_replay(&self, outcome: &'static str) {
        self.params.metrics.replays.get_or_create(&OutcomeLabel { outcome }).inc();
    }
}

/// The number of records by which a lane of a replay may be ahead of the other lanes of its project.
const LOOK_BACK: usize = 4_096;
