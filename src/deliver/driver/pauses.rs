//! Pauses and skips: what operators ask of lanes.

use std::sync::mpsc::Sender;

use super::Driver;
use super::pending_write::{PendingWrite, RequestedSkip};
use crate::deliver::pauses::{LaneScope, Pauses};
use crate::record::{LaneNo, Seq};
use crate::spool::{Done, LaneHealth, Op, SpoolError};
use crate::time::Uptime;

impl Driver {
    /// These pauses stand from now on. Other lanes of `resumed` are resumed. Each write is replied to.
    pub(in crate::deliver) fn set_pauses(
        &mut self,
        pauses: Pauses,
        resumed: Option<&LaneScope>,
        reply: &Sender<Result<(), SpoolError>>,
    ) {
        self.pauses = pauses;
        let now = self.now();
        for lane in self.sorted_lanes() {
            let before = self.state(lane);
            let standing = self.apply_pause(lane, now);
            let is_free = self.pause_of(lane).is_none();
            let is_resumed = is_free && resumed.is_some_and(|scope| self.is_in(scope, lane));
            if is_resumed {
                self.surges.resume(lane.project(), now);
            }
            let health = if is_resumed { self.scheduler.resume(lane, now) } else { standing };
            if let Some(health) = health {
                self.log_health(lane, &health);
                let reply = reply.clone();
                let written = move |result: Result<Done, SpoolError>| drop(reply.send(result.map(drop)));
                self.params.spool.submit(Op::SetHealth { lane, health }, written);
            }
            self.count_transition(lane, before);
        }
    }

    /// Pauses the lane where a pause that stands is of it. Its new health is to be stored.
    pub(in crate::deliver) fn apply_pause(&mut self, lane: LaneNo, now: Uptime) -> Option<LaneHealth> {
        let reason = self.pause_of(lane)?;
        let is_paused = self.scheduler.lane(lane).is_some_and(|lane| lane.health().paused.is_some());
        if is_paused { None } else { self.scheduler.pause(lane, reason, now) }
    }

    /// The reason of the pause that stands for the lane.
    fn pause_of(&self, lane: LaneNo) -> Option<String> {
        let host = self.scheduler.lane(lane)?.host();
        self.pauses.of(self.project(lane), lane.callback(), host).map(|pause| pause.reason.clone())
    }

    fn is_in(&self, scope: &LaneScope, lane: LaneNo) -> bool {
        let host = self.scheduler.lane(lane).map(|lane| lane.host().clone()).unwrap_or_default();
        scope.holds(self.project(lane), lane.callback(), &host)
    }

    /// Begins the skips whose lanes are not at work.
    pub(in crate::deliver) fn begin_skips(&mut self, now: Uptime) {
        for skip in std::mem::take(&mut self.skips) {
            if self.failed || skip.by < now || self.scheduler.lane(skip.lane).is_none() {
                let _ = skip.reply.send(Err(SpoolError::NoReply("the delivery loop")));
            } else if self.scheduler.lease(skip.lane, now) {
                self.skip(skip, now);
            } else {
                self.skips.push(skip);
            }
        }
    }

    /// A batch is skipped whole: one that reaches beyond the last record is kept.
    fn skip(&mut self, skip: RequestedSkip, now: Uptime) {
        let RequestedSkip { lane, through, reply, .. } = skip;
        let Some(state) = self.scheduler.lane(lane) else { return };
        let cut = state.batches().iter().find(|batch| batch.first <= through && through < batch.last);
        let through = cut.map_or(through, |batch| batch.first.before());
        if through <= state.cursor() {
            self.scheduler.end_lease(lane, now);
            let _ = reply.send(Ok(Done::Settled { records: 0, bytes: 0 }));
            return;
        }
        self.submit(Op::Skip { lane, through }, PendingWrite::Skip { lane, through, reply });
    }

    /// Records were skipped, durably.
    pub(in crate::deliver) fn skipped(&mut self, lane: LaneNo, through: Seq, done: &Done, now: Uptime) {
        let Done::Settled { records, bytes } = *done else {
            return self.scheduler.end_lease(lane, now);
        };
        self.params.metrics.records_skipped.inc_by(records);
        self.settled(lane, through, records, bytes, now);
    }
}
