//! Which lane sends what, when. A machine: what happened in, what to do out; no I/O, no clock.
//!
//! 1. A lane has one batch in flight, and its cursor moves only over settled records.
//! 2. Only sendable records are cut: a batch never waits for another lane once it is cut. The
//!    earliest unsettled record of a project is always sendable, so no two lanes wait on each other.
//! 3. Whoever fails or hangs leaves slots for requests to others: [`SlotQueue`].

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use self::lane::{Due, GiveUp, Lane, Phase, RateLimiters, Work};
use self::retry::{DELIVERED, Outcome, Verdict, verdict};
use self::slots::{SlotKey, SlotQueue};
use crate::deliver::webhook::Webhook;
use crate::record::{Callback, LaneNo, Seq};
use crate::spool::{Batch, DeadReason, Fate, LaneState};
use crate::time::Uptime;

pub(in crate::deliver) mod condition;
mod health;
pub(in crate::deliver) mod lane;
mod order;
mod replay;
pub(in crate::deliver) mod retry;
pub(in crate::deliver) mod slots;

pub(in crate::deliver) use order::{Candidate, Run};

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::deliver) enum Action {
    /// Read the lane's head, ask [`Scheduler::run`] how much of it may go, and write the cut down.
    Cut(LaneNo),
    /// Make the one more attempt of the lane's next dead letter that is asked for.
    Redeliver(LaneNo),
    /// Give up what is pending in the lane as told.
    GiveUp(LaneNo, GiveUp),
    /// Make the request.
    Send(LaneNo, Batch),
}

/// What follows from an attempt, to be written down with the lane's standing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::deliver) struct Decision {
    pub(in crate::deliver) fate: Fate,
    /// The batch is to be cut in two.
    pub(in crate::deliver) halve: bool,
}

/// All lanes.
#[derive(Debug)]
pub(in crate::deliver) struct Scheduler {
    lanes: HashMap<LaneNo, Lane>,
    /// One entry a lane: when it is to be looked at next.
    timers: BTreeSet<(Uptime, LaneNo)>,
    slots: SlotQueue,
    /// Of the replays that run.
    rate_limiters: RateLimiters,
    lane_bytes_max: u64,
    /// Nothing new is begun.
    held: bool,
}

impl Scheduler {
    pub(in crate::deliver) fn new(in_flight_max: usize, lane_bytes_max: u64) -> Self {
        Self {
            lanes: HashMap::new(),
            timers: BTreeSet::new(),
            slots: SlotQueue::new(in_flight_max),
            rate_limiters: RateLimiters::new(),
            lane_bytes_max,
            held: false,
        }
    }

    pub(in crate::deliver) fn add(&mut self, state: LaneState, webhook: Option<Arc<Webhook>>, now: Uptime) {
        let no = state.lane;
        let mut lane = Lane::new(state, webhook);
        // After a death the clock may stand a little behind what it said before.
        lane.oldest = lane.oldest.map(|oldest| oldest.min(now));
        for part in &lane.parts {
            self.rate_limiters.entry(part.replay).or_default().parts += 1;
        }
        self.lanes.insert(no, lane);
        self.reschedule(no, now);
    }

    pub(in crate::deliver) fn lane(&self, no: LaneNo) -> Option<&Lane> {
        self.lanes.get(&no)
    }

    pub(in crate::deliver) fn lanes(&self) -> impl Iterator<Item = (&LaneNo, &Lane)> {
        self.lanes.iter()
    }

    /// Requests and cuts under way.
    pub(in crate::deliver) fn under_way(&self) -> usize {
        self.slots.taken()
    }

    /// While held, nothing new is begun; what is under way ends.
    pub(in crate::deliver) fn hold(&mut self, held: bool) {
        self.held = held;
    }

    pub(in crate::deliver) fn set_limits(&mut self, in_flight_max: usize, lane_bytes_max: u64) {
        self.slots.set_max(in_flight_max);
        self.lane_bytes_max = lane_bytes_max;
    }

    /// Records were spooled.
    pub(in crate::deliver) fn appended(
        &mut self,
        no: LaneNo,
        records: u64,
        bytes: u64,
        spooled: Uptime,
        now: Uptime,
    ) {
        let Some(lane) = self.lanes.get_mut(&no) else { return };
        lane.pending_records += records;
        lane.pending_bytes += bytes;
        lane.oldest.get_or_insert(spooled);
        self.reschedule(no, now);
    }

    /// The next thing to do, if there is one now.
    pub(in crate::deliver) fn poll(&mut self, now: Uptime) -> Option<Action> {
        while let Some((at, no)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, no));
            if let Some(lane) = self.lanes.get_mut(&no) {
                lane.timer = None;
            }
            let lane_bytes_max = self.lane_bytes_max;
            if let Some(what) = self.lanes.get_mut(&no).and_then(|lane| lane.give_up(lane_bytes_max, now)) {
                self.lease(no, now);
                return Some(Action::GiveUp(no, what));
            }
            self.reschedule(no, now);
        }
        if self.held {
            return None;
        }
        self.next_ready(now)
    }

    /// When to poll again, if nothing happens before.
    pub(in crate::deliver) fn deadline(&self) -> Option<Uptime> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// A cut is durable: its batch goes out next.
    pub(in crate::deliver) fn cut(&mut self, no: LaneNo, batch: Batch, now: Uptime) {
        self.release(no);
        let Some(lane) = self.lanes.get_mut(&no) else { return };
        match batch.replay {
            None => {
                lane.batches.push_back(batch);
                lane.blocked = None;
            }
            Some(replay) => {
                if let Some(limiter) = self.rate_limiters.get_mut(&replay) {
                    limiter.cut(batch.records, now);
                }
                if let Some(part) = lane.parts.front_mut().filter(|part| part.replay == replay) {
                    part.batches.push_back(batch);
                    part.blocked = None;
                }
            }
        }
        self.slots.enqueue(no, lane, true, now); // It keeps its turn.
        self.reschedule(no, now);
    }

    /// What was begun for the lane could not be written: it is begun again after `wait`.
    pub(in crate::deliver) fn not_written(&mut self, no: LaneNo, wait: Duration, now: Uptime) {
        self.release(no);
        if let Some(lane) = self.lanes.get_mut(&no) {
            lane.not_before = Some(now.plus(wait));
        }
        self.reschedule(no, now);
    }

    /// An attempt ended. What follows is to be written down; until [`Scheduler::settled`] or
    /// [`Scheduler::tried`] says that it is, the lane waits.
    pub(in crate::deliver) fn ended(
        &mut self,
        no: LaneNo,
        outcome: &Outcome,
        jitter: f64,
        now: Uptime,
    ) -> Option<Decision> {
        let lane = self.lanes.get_mut(&no)?;
        lane.phase = Phase::Settling;
        lane.last_outcome = Some(outcome.word);
        lane.has_odd_answers = outcome.word == DELIVERED && outcome.detail.is_some();
        let records = match lane.work {
            Work::Live => lane.batches.front()?.records,
            // One that was cancelled meanwhile is not cut in two any more.
            Work::Replay(replay) => lane.batch_of(replay).map_or(1, |batch| batch.records),
            Work::Redelivery => {
                let taken = outcome.word == DELIVERED;
                if taken {
                    self.slots.prove(lane, now);
                }
                return Some(Decision {
                    fate: if taken { Fate::Delivered } else { Fate::Waits },
                    halve: false,
                });
            }
        };
        let schedule = lane.webhook.as_ref().map_or(&[][..], |webhook| &webhook.limits.retry_schedule);
        let verdict = verdict(outcome, lane.health.failures, schedule, jitter);
        lane.health.retry_at = None;
        let (fate, halve) = match verdict {
            Verdict::Delivered => {
                (lane.health.failures, lane.health.failing_since) = (0, None);
                self.slots.prove(lane, now);
                (Fate::Delivered, false)
            }
            Verdict::TooLarge if records > 1 => (Fate::Waits, true),
            Verdict::TooLarge => (Fate::Dead(DeadReason::TooLarge), false),
            Verdict::RetryIn(wait) => {
                let health = &mut lane.health;
                health.failures = health.failures.saturating_add(1);
                health.failing_since.get_or_insert(now);
                health.retry_at = Some(now.plus(wait));
                (Fate::Waits, false)
            }
        };
        if lane.health.failures == 1 {
            self.changed(no, now); // From now on, others wait for it no longer than `order_wait`.
        }
        Some(Decision { fate, halve })
    }

    /// A failed attempt is written down; `successors` stand in for the batch where it was retired.
    pub(in crate::deliver) fn tried(&mut self, no: LaneNo, successors: Option<Vec<Batch>>, now: Uptime) {
        self.release(no);
        if let Some(batches) = self.lanes.get_mut(&no).and_then(Lane::batches_at_work) {
            match successors {
                Some(successors) => {
                    batches.pop_front();
                    successors.into_iter().rev().for_each(|batch| batches.push_front(batch));
                }
                None => {
                    if let Some(batch) = batches.front_mut() {
                        batch.attempts = batch.attempts.saturating_add(1);
                    }
                }
            }
        }
        self.changed(no, now);
    }

    /// Records up to `through` are settled, durably. `oldest` is when the next was spooled.
    pub(in crate::deliver) fn settled(&mut self, no: LaneNo, settled: Settled, now: Uptime) {
        self.release(no);
        let Some(lane) = self.lanes.get_mut(&no) else { return };
        debug_assert!(settled.through >= lane.cursor, "a cursor never moves back");
        lane.cursor = settled.through;
        lane.pending_records = lane.pending_records.saturating_sub(settled.records);
        lane.pending_bytes = lane.pending_bytes.saturating_sub(settled.bytes);
        lane.oldest = settled.oldest.map(|oldest| oldest.min(now));
        lane.batches.retain(|batch| batch.last > settled.through);
        self.changed(no, now);
    }

    /// The lane that should give up records for want of room: the largest of those that fail, are
    /// paused or have no webhook. One that is at work is waited for, unless it `presses`.
    pub(in crate::deliver) fn largest_unhealthy(&self, presses: bool) -> Option<LaneNo> {
        self.lanes
            .iter()
            .filter(|(_, lane)| lane.pending_bytes > 0 && (!presses || lane.phase == Phase::Idle))
            .filter(|(_, lane)| lane.is_failing() || lane.is_suspended())
            .max_by_key(|(no, lane)| (lane.pending_bytes, **no))
            .map(|(no, _)| *no)
    }

    /// Takes a lane for an operation of its own; `false` where it is at work.
    pub(in crate::deliver) fn lease(&mut self, no: LaneNo, now: Uptime) -> bool {
        let Some(lane) = self.lanes.get_mut(&no).filter(|lane| lane.phase == Phase::Idle) else {
            return false;
        };
        lane.phase = Phase::Settling;
        self.slots.take(lane, now);
        true
    }

    /// The operation that it was taken for is not to be done.
    pub(in crate::deliver) fn end_lease(&mut self, no: LaneNo, now: Uptime) {
        self.release(no);
        self.reschedule(no, now);
    }

    fn next_ready(&mut self, now: Uptime) -> Option<Action> {
        loop {
            let (no, place) = self.slots.next(now)?;
            let Some(lane) = self.lanes.get_mut(&no) else { continue };
            lane.queued = false;
            if SlotKey::of(lane, now) != place {
                self.reschedule(no, now); // It became another while it waited.
                continue;
            }
            let Due::Now(work) = lane.due(&self.rate_limiters, now) else {
                self.reschedule(no, now);
                continue;
            };
            self.slots.take(lane, now);
            lane.work = work;
            if work == Work::Redelivery {
                lane.phase = Phase::InFlight;
                return Some(Action::Redeliver(no));
            }
            if let Some(batch) = lane.batches_at_work().and_then(|batches| batches.front().cloned()) {
                lane.phase = Phase::InFlight;
                return Some(Action::Send(no, batch));
            }
            lane.phase = Phase::Cutting;
            return Some(Action::Cut(no));
        }
    }

    /// A lane moved or stands otherwise: so may those of its project that wait for it.
    fn changed(&mut self, no: LaneNo, now: Uptime) {
        for callback in Callback::ALL {
            let sibling = LaneNo::new(no.project(), callback);
            if let Some(lane) = self.lanes.get_mut(&sibling) {
                lane.blocked = None;
            }
            if self.part_moves_on(sibling)
                && let Some(part) = self.lanes.get_mut(&sibling).and_then(|lane| lane.parts.front_mut())
            {
                part.blocked = None;
            }
            if self.lanes.contains_key(&sibling) {
                self.reschedule(sibling, now);
            }
        }
    }

    fn release(&mut self, no: LaneNo) {
        let Some(lane) = self.lanes.get_mut(&no) else { return };
        lane.phase = Phase::Idle;
        self.slots.give_back(lane);
    }

    /// Puts the lane where it belongs: in a queue, at a time, or nowhere.
    fn reschedule(&mut self, no: LaneNo, now: Uptime) {
        let Some(lane) = self.lanes.get_mut(&no) else { return };
        let give_up = lane.next_give_up(self.lane_bytes_max, now);
        let due = lane.due(&self.rate_limiters, now);
        let at = match due {
            Due::At(at) => Some(give_up.map_or(at, |give_up| give_up.min(at))),
            Due::Never | Due::Now(_) => give_up,
        };
        if lane.timer != at {
            self.timers.extend(at.map(|at| (at, no)));
            if let Some(earlier) = std::mem::replace(&mut lane.timer, at) {
                self.timers.remove(&(earlier, no));
            }
        }
        if matches!(due, Due::Now(_)) {
            self.slots.enqueue(no, lane, false, now);
        }
    }
}

/// Records that are settled.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::deliver) struct Settled {
    pub(in crate::deliver) through: Seq,
    pub(in crate::deliver) records: u64,
    pub(in crate::deliver) bytes: u64,
    /// When the record behind them was spooled; `None` where none is.
    pub(in crate::deliver) oldest: Option<Uptime>,
}

#[cfg(test)]
mod tests;
