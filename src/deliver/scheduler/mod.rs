//! Decides which lane sends what, and when. Pure: events in, actions out; no I/O, no clock.
//!
//! 1. A lane has one batch in flight, and its cursor moves only over settled records.
//! 2. Only sendable records are cut: a batch never waits for another lane once it is cut. The
//!    earliest unsettled record of a project is always sendable, so no two lanes wait on each other.
//! 3. Failing and hanging receivers leave slots for requests to others: [`SlotQueue`].

use std::collections::BTreeSet;

use foldhash::{HashMap, HashMapExt as _};
use std::sync::Arc;
use std::time::Duration;

use self::lane::{Begun, Decision, Due, GiveUp, Lane, Phase, RateLimiters, Settled};
use self::retry::Outcome;
use self::slots::{Limit, SlotQueue, Turn};
use crate::deliver::request_limits::HostLimits;
use crate::deliver::webhook::Webhook;
use crate::record::{Callback, LaneNo};
use crate::spool::{Batch, LaneState};
use crate::time::Uptime;

pub(in crate::deliver) mod condition;
mod health;
pub(in crate::deliver) mod lane;
mod order;
mod replay;
pub(in crate::deliver) mod retry;
pub(in crate::deliver) mod slots;
pub(in crate::deliver) mod surge;

pub(in crate::deliver) use order::{Candidate, Run};

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::deliver) enum Action {
    /// Read the lane's next records, call [`Scheduler::run`] for how many may be cut, and write the cut.
    Cut(LaneNo),
    /// Redeliver the lane's next dead letter.
    Redeliver(LaneNo),
    /// Give up these pending records of the lane.
    GiveUp(LaneNo, GiveUp),
    /// Make the request.
    Send(LaneNo, Batch),
}

/// All lanes.
#[derive(Debug)]
pub(in crate::deliver) struct Scheduler {
    lanes: HashMap<LaneNo, Lane>,
    /// One entry a lane: its next wake-up.
    wake_ups: BTreeSet<(Uptime, LaneNo)>,
    slots: SlotQueue,
    /// Of the replays that run.
    rate_limiters: RateLimiters,
    lane_bytes_max: u64,
    /// Nothing new is started.
    held: bool,
}

impl Scheduler {
    pub(in crate::deliver) fn new(in_flight_max: usize, hosts: HostLimits, lane_bytes_max: u64) -> Self {
        Self {
            lanes: HashMap::new(),
            wake_ups: BTreeSet::new(),
            slots: SlotQueue::new(in_flight_max, hosts),
            rate_limiters: RateLimiters::new(),
            lane_bytes_max,
            held: false,
        }
    }

    pub(in crate::deliver) fn add(&mut self, state: LaneState, webhook: Option<Arc<Webhook>>, now: Uptime) {
        let no = state.lane;
        let lane = Lane::new(state, webhook, now);
        for replay in lane.replays() {
            self.rate_limiters.entry(replay).or_default().ranges += 1;
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

    /// While held, nothing new is started; what is in progress ends.
    pub(in crate::deliver) fn hold(&mut self, held: bool) {
        self.held = held;
    }

    pub(in crate::deliver) fn set_limits(
        &mut self,
        in_flight_max: usize,
        hosts: HostLimits,
        lane_bytes_max: u64,
    ) {
        self.slots.set_limits(in_flight_max, hosts);
        self.lane_bytes_max = lane_bytes_max;
    }

    /// Limits or webhooks changed: lanes that wait for a slot wait for it as what they are now.
    pub(in crate::deliver) fn requeue(&mut self, now: Uptime) {
        for no in self.slots.drain() {
            if let Some(lane) = self.lanes.get_mut(&no) {
                lane.dequeue();
            }
            self.reschedule(no, now);
        }
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
        lane.appended(records, bytes, spooled);
        self.reschedule(no, now);
    }

    /// The next thing to do, if there is one now.
    pub(in crate::deliver) fn poll(&mut self, now: Uptime) -> Option<Action> {
        while let Some((at, no)) = self.wake_ups.first().copied().filter(|(at, _)| *at <= now) {
            self.wake_ups.remove(&(at, no));
            let Some(lane) = self.lanes.get_mut(&no) else { continue };
            lane.set_wake_up(None);
            if let Some(what) = lane.give_up(self.lane_bytes_max, now) {
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
        let rate = self.slots.deadline().filter(|_| !self.held);
        self.wake_ups.first().map(|(at, _)| *at).into_iter().chain(rate).min()
    }

    /// A cut is durable: its batch goes out next.
    pub(in crate::deliver) fn cut(&mut self, no: LaneNo, batch: Batch, now: Uptime) {
        self.release(no);
        let Some(lane) = self.lanes.get_mut(&no) else { return };
        if let Some(limiter) = batch.replay.and_then(|replay| self.rate_limiters.get_mut(&replay)) {
            limiter.cut(batch.records, now);
        }
        lane.cut(batch);
        if lane.enqueue() {
            self.slots.enqueue_first(no, lane.slot_key(now)); // It keeps its turn.
        }
        self.reschedule(no, now);
    }

    /// A write of the lane failed: the lane starts over after `wait`.
    pub(in crate::deliver) fn not_written(&mut self, no: LaneNo, wait: Duration, now: Uptime) {
        self.release_unsent(no);
        if let Some(lane) = self.lanes.get_mut(&no) {
            lane.write_failed(now.plus(wait));
        }
        self.reschedule(no, now);
    }

    /// An attempt ended. What follows is to be stored; until [`Scheduler::settled`] or
    /// [`Scheduler::attempt_recorded`] says that it is, the lane waits.
    pub(in crate::deliver) fn ended(
        &mut self,
        no: LaneNo,
        outcome: &Outcome,
        jitter: f64,
        now: Uptime,
    ) -> Option<Decision> {
        let lane = self.lanes.get_mut(&no)?;
        lane.attempt_ended(outcome, now);
        if outcome.kind.is_success() {
            lane.prove(self.slots.prove(lane.host(), now));
        }
        let was_failing = lane.is_failing();
        let decision = lane.decide(outcome, jitter, now)?;
        if !was_failing && lane.is_failing() {
            self.changed(no, now); // From now on, others wait for it no longer than `order_wait`.
        }
        Some(decision)
    }

    /// A failed attempt is stored; `successor` replaces the batch where it was retired.
    pub(in crate::deliver) fn attempt_recorded(&mut self, no: LaneNo, successor: Option<Batch>, now: Uptime) {
        self.release(no);
        if let Some(lane) = self.lanes.get_mut(&no) {
            lane.attempt_recorded(successor);
        }
        self.changed(no, now);
    }

    /// Records up to `through` are settled, durably. `oldest` is when the next was spooled.
    pub(in crate::deliver) fn settled(&mut self, no: LaneNo, settled: Settled, now: Uptime) {
        self.release(no);
        let Some(lane) = self.lanes.get_mut(&no) else { return };
        lane.settled(&settled, now);
        self.changed(no, now);
    }

    /// The lane that should give up records for want of room: the largest of those that fail, are
    /// paused or have no webhook. One that is at work is waited for, unless it `presses`.
    pub(in crate::deliver) fn largest_unhealthy(&self, presses: bool) -> Option<LaneNo> {
        self.lanes
            .iter()
            .filter(|(_, lane)| lane.pending_bytes() > 0 && (!presses || lane.phase() == Phase::Idle))
            .filter(|(_, lane)| lane.is_failing() || lane.is_suspended())
            .max_by_key(|(no, lane)| (lane.pending_bytes(), **no))
            .map(|(no, _)| *no)
    }

    /// Takes a lane for an operation of its own; `false` where it is at work.
    pub(in crate::deliver) fn lease(&mut self, no: LaneNo, now: Uptime) -> bool {
        let Some(lane) = self.lanes.get_mut(&no).filter(|lane| lane.phase() == Phase::Idle) else {
            return false;
        };
        let slot = lane.lease_key(now);
        self.slots.take(&slot, false, now);
        lane.lease(slot);
        true
    }

    /// The operation that it was taken for is not to be done.
    pub(in crate::deliver) fn end_lease(&mut self, no: LaneNo, now: Uptime) {
        self.release_unsent(no);
        self.reschedule(no, now);
    }

    /// The limit that keeps a lane from a request that is due.
    pub(in crate::deliver) fn limit_reached(&self, no: LaneNo, now: Uptime) -> Option<Limit> {
        let lane = self.lanes.get(&no).filter(|lane| lane.is_queued())?;
        self.slots.limit_reached(&lane.slot_key(now), false, now)
    }

    fn next_ready(&mut self, now: Uptime) -> Option<Action> {
        loop {
            let Turn { lane: no, key: waited_as, goes_on } = self.slots.next(now)?;
            let Some(lane) = self.lanes.get_mut(&no) else { continue };
            lane.dequeue();
            let slot = lane.slot_key(now);
            if slot != waited_as {
                self.reschedule(no, now); // It became another while it waited.
                continue;
            }
            let Due::Now(work) = lane.due(&self.rate_limiters, now) else {
                self.reschedule(no, now);
                continue;
            };
            self.slots.take(&slot, goes_on, now);
            return Some(match lane.begin(work, slot) {
                Begun::Cut => Action::Cut(no),
                Begun::Redelivery => Action::Redeliver(no),
                Begun::Send(batch) => Action::Send(no, batch),
            });
        }
    }

    /// A lane advanced or its health changed: the lanes of its project that wait for it may go on.
    fn changed(&mut self, no: LaneNo, now: Uptime) {
        for callback in Callback::ALL {
            let sibling = LaneNo::new(no.project(), callback);
            let replay_goes_on = self.replay_goes_on(sibling);
            let Some(lane) = self.lanes.get_mut(&sibling) else { continue };
            lane.unblock();
            if replay_goes_on {
                lane.unblock_replay();
            }
            self.reschedule(sibling, now);
        }
    }

    /// The work of its slot ended. Where that was to lead to a request, it is not made.
    fn release_unsent(&mut self, no: LaneNo) {
        let unsent = self.lanes.get(&no).filter(|lane| lane.phase() != Phase::Settling);
        if let Some(slot) = unsent.and_then(Lane::slot) {
            self.slots.refund(slot);
        }
        self.release(no);
    }

    fn release(&mut self, no: LaneNo) {
        let Some(lane) = self.lanes.get_mut(&no) else { return };
        if let Some(slot) = lane.release() {
            self.slots.give_back(&slot);
        }
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
        let before = lane.set_wake_up(at);
        if before != at {
            self.wake_ups.extend(at.map(|at| (at, no)));
            if let Some(before) = before {
                self.wake_ups.remove(&(before, no));
            }
        }
        if matches!(due, Due::Now(_)) && lane.enqueue() {
            self.slots.enqueue(no, lane.slot_key(now));
        }
    }
}

#[cfg(test)]
mod tests;
