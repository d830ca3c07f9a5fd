//! Handles the outcome of an attempt: counts and stores it, then lets the lane continue.

use super::Driver;
use super::event::EndedAttempt;
use super::pending_write::{AttemptWrite, PendingWrite};
use crate::deliver::driver::lane_reader::ReadScope;
use crate::deliver::scheduler::lane::{Lane, Settled};
use crate::deliver::scheduler::retry::Outcome;
use crate::metrics::{AttemptLabel, CallbackLabel, ReasonLabel};
use crate::outcome::may_be_taken;
use crate::record::{LaneNo, Seq};
use crate::spool::{Attempted, Batch, DeadReason, Done, Fate, LaneHealth, LoggedAttempt, Op, SpoolError};
use crate::time::Uptime;

impl Driver {
    pub(in crate::deliver) fn ended(&mut self, ended: EndedAttempt, now: Uptime) {
        let EndedAttempt { lane, batch, .. } = &ended;
        let lane = *lane;
        let before = self.health(lane);
        let (failed_before, state) = (before.failures > 0, self.state(lane));
        let was_faulty = self.scheduler.lane(lane).is_some_and(Lane::has_faulty_responses);
        let jitter = (self.params.jitter)();
        let Some(decided) = self.scheduler.ended(lane, &ended.outcome, jitter, now) else { return };
        self.count(&ended, decided.fate);
        self.count_transition(lane, state);
        if before.paused.is_none() {
            self.log_pause(lane);
        }
        if let Some(dead) = ended.dead {
            let health = self.health(lane);
            self.redelivery_ended(ended, dead, decided.fate);
            // A redelivery changes the lane's health only where the answer pauses it.
            return self.store_health(lane, Some(health).filter(|health| *health != before));
        }
        self.log_outage(&ended, failed_before, now);
        self.log_faulty_response(&ended, was_faulty);
        let successor = match decided.prefix.map(|records| self.prefix(batch, records)).transpose() {
            Ok(successor) => successor,
            Err(error) => return self.not_written(lane, error, now),
        };
        let (batch, attempted) = self.attempted(ended, decided.fate);
        self.write_attempt(Box::new(AttemptWrite { attempted, batch, successor }));
    }

    /// The attempt as the spool stores it.
    pub(in crate::deliver) fn attempted(&self, ended: EndedAttempt, fate: Fate) -> (Batch, Attempted) {
        let EndedAttempt { lane, batch, dead, outcome, exchange, started_at, took, .. } = ended;
        let health = self.health(lane);
        let retry_at = health.retry_at.filter(|_| fate == Fate::Failed && dead.is_none());
        let clock = self.params.clock;
        let log = LoggedAttempt {
            number: batch.attempts.saturating_add(1),
            started_at,
            took_micros: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            status: outcome.status,
            outcome: outcome.kind,
            detail: outcome.detail,
            exchange,
            next_at: retry_at.map(|at| clock.wall().plus(at.since(clock.uptime()))),
        };
        let attempted = Attempted { batch: batch.id, lane, log, fate, health };
        (batch, attempted)
    }

    /// Submits an outcome, with the health that the lane has now.
    pub(in crate::deliver) fn write_attempt(&self, mut write: Box<AttemptWrite>) {
        write.attempted.health = self.health(write.attempted.lane);
        if write.batch.replay.is_some_and(|replay| !self.replays.contains_key(&replay)) {
            // The replay was cancelled meanwhile: the batch is not replaced.
            write.successor = None;
        }
        let attempted = Op::Attempted(write.attempted.clone());
        match write.successor.clone() {
            None => self.submit(attempted, PendingWrite::Attempt(write)),
            Some(successor) => {
                self.params.spool.submit(attempted, |_| {});
                let retire = Op::Retire { batch: write.batch.id, successors: vec![successor] };
                self.submit(retire, PendingWrite::Attempt(write));
            }
        }
    }

    /// An outcome is durable: the lane continues.
    pub(in crate::deliver) fn attempt_written(&mut self, write: AttemptWrite, now: Uptime) {
        let AttemptWrite { attempted, batch, successor } = write;
        let (lane, records) = (attempted.lane, u64::from(batch.records));
        let refused = self.refused_before(&attempted, &batch);
        if attempted.fate == Fate::Failed {
            self.scheduler.attempt_recorded(lane, successor, now);
            if let Some((through, records, bytes)) = refused {
                self.count_dead(lane, DeadReason::Refused, records);
                self.settled(lane, through, records, bytes, now);
            }
            return;
        }
        if let Some(replay) = batch.replay {
            return self.replayed(lane, replay, &batch, attempted.fate, now);
        }
        if let Fate::Dead(reason) = attempted.fate {
            self.count_dead(lane, reason, records);
        }
        let (_, more_records, more_bytes) = refused.unwrap_or_default();
        if more_records > 0 {
            self.count_dead(lane, DeadReason::Refused, more_records);
        }
        let (records, bytes) = (records + more_records, batch.fragment_bytes() + more_bytes);
        self.settled(lane, batch.last, records, bytes, now);
    }

    /// The records before a batch that became dead letters with its attempt: up to which, how many, and of
    /// how many bytes.
    fn refused_before(&self, attempted: &Attempted, batch: &Batch) -> Option<(Seq, u64, u64)> {
        let settles =
            attempted.fate != Fate::Failed || may_be_taken(attempted.log.outcome, attempted.log.status);
        let lane = self.scheduler.lane(batch.lane).filter(|_| settles && batch.replay.is_none())?;
        let before = lane.batches().iter().take_while(|open| open.last < batch.first);
        before.fold(None, |all, open| {
            let (_, records, bytes) = all.unwrap_or_default();
            Some((open.last, records + u64::from(open.records), bytes + open.fragment_bytes()))
        })
    }

    /// Records became dead letters, or, without a reason, were discarded.
    pub(in crate::deliver) fn gave_up(
        &mut self,
        lane: LaneNo,
        through: Seq,
        reason: Option<DeadReason>,
        done: &Done,
        now: Uptime,
    ) {
        let Done::Settled { records, bytes } = *done else {
            return self.scheduler.end_lease(lane, now);
        };
        match reason {
            Some(reason) => self.count_dead(lane, reason, records),
            None => drop(self.params.metrics.records_discarded.inc_by(records)),
        }
        self.settled(lane, through, records, bytes, now);
    }

    pub(in crate::deliver) fn settled(
        &mut self,
        lane: LaneNo,
        through: Seq,
        records: u64,
        bytes: u64,
        now: Uptime,
    ) {
        self.encoded.remove(&lane);
        self.lane_reader.settled(lane, through);
        let left = self.scheduler.lane(lane).is_some_and(|lane| lane.pending_records() > records);
        match left.then(|| self.lane_reader.oldest(lane, through)).transpose() {
            Ok(oldest) => {
                let settled = Settled { through, records, bytes, oldest: oldest.flatten() };
                self.scheduler.settled(lane, settled, now);
            }
            Err(error) => self.fail(error),
        }
    }

    /// A batch of the first records of another.
    fn prefix(&mut self, whole: &Batch, records: u32) -> Result<Batch, SpoolError> {
        let after = Seq(whole.first.0.saturating_sub(1));
        let kind = ReadScope::of(whole.replay);
        let read = self.lane_reader.read(kind, whole.lane, after, records, u64::MAX)?;
        let encoded = read.encode(records as usize)?;
        Ok(Batch { replay: whole.replay, ..self.batch(whole.lane, whole.epoch, &encoded) })
    }

    pub(in crate::deliver) fn health(&self, lane: LaneNo) -> LaneHealth {
        self.scheduler.lane(lane).map(|lane| lane.health().clone()).unwrap_or_default()
    }

    fn count(&self, ended: &EndedAttempt, fate: Fate) {
        let metrics = &self.params.metrics;
        let callback = ended.lane.callback();
        metrics.attempts.get_or_create(&AttemptLabel { callback, outcome: ended.outcome.kind }).inc();
        if let Some(projects) = &metrics.projects {
            projects.attempt(self.project(ended.lane), callback, ended.outcome.kind);
        }
        metrics.attempt_duration.observe(ended.took.as_secs_f64());
        if fate == Fate::Delivered {
            metrics.batches_delivered.get_or_create(&CallbackLabel { callback }).inc();
            // A replayed record has no meaningful latency.
            if ended.batch.replay.is_none() && ended.dead.is_none() {
                let latency = self.params.clock.wall().since(ended.committed_at);
                metrics.delivery_latency.observe(latency.as_secs_f64());
            }
        }
    }

    fn count_dead(&self, lane: LaneNo, reason: DeadReason, records: u64) {
        let (project, callback, why) = (self.project(lane), lane.callback(), reason.name());
        tracing::warn!(project, %callback, records, reason = why, "records became dead letters");
        self.params.metrics.dead_letters.get_or_create(&ReasonLabel { reason: why }).inc_by(records);
        self.report_dead(lane, reason, records);
    }

    /// Logs once that a response breaks the protocol after its status; repetitions are only counted.
    fn log_faulty_response(&self, EndedAttempt { lane, outcome, .. }: &EndedAttempt, was_faulty: bool) {
        let is_faulty = self.scheduler.lane(*lane).is_some_and(Lane::has_faulty_responses);
        if is_faulty && !was_faulty {
            let (project, callback) = (self.project(*lane), lane.callback());
            let Outcome { status, detail, .. } = outcome;
            tracing::warn!(project, %callback, status, detail, "a webhook accepts records, but its response breaks the protocol");
        }
    }
}
