//! One lane as the right loop holds it: of fixed size, however much waits in it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::webhook::Webhook;
use crate::moment::{Moment, Running};
use crate::record::Seq;
use crate::spool::{Batch, DeadReason, LaneState, Standing};

/// A lane, with what decides when it is due.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    /// `None`: without a webhook.
    pub(super) webhook: Option<Arc<Webhook>>,
    /// Every record up to here is settled, durably. Moves only over settled records.
    pub(super) cursor: Seq,
    pub(super) pending_records: u64,
    pub(super) pending_bytes: u64,
    /// When the record behind the cursor was spooled. `Some` exactly when records are pending.
    pub(super) oldest: Option<Running>,
    /// Cut and not settled; **the first alone may be in flight**.
    pub(super) batches: VecDeque<Batch>,
    pub(super) phase: Phase,
    pub(super) standing: Standing,
    /// Its head waits for other lanes: not to be looked at before this, or before one of them moves.
    pub(super) blocked: Option<Blocked>,
    /// When what waits too long is next given up.
    pub(super) give_up_at: Option<Running>,
    pub(super) last_outcome: Option<&'static str>,
    /// The slot for requests that it holds: as a failing lane or not. `Some` exactly when at work.
    pub(super) slot: Option<bool>,
    /// After a write that failed: nothing is begun before this.
    pub(super) not_before: Option<Running>,
    /// The one place in the index of timers.
    pub(super) timer: Option<Running>,
    pub(super) queued: bool,
}

/// What is under way for a lane. In all but `Idle` it holds one of the slots for requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// Its head is being read, or its cut written.
    Cutting,
    Idle,
    /// A request is on the wire.
    InFlight,
    /// An outcome is being written.
    Settling,
}

/// Which records of a lane are given up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum GiveUp {
    /// The oldest, of so many bytes.
    Bytes(u64, DeadReason),
    /// Those spooled at this time or earlier.
    SpooledBy(Running),
}

/// Why a head is not sendable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Blocked {
    /// When the wait for a failing lane ends; `None`: only that lane's progress ends it.
    pub(super) until: Option<Running>,
}

/// When a lane is to be looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Due {
    At(Running),
    /// Not before something happens to it.
    Never,
    Now,
}

impl Lane {
    pub(super) fn new(state: LaneState, webhook: Option<Arc<Webhook>>) -> Self {
        Self {
            webhook,
            cursor: state.cursor,
            pending_records: state.pending_records,
            pending_bytes: state.pending_bytes,
            oldest: state.oldest.map(|(_, running)| running),
            batches: state.batches.into(),
            phase: Phase::Idle,
            standing: state.standing,
            blocked: None,
            give_up_at: None,
            last_outcome: None,
            slot: None,
            not_before: None,
            timer: None,
            queued: false,
        }
    }

    /// Its last attempt failed.
    pub(super) fn is_failing(&self) -> bool {
        self.standing.failing_since.is_some()
    }

    /// Nothing is sent from it, however long one waits.
    pub(super) fn stands_still(&self) -> bool {
        self.webhook.is_none() || self.standing.paused.is_some()
    }

    /// When its next request is due.
    pub(super) fn due(&self, now: Running) -> Due {
        let Some(webhook) = &self.webhook else { return Due::Never };
        if self.phase != Phase::Idle || self.stands_still() {
            return Due::Never;
        }
        let retry_at = self.standing.retry_at.max(self.not_before).filter(|at| *at > now);
        if !self.batches.is_empty() {
            return retry_at.map_or(Due::Now, Due::At);
        }
        let Some(oldest) = self.oldest else { return Due::Never };
        match self.blocked {
            Some(Blocked { until: None }) => return Due::Never,
            Some(Blocked { until: Some(until) }) if until > now => return Due::At(until),
            _ => {}
        }
        let limits = &webhook.limits;
        let full =
            self.pending_records >= u64::from(limits.records_max) || self.pending_bytes >= limits.bytes_max;
        let ripe = if full { now } else { oldest.plus(limits.wait_max) };
        let due = retry_at.map_or(ripe, |retry| retry.max(ripe));
        if due > now { Due::At(due) } else { Due::Now }
    }

    /// When something of it may have to be given up next, by age or by size.
    pub(super) fn next_give_up(&mut self, lane_bytes_max: u64, now: Running) -> Option<Running> {
        self.give_up_at = self
            .without_success_since()
            .zip(self.give_up_after())
            .map(|(since, after)| since.plus(after).max(self.give_up_at.unwrap_or_default()));
        if self.phase != Phase::Idle || self.pending_records == 0 {
            return None;
        }
        if self.overflows(lane_bytes_max) {
            return Some(self.not_before.map_or(now, |at| at.max(now)));
        }
        self.give_up_at
    }

    /// What it has to give up now.
    pub(super) fn give_up(&mut self, lane_bytes_max: u64, now: Running) -> Option<GiveUp> {
        let at_work = self.phase != Phase::Idle || self.not_before.is_some_and(|at| at > now);
        if at_work || self.pending_records == 0 {
            return None;
        }
        if self.overflows(lane_bytes_max) {
            return Some(GiveUp::Bytes(self.pending_bytes - lane_bytes_max, DeadReason::LaneFull));
        }
        let after = self.give_up_after()?;
        let at = self.give_up_at.filter(|at| *at <= now)?;
        // Records become old one by one; they are given up in bulk, now and then.
        self.give_up_at = Some(at.max(now).plus((after / 100).clamp(GIVE_UP_EVERY_MIN, GIVE_UP_EVERY_MAX)));
        let by = Running(now.0.saturating_sub(u64::try_from(after.as_millis()).unwrap_or(u64::MAX)));
        self.oldest.filter(|oldest| *oldest <= by).map(|_| GiveUp::SpooledBy(by))
    }

    /// Since when it has been failing or paused, without a success.
    fn without_success_since(&self) -> Option<Running> {
        let paused = self.standing.paused.as_ref().map(|(since, _)| *since);
        match (self.standing.failing_since, paused) {
            (Some(failing), Some(paused)) => Some(failing.min(paused)),
            (failing, paused) => failing.or(paused),
        }
    }

    /// It fails or is paused, and holds more than it may.
    fn overflows(&self, lane_bytes_max: u64) -> bool {
        let ails = self.is_failing() || self.standing.paused.is_some();
        self.webhook.is_some() && ails && self.pending_bytes > lane_bytes_max
    }

    /// `None` without a webhook: its time does not run.
    fn give_up_after(&self) -> Option<Duration> {
        self.webhook.as_ref().map(|webhook| webhook.limits.give_up_after)
    }

    /// How it stands, in one of the words that people and metrics know.
    pub(super) fn state(&self) -> &'static str {
        if self.webhook.is_none() {
            "without webhook"
        } else if self.standing.paused.is_some() {
            "paused"
        } else if self.is_failing() {
            "failing"
        } else if self.phase != Phase::Idle {
            "busy"
        } else if self.pending_records > 0 {
            "waiting"
        } else {
            "idle"
        }
    }

    /// Without a webhook for so long that its records are dropped.
    pub(super) fn forsaken(&self, now: Moment, retain: Duration) -> bool {
        let since = self.standing.without_webhook;
        self.pending_records > 0 && since.is_some_and(|since| now.since(since) >= retain)
    }
}

const GIVE_UP_EVERY_MIN: Duration = Duration::from_secs(1);
const GIVE_UP_EVERY_MAX: Duration = Duration::from_mins(1);
