//! The transitions of a lane. Each method is one event, and leaves the lane consistent.

use std::sync::Arc;

use super::replay_range::ReplayRange;
use super::timer::Timer;
use super::{Lane, Phase, Settled, Work};
use crate::deliver::scheduler::retry::Outcome;
use crate::deliver::scheduler::slots::{LimitedWebhook, SlotKey};
use crate::deliver::webhook::Webhook;
use crate::record::{Seq, WaitsFor};
use crate::spool::{Batch, LaneHealth, LaneReplay, Pause, PausedBy, ReplayNo};
use crate::time::{Timestamp, Uptime};

/// What a lane does with its slot.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::deliver) enum Begun {
    Cut,
    Redelivery,
    Send(Batch),
}

impl Lane {
    /// Records were spooled.
    pub(in crate::deliver) fn appended(&mut self, records: u64, bytes: u64, spooled: Uptime) {
        self.pending_records += records;
        self.pending_bytes += bytes;
        self.set_oldest(self.oldest.or(Some(spooled)));
    }

    /// It got a slot, for `work`.
    pub(in crate::deliver) fn begin(&mut self, work: Work, slot: SlotKey) -> Begun {
        self.work = work;
        let isolated =
            self.health.refusals.and_then(|refusals| refusals.search).map(|search| search.isolated);
        self.index = match work {
            Work::Pending => isolated.and_then(|isolated| usize::try_from(isolated).ok()).unwrap_or_default(),
            Work::Redelivery | Work::Replay(_) => 0,
        };
        let at = self.index;
        let batch = self.batches_at_work().and_then(|batches| batches.get(at).cloned());
        let (phase, begun) = match (work, batch) {
            (Work::Redelivery, _) => (Phase::InFlight, Begun::Redelivery),
            (_, Some(batch)) => (Phase::InFlight, Begun::Send(batch)),
            (_, None) => (Phase::Cutting, Begun::Cut),
        };
        self.hold(phase, slot);
        begun
    }

    /// It got a slot, for an operation of the spool.
    pub(in crate::deliver) fn lease(&mut self, slot: SlotKey) {
        self.hold(Phase::Settling, slot);
    }

    /// The work of its slot has ended. The caller releases the slot.
    pub(in crate::deliver) fn release(&mut self) -> Option<SlotKey> {
        self.phase = Phase::Idle;
        self.slot.take()
    }

    /// A cut is durable.
    pub(in crate::deliver) fn cut(&mut self, batch: Batch) {
        match batch.replay {
            None => {
                self.batches.push_back(batch);
                self.unblock();
            }
            Some(replay) if self.replays.front().is_some_and(|range| range.replay == replay) => {
                if let Some(range) = self.replays.front_mut() {
                    range.batches.push_back(batch);
                }
                self.unblock_replay();
            }
            Some(_) => {}
        }
    }

    /// A write to the spool failed: nothing is started before this time.
    pub(in crate::deliver) fn write_failed(&mut self, retry_at: Uptime) {
        self.timers.set(Timer::WriteRetry, Some(retry_at));
    }

    /// An attempt ended; its outcome is being written.
    pub(in crate::deliver) fn attempt_ended(&mut self, outcome: &Outcome, now: Uptime) {
        debug_assert!(self.slot.is_some(), "an attempt holds a slot");
        self.phase = Phase::Settling;
        self.last_outcome = Some(outcome.kind);
        if outcome.kind.is_success() {
            self.succeeded_at = Some(now);
        }
        self.has_faulty_responses = outcome.kind.is_success() && outcome.detail.is_some();
    }

    /// The attempt succeeded.
    pub(super) fn succeeded(&mut self) {
        (self.health.failures, self.health.failing_since, self.health.last_failure) = (0, None, None);
        self.set_retry(None);
    }

    /// A failed attempt is durable; `successor` replaces the open batches where they were retired.
    pub(in crate::deliver) fn attempt_recorded(&mut self, successor: Option<Batch>) {
        let at = self.index;
        let Some(batches) = self.batches_at_work() else { return };
        match successor {
            Some(successor) => {
                batches.clear();
                batches.push_back(successor);
            }
            None => {
                if let Some(batch) = batches.get_mut(at) {
                    batch.attempts = batch.attempts.saturating_add(1);
                }
            }
        }
    }

    /// Pending records are settled, durably.
    pub(in crate::deliver) fn settled(&mut self, settled: &Settled, now: Uptime) {
        debug_assert!(settled.through >= self.cursor, "a cursor never moves back");
        self.cursor = settled.through;
        self.pending_records = self.pending_records.saturating_sub(settled.records);
        self.pending_bytes = self.pending_bytes.saturating_sub(settled.bytes);
        self.set_oldest(settled.oldest.map(|oldest| oldest.min(now)));
        self.batches.retain(|batch| batch.last > settled.through);
        self.health.batches_given_up();
    }

    /// The next pending record waits for other lanes: until then, or, without a time, until one of them
    /// advances.
    pub(in crate::deliver) fn block(&mut self, until: Option<Uptime>) {
        self.blocked = true;
        self.timers.set(Timer::OrderWait, until);
    }

    pub(in crate::deliver) fn unblock(&mut self) {
        self.blocked = false;
        self.timers.stop(Timer::OrderWait);
    }

    /// As [`Lane::block`], for the next record of the replay that is at work.
    pub(in crate::deliver) fn block_replay(&mut self, waits_for: WaitsFor, until: Option<Uptime>) {
        if let Some(range) = self.replays.front_mut() {
            range.blocked = Some(waits_for);
            self.timers.set(Timer::ReplayOrderWait, until);
        }
    }

    pub(in crate::deliver) fn unblock_replay(&mut self) {
        if let Some(range) = self.replays.front_mut() {
            range.blocked = None;
        }
        self.timers.stop(Timer::ReplayOrderWait);
    }

    /// Sets its webhook. Returns whether its health changed.
    ///
    /// A webhook that is added again starts without failures; a changed one is tried at once, as the change
    /// may have fixed the failure.
    pub(in crate::deliver) fn route(
        &mut self,
        webhook: Option<Arc<Webhook>>,
        now: Uptime,
        wall: Timestamp,
    ) -> bool {
        let before = self.health.clone();
        match (&webhook, before.without_webhook) {
            (None, since) => self.health.without_webhook = since.or(Some(wall)),
            (Some(_), Some(_)) => {
                let paused = self.health.paused.take().map(|paused| Pause { since: now, ..paused });
                self.health = LaneHealth { paused, ..LaneHealth::default() };
                self.set_retry(None);
            }
            (Some(_), None) if self.webhook != webhook => {
                self.set_retry(None);
                self.forget_answers();
                self.health.size_limit = None;
                self.health.paused.take_if(|paused| paused.by == PausedBy::Receiver);
            }
            (Some(_), None) => {}
        }
        let host = webhook.as_ref().map(|webhook| webhook.host()).unwrap_or_default();
        if self.host != host {
            (self.host, self.proven_until) = (host, None);
        }
        self.limited = webhook.as_deref().and_then(LimitedWebhook::of);
        self.webhook = webhook;
        self.set_oldest(self.oldest); // The webhook's `wait_max` may be another.
        self.health != before
    }

    pub(in crate::deliver) fn pause(&mut self, by: PausedBy, reason: String, now: Uptime) {
        let since = self.health.paused.as_ref().map_or(now, |paused| paused.since);
        self.health.paused = Some(Pause { since, reason, by });
    }

    /// Resumes it. Returns whether it was paused.
    pub(in crate::deliver) fn resume(&mut self) -> bool {
        let was_paused = self.health.paused.take().is_some();
        if was_paused {
            self.set_retry(None);
            self.forget_answers();
        }
        was_paused
    }

    /// Its last success counts until then.
    pub(in crate::deliver) fn prove(&mut self, until: Uptime) {
        self.proven_until = Some(until);
    }

    /// It waits for a slot. `false`: it already did.
    pub(in crate::deliver) fn enqueue(&mut self) -> bool {
        !std::mem::replace(&mut self.queued, true)
    }

    pub(in crate::deliver) fn dequeue(&mut self) {
        self.queued = false;
    }

    /// Sets its wake-up. Returns the time that was set before.
    pub(in crate::deliver) fn set_wake_up(&mut self, at: Option<Uptime>) -> Option<Uptime> {
        std::mem::replace(&mut self.wake_up, at)
    }

    /// Sets whether dead letters of it have a requested redelivery.
    pub(in crate::deliver) fn set_redeliveries(&mut self, wait: bool) {
        self.redeliveries = wait;
    }

    /// Adds a range of a replay, after those that run.
    pub(in crate::deliver) fn enter_replay(&mut self, range: &LaneReplay) {
        self.replays.push_back(ReplayRange::new(range, Vec::new()));
    }

    /// Removes the ranges of a replay. Returns whether it had any.
    pub(in crate::deliver) fn leave_replay(&mut self, replay: ReplayNo) -> bool {
        let (before, first) = (self.replays.len(), self.replays.front().map(|range| range.replay));
        self.replays.retain(|range| range.replay != replay);
        if first == Some(replay) {
            self.timers.stop(Timer::ReplayOrderWait);
        }
        self.replays.len() < before
    }

    /// The records of a replay up to `through` are sent, durably. Returns whether that ends its range.
    pub(in crate::deliver) fn advance_replay(&mut self, replay: ReplayNo, through: Seq) -> bool {
        let Some(range) = self.replays.front_mut().filter(|range| range.replay == replay) else {
            return false;
        };
        range.cursor = range.cursor.max(through);
        range.batches.retain(|batch| batch.last > through);
        let ends = range.cursor >= range.last;
        if ends {
            self.replays.pop_front();
            self.timers.stop(Timer::ReplayOrderWait);
        }
        ends
    }

    fn hold(&mut self, phase: Phase, slot: SlotKey) {
        debug_assert!(self.phase == Phase::Idle && self.slot.is_none(), "a lane has one batch in flight");
        (self.phase, self.slot) = (phase, Some(slot));
    }

    pub(super) fn set_retry(&mut self, at: Option<Uptime>) {
        self.health.retry_at = at;
        self.timers.set(Timer::Retry, at);
    }

    pub(super) fn set_oldest(&mut self, oldest: Option<Uptime>) {
        self.oldest = oldest;
        let wait = self.webhook.as_ref().map(|webhook| webhook.limits.wait_max);
        self.timers.set(Timer::BatchWait, oldest.zip(wait).map(|(oldest, wait)| oldest.plus(wait)));
    }

    /// The batches of what it is or was at work on; none where that was cancelled, or is a dead letter.
    fn batches_at_work(&mut self) -> Option<&mut std::collections::VecDeque<Batch>> {
        match self.work {
            Work::Pending => Some(&mut self.batches),
            Work::Redelivery => None,
            Work::Replay(replay) => self
                .replays
                .front_mut()
                .filter(|range| range.replay == replay)
                .map(|range| &mut range.batches),
        }
    }
}
