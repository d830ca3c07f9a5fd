//! Replays and redeliveries: what is sent besides what is pending.
//!
//! 1. A replay's records wait for the same replay's records alone, and pending ones for pending ones.
//! 2. A redelivery does not change its lane's health.

use super::Scheduler;
use crate::deliver::scheduler::lane::RateLimiter;
use crate::record::{LaneNo, Seq};
use crate::spool::{LaneReplay, ReplayNo};
use crate::time::Uptime;

impl Scheduler {
    /// Sets the rate of a replay.
    pub(in crate::deliver) fn set_rate(&mut self, replay: ReplayNo, rate: Option<u32>) {
        self.rate_limiters.entry(replay).or_default().rate = rate;
    }

    /// Adds a replay's ranges to its lanes, after those that run. All lanes are known.
    pub(in crate::deliver) fn replay(
        &mut self,
        replay: ReplayNo,
        rate: Option<u32>,
        ranges: &[LaneReplay],
        now: Uptime,
    ) {
        self.rate_limiters
            .insert(replay, RateLimiter { rate, ranges: ranges.len(), ..RateLimiter::default() });
        for range in ranges {
            if let Some(lane) = self.lanes.get_mut(&range.lane) {
                lane.enter_replay(range);
            }
            self.reschedule(range.lane, now);
        }
    }

    /// Cuts and sends nothing more of a replay; requests in flight end. `false`: it does not run.
    pub(in crate::deliver) fn cancel(&mut self, replay: ReplayNo, now: Uptime) -> bool {
        let runs = self.rate_limiters.remove(&replay).is_some();
        let mut left: Vec<LaneNo> = Vec::new();
        for (no, lane) in &mut self.lanes {
            if lane.leave_replay(replay) {
                left.push(*no);
            }
        }
        left.sort_unstable();
        left.into_iter().for_each(|no| self.changed(no, now));
        runs
    }

    /// The running replay that was requested last.
    pub(in crate::deliver) fn newest_replay(&self) -> Option<ReplayNo> {
        self.rate_limiters.last_key_value().map(|(replay, _)| *replay)
    }

    /// Records of a replay up to `through` are sent or skipped, durably. Returns whether the replay is done.
    pub(in crate::deliver) fn advanced(
        &mut self,
        no: LaneNo,
        replay: ReplayNo,
        through: Seq,
        now: Uptime,
    ) -> bool {
        self.release(no);
        let range_ends = self.lanes.get_mut(&no).is_some_and(|lane| lane.advance_replay(replay, through));
        let mut is_done = false;
        if let Some(limiter) = self.rate_limiters.get_mut(&replay).filter(|_| range_ends) {
            limiter.ranges -= 1;
            is_done = limiter.ranges == 0;
        }
        if is_done {
            self.rate_limiters.remove(&replay);
        }
        self.changed(no, now);
        is_done
    }

    /// Sets whether dead letters of a lane have a requested redelivery.
    pub(in crate::deliver) fn redeliveries(&mut self, no: LaneNo, wait: bool, now: Uptime) {
        if let Some(lane) = self.lanes.get_mut(&no) {
            lane.set_redeliveries(wait);
        }
        self.reschedule(no, now);
    }
}
