//! Order across the callbacks of a project: how many of a lane's next records may be sent, and how long they
//! wait.

use std::time::Duration;

use super::Scheduler;
use crate::deliver::scheduler::lane::{Lane, Work};
use crate::record::{Callback, LaneNo, Seq, WaitsFor};
use crate::spool::LaneHealth;
use crate::time::Uptime;

/// A record that may be cut next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::deliver) struct Candidate {
    pub(in crate::deliver) seq: Seq,
    /// Its document.
    pub(in crate::deliver) document: u64,
    pub(in crate::deliver) after: WaitsFor,
    pub(in crate::deliver) bytes: u64,
}

/// How many of the candidates may be cut now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::deliver) enum Run {
    /// None: the first waits for other lanes.
    Blocked,
    /// This number of records.
    Records(usize),
}

impl Scheduler {
    /// How many candidates may be cut: the longest run of sendable records, up to the limits.
    pub(in crate::deliver) fn run(&self, no: LaneNo, head: &[Candidate], now: Uptime) -> Run {
        let Some(lane) = self.lanes.get(&no) else { return Run::Blocked };
        let Some(webhook) = lane.webhook() else { return Run::Blocked };
        let (records_max, bytes_max) = lane.cut_limits(webhook, lane.work());
        let mut bytes = 0_u64;
        let mut records = 0;
        for record in head.iter().take(usize::try_from(records_max).unwrap_or(usize::MAX)) {
            bytes = bytes.saturating_add(record.bytes);
            let fits = records == 0 || bytes <= bytes_max;
            if !fits || !self.is_sendable(no, lane.work(), record.after, webhook.limits.order_wait, now) {
                break;
            }
            records += 1;
        }
        if records == 0 { Run::Blocked } else { Run::Records(records) }
    }

    /// Nothing was cut: the first candidate, with this `after`, waits for other lanes. A changed health is
    /// returned, to be stored.
    pub(in crate::deliver) fn blocked(
        &mut self,
        no: LaneNo,
        after: WaitsFor,
        now: Uptime,
    ) -> Option<LaneHealth> {
        self.release_unsent(no);
        let lane = self.lanes.get_mut(&no)?;
        if lane.is_probing() {
            // The lanes that it waits for may wait for the records that were refused.
            lane.end_probes(now);
            let health = lane.health().clone();
            self.reschedule(no, now);
            return Some(health);
        }
        let work = lane.work();
        let wait = lane.webhook().map(|webhook| webhook.limits.order_wait);
        let until = self.unsettled(no, work, after).filter_map(|other| other.health().failing_since).max();
        let until = until.zip(wait).map(|(since, wait)| since.plus(wait));
        // Where one of those it waits for does not fail, only that lane's progress helps.
        let until = until.filter(|_| self.unsettled(no, work, after).all(Lane::is_failing));
        if let Some(lane) = self.lanes.get_mut(&no) {
            match work {
                Work::Pending => lane.block(until),
                Work::Replay(replay) if lane.replays().next() == Some(replay) => {
                    lane.block_replay(after, until);
                }
                Work::Redelivery | Work::Replay(_) => {}
            }
        }
        self.reschedule(no, now);
        None
    }

    /// Whether the next record of what a replay sends of a lane waits no more: what it waited for is sent,
    /// or its lane is suspended.
    pub(in crate::deliver) fn replay_goes_on(&self, no: LaneNo) -> bool {
        let blocked = self.lanes.get(&no).and_then(Lane::blocked_replay);
        let Some((replay, after, has_end)) = blocked else { return false };
        let mut waits = self.unsettled(no, Work::Replay(replay), after).peekable();
        // Where all that it waits for begins to fail, the wait gets an end.
        waits.peek().is_none() || !has_end && waits.all(Lane::is_failing)
    }

    /// Whether everything that must be settled before a record is, or its wait is over.
    fn is_sendable(
        &self,
        no: LaneNo,
        work: Work,
        after: WaitsFor,
        order_wait: Duration,
        now: Uptime,
    ) -> bool {
        self.unsettled(no, work, after)
            .all(|other| other.health().failing_since.is_some_and(|since| now.since(since) >= order_wait))
    }

    /// The lanes that a record with this `after` still waits for, were no wait ever over. One that is
    /// paused, without a webhook or unknown is waited for not at all. What a replay sends waits for the
    /// same replay alone, what is pending for what is pending.
    fn unsettled(&self, no: LaneNo, work: Work, after: WaitsFor) -> impl Iterator<Item = &Lane> {
        Callback::ALL.into_iter().zip(after.0).filter_map(move |(callback, seq)| {
            let other = self.lanes.get(&LaneNo::new(no.project(), callback))?;
            let is_behind = match work {
                Work::Replay(replay) => other.replays_up_to(replay, seq),
                Work::Pending | Work::Redelivery => other.cursor() < seq,
            };
            (callback != no.callback() && is_behind && !other.is_suspended()).then_some(other)
        })
    }
}
