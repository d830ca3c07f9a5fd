//! When a lane is due, and for what: its timers and its state alone decide.

use std::time::Duration;

use super::replay_range::RateLimiters;
use super::timer::Timer;
use super::{Lane, Phase, Work};
use crate::spool::DeadReason;
use crate::time::Uptime;

/// When a lane wakes up, and for what.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::deliver) enum Due {
    At(Uptime),
    /// Not before something happens to it.
    Never,
    Now(Work),
}

/// Which records of a lane are given up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::deliver) enum GiveUp {
    /// The oldest, of so many bytes.
    Bytes(u64, DeadReason),
    /// Those spooled at this time or earlier.
    SpooledBy(Uptime),
}

impl Lane {
    /// When its next request is due, and for what: a batch that was cut goes first, then requested
    /// redeliveries (each in turn with the rest), then replays, then what is pending.
    pub(in crate::deliver) fn due(&mut self, limiters: &RateLimiters, now: Uptime) -> Due {
        let limiter = self.replays.front().and_then(|range| limiters.get(&range.replay));
        self.timers.set(Timer::RateLimit, limiter.map(|limiter| limiter.next_at));
        if self.phase != Phase::Idle || self.is_suspended() {
            return Due::Never;
        }
        let redelivery = if self.redeliveries {
            self.behind(&[Timer::WriteRetry], Work::Redelivery, now)
        } else {
            Due::Never
        };
        // Nothing else is cut while a batch waits for its next attempt.
        let ways = if let Some(work) = self.cut_work() {
            [self.behind(&[Timer::Retry, Timer::WriteRetry], work, now), redelivery, Due::Never]
        } else {
            let (replay, pending) = (self.replay_due(now), self.pending_due(now));
            let after_redelivery = self.work == Work::Redelivery;
            if after_redelivery { [replay, pending, redelivery] } else { [redelivery, replay, pending] }
        };
        let first_now = ways.into_iter().find(|way| matches!(way, Due::Now(_)));
        let earliest =
            ways.into_iter().filter_map(|way| if let Due::At(at) = way { Some(at) } else { None }).min();
        first_now.or(earliest.map(Due::At)).unwrap_or(Due::Never)
    }

    /// When something of it may have to be given up next, by age or by size.
    pub(in crate::deliver) fn next_give_up(&mut self, lane_bytes_max: u64, now: Uptime) -> Option<Uptime> {
        let earlier = self.timers.get(Timer::GiveUp).unwrap_or_default();
        let since = self.without_success_since().zip(self.give_up_after());
        let give_up_at = since.map(|(since, after)| since.plus(after).max(earlier));
        self.timers.set(Timer::GiveUp, give_up_at);
        if self.phase != Phase::Idle || self.pending_records == 0 {
            return None;
        }
        let at = if self.overflows(lane_bytes_max) { Some(now) } else { give_up_at };
        // After a write that failed nothing is tried before its time, this no more than a cut.
        at.map(|at| at.max(self.timers.get(Timer::WriteRetry).unwrap_or_default()))
    }

    /// What it has to give up now.
    pub(in crate::deliver) fn give_up(&mut self, lane_bytes_max: u64, now: Uptime) -> Option<GiveUp> {
        let is_busy = self.phase != Phase::Idle || self.timers.is_running(Timer::WriteRetry, now);
        if is_busy || self.pending_records == 0 {
            return None;
        }
        if self.overflows(lane_bytes_max) {
            return Some(GiveUp::Bytes(self.pending_bytes - lane_bytes_max, DeadReason::LaneFull));
        }
        let after = self.give_up_after()?;
        let at = self.timers.get(Timer::GiveUp).filter(|at| *at <= now)?;
        // Records become old one by one; they are given up in bulk, now and then.
        let next = at.max(now).plus((after / 100).clamp(GIVE_UP_EVERY_MIN, GIVE_UP_EVERY_MAX));
        self.timers.set(Timer::GiveUp, Some(next));
        let by = Uptime(now.0.saturating_sub(u64::try_from(after.as_millis()).unwrap_or(u64::MAX)));
        self.oldest.filter(|oldest| *oldest <= by).map(|_| GiveUp::SpooledBy(by))
    }

    /// Due for `work` once all of these timers have expired.
    fn behind(&self, timers: &[Timer], work: Work, now: Uptime) -> Due {
        self.timers.last_of(timers, now).map_or(Due::Now(work), Due::At)
    }

    /// Whose batch is cut and not settled.
    fn cut_work(&self) -> Option<Work> {
        let of_replay = || self.replays.front().filter(|range| !range.batches.is_empty());
        if self.batches.is_empty() {
            of_replay().map(|range| Work::Replay(range.replay))
        } else {
            Some(Work::Pending)
        }
    }

    fn replay_due(&self, now: Uptime) -> Due {
        let Some(range) = self.replays.front() else { return Due::Never };
        let waits_for_progress = self.timers.get(Timer::ReplayOrderWait).is_none();
        if range.blocked.is_some() && waits_for_progress {
            return Due::Never;
        }
        let timers = [Timer::ReplayOrderWait, Timer::RateLimit, Timer::Retry, Timer::WriteRetry];
        self.behind(&timers, Work::Replay(range.replay), now)
    }

    fn pending_due(&self, now: Uptime) -> Due {
        let Some(webhook) = self.webhook.as_ref().filter(|_| self.oldest.is_some()) else {
            return Due::Never;
        };
        let waits_for_progress = self.timers.get(Timer::OrderWait).is_none();
        if self.blocked && waits_for_progress {
            return Due::Never;
        }
        let (records_max, bytes_max) = self.cut_limits(webhook, Work::Pending);
        let is_full = self.pending_records >= u64::from(records_max) || self.pending_bytes >= bytes_max;
        let timers = [Timer::OrderWait, Timer::Retry, Timer::WriteRetry, Timer::BatchWait];
        let (holding, _) = timers.split_at(if is_full { 3 } else { 4 });
        self.behind(holding, Work::Pending, now)
    }

    /// Since when it has been failing or paused, without a success.
    fn without_success_since(&self) -> Option<Uptime> {
        let paused = self.health.paused.as_ref().map(|paused| paused.since);
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
    /// How long until the first records are given up; `None`: nothing is in the way.
    pub(in crate::deliver) fn gives_up_in(&self, now: Uptime) -> Option<Duration> {
        let waited = now.since(self.without_success_since()?);
        self.give_up_after().map(|after| after.saturating_sub(waited))
    }

    fn give_up_after(&self) -> Option<Duration> {
        self.webhook.as_ref().map(|webhook| webhook.limits.give_up_after)
    }
}

const GIVE_UP_EVERY_MIN: Duration = Duration::from_secs(1);
const GIVE_UP_EVERY_MAX: Duration = Duration::from_mins(1);
