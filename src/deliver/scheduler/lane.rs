//! One lane as the right loop holds it: of fixed size, however much waits in it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::deliver::driver::lane_reader::ReadScope;
use crate::deliver::scheduler::condition::LaneCondition;
use crate::deliver::scheduler::slots::{Host, SlotKey};
use crate::deliver::webhook::Webhook;
use crate::record::{Seq, WaitsFor};
use crate::spool::{Batch, DeadReason, LaneHealth, LaneReplay, LaneState, ReplayNo};
use crate::time::{Timestamp, Uptime};

/// A lane, with what decides when it is due.
#[derive(Clone, Debug)]
pub(in crate::deliver) struct Lane {
    /// `None`: without a webhook.
    pub(in crate::deliver) webhook: Option<Arc<Webhook>>,
    /// Every record up to here is settled, durably. Moves only over settled records.
    pub(in crate::deliver) cursor: Seq,
    pub(in crate::deliver) pending_records: u64,
    pub(in crate::deliver) pending_bytes: u64,
    /// When the record behind the cursor was spooled. `Some` exactly when records are pending.
    pub(in crate::deliver) oldest: Option<Uptime>,
    /// Cut and not settled; **the first alone may be in flight**.
    pub(in crate::deliver) batches: VecDeque<Batch>,
    pub(in crate::deliver) phase: Phase,
    /// What it is or was at work on.
    pub(in crate::deliver) work: Work,
    /// What replays send of it, in order; only the first is at work.
    pub(in crate::deliver) parts: VecDeque<ReplayRange>,
    /// Dead letters wait for one more attempt.
    pub(in crate::deliver) redeliveries: bool,
    pub(in crate::deliver) health: LaneHealth,
    /// Its head waits for other lanes: not to be looked at before this, or before one of them moves.
    pub(in crate::deliver) blocked: Option<Blocked>,
    /// When what waits too long is next given up.
    pub(in crate::deliver) give_up_at: Option<Uptime>,
    pub(in crate::deliver) last_outcome: Option<&'static str>,
    /// Behind the status of the last answer that was a success, something was wrong.
    pub(in crate::deliver) has_odd_answers: bool,
    /// The slot for requests that it holds, and as what. `Some` exactly when at work.
    pub(in crate::deliver) slot: Option<SlotKey>,
    /// Where its requests go.
    pub(in crate::deliver) host: Host,
    /// Its last success is not long ago. `None`: it had none since the start, or at this webhook.
    pub(in crate::deliver) proven_until: Option<Uptime>,
    /// After a write that failed: nothing is begun before this.
    pub(in crate::deliver) not_before: Option<Uptime>,
    /// The one place in the index of timers.
    pub(in crate::deliver) timer: Option<Uptime>,
    pub(in crate::deliver) queued: bool,
}

/// What is under way for a lane. In all but `Idle` it holds one of the slots for requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::deliver) enum Phase {
    /// Its head is being read, or its cut written.
    Cutting,
    Idle,
    /// A request is on the wire.
    InFlight,
    /// An outcome is being written.
    Settling,
}

/// Which of a lane's ranges of records a cut or request is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::deliver) enum Work {
    /// What is pending.
    Live,
    /// A dead letter, once more.
    Redelivery,
    Replay(ReplayNo),
}

/// What a replay sends of a lane.
#[derive(Clone, Debug)]
pub(in crate::deliver) struct ReplayRange {
    pub(in crate::deliver) replay: ReplayNo,
    pub(in crate::deliver) first: Seq,
    pub(in crate::deliver) last: Seq,
    /// Up to here it was sent, or refused as too large.
    pub(in crate::deliver) cursor: Seq,
    /// Cut and not settled.
    pub(in crate::deliver) batches: VecDeque<Batch>,
    /// Its head waits for these of the same replay's records in other lanes.
    pub(in crate::deliver) blocked: Option<(WaitsFor, Blocked)>,
}

/// How fast the running replays may go, and until when each rests.
pub(in crate::deliver) type RateLimiters = BTreeMap<ReplayNo, RateLimiter>;

/// How fast one replay may go, over all its lanes.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::deliver) struct RateLimiter {
    /// Records a second; `None`: as fast as receivers take them.
    pub(in crate::deliver) rate: Option<u32>,
    /// Nothing of it is cut before this.
    pub(in crate::deliver) next_at: Uptime,
    /// Parts that are not at their end.
    pub(in crate::deliver) parts: usize,
}

impl RateLimiter {
    /// So many records were cut.
    pub(in crate::deliver) fn cut(&mut self, records: u32, now: Uptime) {
        if let Some(rate) = self.rate {
            let rest = Duration::from_secs(u64::from(records)) / rate.max(1);
            self.next_at = self.next_at.max(now).plus(rest);
        }
    }
}

impl ReplayRange {
    fn due(&self, not_before: Option<Uptime>, now: Uptime) -> Due {
        let free = || not_before.filter(|at| *at > now).map_or(Due::Now(Work::Replay(self.replay)), Due::At);
        still_blocked(self.blocked.map(|(_, blocked)| blocked), now).unwrap_or_else(free)
    }

    pub(in crate::deliver) fn new(part: &LaneReplay, batches: Vec<Batch>) -> Self {
        let LaneReplay { replay, first, last, cursor, .. } = *part;
        Self { replay, first, last, cursor, batches: batches.into(), blocked: None }
    }
}

/// Which records of a lane are given up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::deliver) enum GiveUp {
    /// The oldest, of so many bytes.
    Bytes(u64, DeadReason),
    /// Those spooled at this time or earlier.
    SpooledBy(Uptime),
}

/// Why a head is not sendable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::deliver) struct Blocked {
    /// When the wait for a failing lane ends; `None`: only that lane's progress ends it.
    pub(in crate::deliver) until: Option<Uptime>,
}

/// When a lane is to be looked at, and for what.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::deliver) enum Due {
    At(Uptime),
    /// Not before something happens to it.
    Never,
    Now(Work),
}

impl Lane {
    pub(in crate::deliver) fn new(state: LaneState, webhook: Option<Arc<Webhook>>) -> Self {
        Self {
            host: webhook.as_ref().map(|webhook| webhook.host()).unwrap_or_default(),
            proven_until: None,
            webhook,
            cursor: state.cursor,
            pending_records: state.pending_records,
            pending_bytes: state.pending_bytes,
            oldest: state.oldest.map(|(_, running)| running),
            batches: state.batches.into(),
            phase: Phase::Idle,
            work: Work::Live,
            parts: state
                .parts
                .iter()
                .map(|(part, batches)| ReplayRange::new(part, batches.clone()))
                .collect(),
            redeliveries: state.redeliveries,
            health: state.health,
            blocked: None,
            give_up_at: None,
            last_outcome: None,
            has_odd_answers: false,
            slot: None,
            not_before: None,
            timer: None,
            queued: false,
        }
    }

    /// Its last attempt failed.
    pub(in crate::deliver) fn is_failing(&self) -> bool {
        self.health.failing_since.is_some()
    }

    /// Nothing is sent from it, however long one waits.
    pub(in crate::deliver) fn is_suspended(&self) -> bool {
        self.webhook.is_none() || self.health.paused.is_some()
    }

    /// When its next request is due, and for what: a batch that was cut goes first, then dead letters
    /// that are asked for (each in turn with the rest), then replays, then what is pending.
    pub(in crate::deliver) fn due(&self, rate_limiters: &RateLimiters, now: Uptime) -> Due {
        let Some(webhook) = &self.webhook else { return Due::Never };
        if self.phase != Phase::Idle || self.is_suspended() {
            return Due::Never;
        }
        let ahead = |at: Option<Uptime>| at.filter(|at| *at > now);
        let due = |work: Work, at: Option<Uptime>| ahead(at).map_or(Due::Now(work), Due::At);
        let retry_at = self.health.retry_at.max(self.not_before);
        let redelivery = if self.redeliveries { due(Work::Redelivery, self.not_before) } else { Due::Never };
        let part = self.parts.front();
        let cut = match part.filter(|part| !part.batches.is_empty()) {
            _ if !self.batches.is_empty() => Some(due(Work::Live, retry_at)),
            Some(part) => Some(due(Work::Replay(part.replay), retry_at)),
            None => None,
        };
        // Nothing else is cut while a batch waits for its next attempt.
        let ways = if let Some(cut) = cut {
            [cut, redelivery, Due::Never]
        } else {
            let replay = part.map_or(Due::Never, |part| {
                let rest = rate_limiters.get(&part.replay).map(|limiter| limiter.next_at);
                part.due(retry_at.max(rest), now)
            });
            let live = self.live_due(webhook, retry_at, now);
            let after_redelivery = self.work == Work::Redelivery;
            if after_redelivery { [replay, live, redelivery] } else { [redelivery, replay, live] }
        };
        let first_now = ways.into_iter().find(|way| matches!(way, Due::Now(_)));
        let earliest =
            ways.into_iter().filter_map(|way| if let Due::At(at) = way { Some(at) } else { None }).min();
        first_now.or(earliest.map(Due::At)).unwrap_or(Due::Never)
    }

    /// The batches of what it is or was at work on; none where that was cancelled, or is a dead letter.
    pub(in crate::deliver) fn batches_at_work(&mut self) -> Option<&mut VecDeque<Batch>> {
        match self.work {
            Work::Live => Some(&mut self.batches),
            Work::Redelivery => None,
            Work::Replay(replay) => {
                self.parts.front_mut().filter(|part| part.replay == replay).map(|part| &mut part.batches)
            }
        }
    }

    /// What is cut next of what it is at work on: of which kind and replay, behind which record, up to
    /// which. `None`: it was cancelled.
    pub(in crate::deliver) fn range_at_work(
        &self,
    ) -> Option<(ReadScope, Option<ReplayNo>, Seq, Option<Seq>)> {
        match self.work {
            Work::Live => Some((ReadScope::Pending, None, self.cursor, None)),
            Work::Redelivery => None,
            Work::Replay(replay) => {
                let part = self.parts.front().filter(|part| part.replay == replay)?;
                Some((ReadScope::Settled, Some(replay), part.cursor, Some(part.last)))
            }
        }
    }

    /// The batch of a replay that is in flight.
    pub(in crate::deliver) fn batch_of(&self, replay: ReplayNo) -> Option<&Batch> {
        self.parts.front().filter(|part| part.replay == replay)?.batches.front()
    }

    /// When what is pending is to be cut.
    fn live_due(&self, webhook: &Webhook, retry_at: Option<Uptime>, now: Uptime) -> Due {
        let Some(oldest) = self.oldest else { return Due::Never };
        if let Some(blocked) = still_blocked(self.blocked, now) {
            return blocked;
        }
        let limits = &webhook.limits;
        let full =
            self.pending_records >= u64::from(limits.records_max) || self.pending_bytes >= limits.bytes_max;
        let ripe = if full { now } else { oldest.plus(limits.wait_max) };
        let at = retry_at.map_or(ripe, |retry| retry.max(ripe));
        if at > now { Due::At(at) } else { Due::Now(Work::Live) }
    }

    /// Whether a record of `replay` up to `seq` is still to be sent from here.
    pub(in crate::deliver) fn replays_up_to(&self, replay: ReplayNo, seq: Seq) -> bool {
        let mut parts = self.parts.iter().filter(|part| part.replay == replay);
        parts.any(|part| part.first <= seq && part.cursor < part.last.min(seq))
    }

    /// When something of it may have to be given up next, by age or by size.
    pub(in crate::deliver) fn next_give_up(&mut self, lane_bytes_max: u64, now: Uptime) -> Option<Uptime> {
        self.give_up_at = self
            .without_success_since()
            .zip(self.give_up_after())
            .map(|(since, after)| since.plus(after).max(self.give_up_at.unwrap_or_default()));
        if self.phase != Phase::Idle || self.pending_records == 0 {
            return None;
        }
        let at = if self.overflows(lane_bytes_max) { Some(now) } else { self.give_up_at };
        // After a write that failed nothing is tried before its time, this no more than a cut.
        at.map(|at| at.max(self.not_before.unwrap_or_default()))
    }

    /// What it has to give up now.
    pub(in crate::deliver) fn give_up(&mut self, lane_bytes_max: u64, now: Uptime) -> Option<GiveUp> {
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
        let by = Uptime(now.0.saturating_sub(u64::try_from(after.as_millis()).unwrap_or(u64::MAX)));
        self.oldest.filter(|oldest| *oldest <= by).map(|_| GiveUp::SpooledBy(by))
    }

    /// Since when it has been failing or paused, without a success.
    fn without_success_since(&self) -> Option<Uptime> {
        let paused = self.health.paused.as_ref().map(|(since, _)| *since);
        match (self.health.failing_since, paused) {
            (Some(failing), Some(paused)) => Some(failing.min(paused)),
            (failing, paused) => failing.or(paused),
        }
    }

    /// It fails or is paused, and holds more than it may.
    fn overflows(&self, lane_bytes_max: u64) -> bool {
        let is_unhealthy = self.is_failing() || self.health.paused.is_some();
        self.webhook.is_some() && is_unhealthy && self.pending_bytes > lane_bytes_max
    }

    /// `None` without a webhook: its time does not run.
    fn give_up_after(&self) -> Option<Duration> {
        self.webhook.as_ref().map(|webhook| webhook.limits.give_up_after)
    }

    /// What it is doing, or what keeps it from doing it.
    pub(in crate::deliver) fn condition(&self) -> LaneCondition {
        if self.webhook.is_none() {
            LaneCondition::WithoutWebhook
        } else if self.health.paused.is_some() {
            LaneCondition::Paused
        } else if self.is_failing() {
            LaneCondition::Failing
        } else if self.phase != Phase::Idle {
            LaneCondition::Busy
        } else if self.pending_records > 0 {
            LaneCondition::Waiting
        } else {
            LaneCondition::Idle
        }
    }

    /// Without a webhook for so long that its records are dropped.
    pub(in crate::deliver) fn orphaned(&self, now: Timestamp, retain: Duration) -> bool {
        let since = self.health.without_webhook;
        self.pending_records > 0 && since.is_some_and(|since| now.since(since) >= retain)
    }
}

/// When a head that waits for other lanes is to be looked at; `None`: it waits no more.
fn still_blocked(blocked: Option<Blocked>, now: Uptime) -> Option<Due> {
    match blocked? {
        Blocked { until: None } => Some(Due::Never),
        Blocked { until: Some(until) } => (until > now).then_some(Due::At(until)),
    }
}

const GIVE_UP_EVERY_MIN: Duration = Duration::from_secs(1);
const GIVE_UP_EVERY_MAX: Duration = Duration::from_mins(1);
