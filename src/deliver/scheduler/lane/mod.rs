//! The state of one lane: of fixed size, however many records are pending.
//!
//! Its fields are private. [`transitions`] has everything that changes it, [`policy`] what follows from an
//! attempt, [`due`] decides when it is due and for what, [`timer`] lists every reason to wake up at a time.

mod due;
mod policy;
mod replay_range;
mod timer;
mod transitions;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use self::replay_range::ReplayRange;
use self::timer::TimerTable;
use super::condition::LaneCondition;
use super::slots::{Class as SlotClass, Host, LimitedWebhook, SlotKey};
use crate::deliver::webhook::Webhook;
use crate::outcome::{Class, OutcomeKind};
use crate::record::{Seq, WaitsFor};
use crate::spool::{Batch, BatchId, LaneHealth, LaneState, ReplayNo};
use crate::time::{Timestamp, Uptime};

pub(in crate::deliver) use self::due::{Due, GiveUp};
pub(in crate::deliver) use self::policy::Decision;
pub(in crate::deliver) use self::replay_range::{RateLimiter, RateLimiters};
pub(in crate::deliver) use self::timer::Timer;
pub(in crate::deliver) use self::transitions::Begun;

/// A lane.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a state of its own, and any two may hold")]
pub(in crate::deliver) struct Lane {
    /// `None`: without a webhook.
    webhook: Option<Arc<Webhook>>,
    /// Every record up to here is settled, durably. Moves only over settled records.
    cursor: Seq,
    pending_records: u64,
    pending_bytes: u64,
    /// When the record behind the cursor was spooled. `Some` exactly when records are pending.
    oldest: Option<Uptime>,
    /// Cut and not settled; **one alone may be in flight**: the first, or that behind some which were refused
    /// alone.
    batches: VecDeque<Batch>,
    phase: Phase,
    /// The current or last work.
    work: Work,
    /// The place among the open batches of the one that it is or was at work on.
    index: usize,
    /// Ranges of replays, in order; only the first is being sent.
    replays: VecDeque<ReplayRange>,
    /// Dead letters have a requested redelivery.
    redeliveries: bool,
    /// `health.retry_at` is the time of [`Timer::Retry`].
    health: LaneHealth,
    timers: TimerTable,
    /// The next pending record waits for other lanes: until [`Timer::OrderWait`], or, where that is not set,
    /// until one of them advances.
    blocked: bool,
    last_outcome: Option<OutcomeKind>,
    /// When an attempt succeeded last, since the process started.
    succeeded_at: Option<Uptime>,
    /// The last success broke the protocol behind its status line.
    has_faulty_responses: bool,
    /// The slot for requests that it holds. `Some` exactly when `phase` is not `Idle`.
    slot: Option<SlotKey>,
    /// The host that its requests go to.
    host: Host,
    /// Its webhook, where that has limits of its own.
    limited: Option<LimitedWebhook>,
    /// Its last success counts until then. `None`: it had none since the start, or at this webhook.
    proven_until: Option<Uptime>,
    /// Its entry in the scheduler's index of wake-ups.
    wake_up: Option<Uptime>,
    queued: bool,
}

/// The phase of a lane's work. In all but `Idle` it holds a slot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::deliver) enum Phase {
    /// Its next records are being read, or its cut written.
    Cutting,
    Idle,
    /// A request is in flight.
    InFlight,
    /// An outcome is being written.
    Settling,
}

/// The records that a cut or request is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::deliver) enum Work {
    /// Pending records.
    Pending,
    /// A redelivered dead letter.
    Redelivery,
    Replay(ReplayNo),
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

/// The range that is cut next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::deliver) struct CutRange {
    /// `None`: pending records.
    pub(in crate::deliver) replay: Option<ReplayNo>,
    /// The record before the first.
    pub(in crate::deliver) after: Seq,
    /// Its last record; `None`: it has no end.
    pub(in crate::deliver) last: Option<Seq>,
}

impl Lane {
    pub(in crate::deliver) fn new(state: LaneState, webhook: Option<Arc<Webhook>>, now: Uptime) -> Self {
        // After a crash the uptime may be a little behind its last value.
        let oldest = state.oldest.map(|(_, uptime)| uptime.min(now));
        let mut timers = TimerTable::default();
        timers.set(Timer::Retry, state.health.retry_at);
        let replays = state.ranges.iter();
        let mut lane = Self {
            host: webhook.as_ref().map(|webhook| webhook.host()).unwrap_or_default(),
            limited: webhook.as_deref().and_then(LimitedWebhook::of),
            proven_until: None,
            webhook,
            cursor: state.cursor,
            pending_records: state.pending_records,
            pending_bytes: state.pending_bytes,
            oldest: None,
            batches: state.batches.into(),
            phase: Phase::Idle,
            work: Work::Pending,
            index: 0,
            replays: replays.map(|(range, batches)| ReplayRange::new(range, batches.clone())).collect(),
            redeliveries: state.redeliveries,
            health: state.health,
            timers,
            blocked: false,
            last_outcome: None,
            succeeded_at: None,
            has_faulty_responses: false,
            slot: None,
            wake_up: None,
            queued: false,
        };
        lane.set_oldest(oldest);
        lane
    }

    pub(in crate::deliver) fn webhook(&self) -> Option<&Arc<Webhook>> {
        self.webhook.as_ref()
    }

    pub(in crate::deliver) fn cursor(&self) -> Seq {
        self.cursor
    }

    pub(in crate::deliver) fn pending_records(&self) -> u64 {
        self.pending_records
    }

    pub(in crate::deliver) fn pending_bytes(&self) -> u64 {
        self.pending_bytes
    }

    /// When the record behind the cursor was spooled.
    pub(in crate::deliver) fn oldest(&self) -> Option<Uptime> {
        self.oldest
    }

    /// Cut and not settled, in order.
    pub(in crate::deliver) fn batches(&self) -> &VecDeque<Batch> {
        &self.batches
    }

    pub(in crate::deliver) fn phase(&self) -> Phase {
        self.phase
    }

    /// The slot that it holds.
    pub(in crate::deliver) fn slot(&self) -> Option<&SlotKey> {
        self.slot.as_ref()
    }

    /// It is due, and waits for a slot.
    pub(in crate::deliver) fn is_queued(&self) -> bool {
        self.queued
    }

    pub(in crate::deliver) fn work(&self) -> Work {
        self.work
    }

    pub(in crate::deliver) fn health(&self) -> &LaneHealth {
        &self.health
    }

    pub(in crate::deliver) fn succeeded_at(&self) -> Option<Uptime> {
        self.succeeded_at
    }

    pub(in crate::deliver) fn last_outcome(&self) -> Option<OutcomeKind> {
        self.last_outcome
    }

    pub(in crate::deliver) fn has_faulty_responses(&self) -> bool {
        self.has_faulty_responses
    }

    pub(in crate::deliver) fn host(&self) -> &Host {
        &self.host
    }

    /// Its last attempt failed.
    pub(in crate::deliver) fn is_failing(&self) -> bool {
        self.health.failing_since.is_some()
    }

    /// Nothing is sent from it, however long one waits.
    pub(in crate::deliver) fn is_suspended(&self) -> bool {
        self.webhook.is_none() || self.health.paused.is_some()
    }

    /// How it counts among those that want a slot.
    pub(in crate::deliver) fn slot_key(&self, now: Uptime) -> SlotKey {
        let is_proven = self.proven_until.is_some_and(|until| until > now);
        let class = match self.is_failing() {
            true => SlotClass::Failing,
            false if is_proven => SlotClass::Proven,
            false => SlotClass::Unproven,
        };
        SlotKey { class, host: Arc::clone(&self.host), webhook: self.limited.clone() }
    }

    /// The same for an operation of the spool, which makes no request.
    pub(in crate::deliver) fn lease_key(&self, now: Uptime) -> SlotKey {
        SlotKey { host: Host::default(), webhook: None, ..self.slot_key(now) }
    }

    /// What is cut next of what it is at work on. `None`: it was cancelled.
    pub(in crate::deliver) fn range_at_work(&self) -> Option<CutRange> {
        match self.work {
            Work::Pending => {
                let after = self.batches.back().map_or(self.cursor, |batch| batch.last);
                Some(CutRange { replay: None, after, last: None })
            }
            Work::Redelivery => None,
            Work::Replay(replay) => {
                let range = self.replays.front().filter(|range| range.replay == replay)?;
                Some(CutRange { replay: Some(replay), after: range.cursor, last: Some(range.last) })
            }
        }
    }

    /// Records and bytes of the batch that is at work. One whose replay was cancelled meanwhile counts as one
    /// record: it is not retired any more.
    fn size_at_work(&self) -> Option<(u32, u64)> {
        let size = self.batch_at_work().map(|batch| (batch.records, batch.body_bytes));
        match self.work {
            Work::Pending | Work::Redelivery => size,
            Work::Replay(_) => Some(size.unwrap_or((1, 0))),
        }
    }

    /// The open batch that it is or was at work on.
    fn batch_at_work(&self) -> Option<&Batch> {
        match self.work {
            Work::Pending => self.batches.get(self.index),
            Work::Redelivery => None,
            Work::Replay(replay) => {
                self.replays.front().filter(|range| range.replay == replay)?.batches.front()
            }
        }
    }

    /// The open batch whose request is in flight.
    pub(in crate::deliver) fn batch_in_flight(&self) -> Option<BatchId> {
        let is_in_flight = self.phase == Phase::InFlight;
        self.batch_at_work().filter(|_| is_in_flight).map(|batch| batch.id)
    }

    /// The replays that send of it, one entry a range.
    pub(in crate::deliver) fn replays(&self) -> impl ExactSizeIterator<Item = ReplayNo> {
        self.replays.iter().map(|range| range.replay)
    }

    /// What is left of the ranges of a replay: behind which record, and up to which.
    pub(in crate::deliver) fn ranges_of(&self, replay: ReplayNo) -> impl Iterator<Item = (Seq, Seq)> {
        let of_replay = self.replays.iter().filter(move |range| range.replay == replay);
        of_replay.map(|range| (range.cursor, range.last))
    }

    /// Whether a record of `replay` up to `seq` is still to be sent from here.
    pub(in crate::deliver) fn replays_up_to(&self, replay: ReplayNo, seq: Seq) -> bool {
        let mut ranges = self.replays.iter().filter(|range| range.replay == replay);
        ranges.any(|range| range.first <= seq && range.cursor < range.last.min(seq))
    }

    /// The replay at work whose next record waits for others, what for, and whether the clock can end that.
    pub(in crate::deliver) fn blocked_replay(&self) -> Option<(ReplayNo, WaitsFor, bool)> {
        let range = self.replays.front()?;
        let has_end = self.timers.get(Timer::ReplayOrderWait).is_some();
        Some((range.replay, range.blocked?, has_end))
    }

    /// What it is doing, or what keeps it from doing it.
    pub(in crate::deliver) fn condition(&self) -> LaneCondition {
        if self.webhook.is_none() {
            LaneCondition::WithoutWebhook
        } else if self.health.paused.is_some() {
            LaneCondition::Paused
        } else if self.is_failing() {
            let needs_owner = self.cause().is_some_and(|cause| cause.class == Class::Setup);
            match self.health.last_failure {
                _ if needs_owner => LaneCondition::NeedsOwner,
                Some(failure) if failure.throttled => LaneCondition::Throttled,
                _ => LaneCondition::Failing,
            }
        } else if self.phase != Phase::Idle {
            LaneCondition::Busy
        } else if self.pending_records > 0 {
            LaneCondition::Waiting
        } else {
            LaneCondition::Idle
        }
    }

    /// Without a webhook for so long that its records are dropped.
    pub(in crate::deliver) fn is_orphaned(&self, now: Timestamp, retain: Duration) -> bool {
        let since = self.health.without_webhook;
        self.pending_records > 0 && since.is_some_and(|since| now.since(since) >= retain)
    }

    /// Whether its next pending record still waits for other lanes.
    #[cfg(test)]
    pub(in crate::deliver) fn is_blocked(&self, now: Uptime) -> bool {
        let has_end = self.timers.get(Timer::OrderWait).is_some();
        self.blocked && (!has_end || self.timers.is_running(Timer::OrderWait, now))
    }
}
