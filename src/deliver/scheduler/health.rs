//! Changes of a lane's health without an attempt: its webhook is added, removed or changed; it is paused or
//! resumed.

use std::sync::Arc;

use super::Scheduler;
use crate::deliver::webhook::Webhook;
use crate::record::LaneNo;
use crate::spool::{LaneHealth, PausedBy};
use crate::time::{Timestamp, Uptime};

impl Scheduler {
    /// Sets the lane's webhook. A changed health is returned, to be stored.
    pub(in crate::deliver) fn routed(
        &mut self,
        no: LaneNo,
        webhook: Option<Arc<Webhook>>,
        now: Uptime,
        wall: Timestamp,
    ) -> Option<LaneHealth> {
        let lane = self.lanes.get_mut(&no)?;
        let changed = lane.route(webhook, now, wall).then(|| lane.health().clone());
        self.changed(no, now);
        changed
    }

    /// An operator pauses the lane for this reason. Its new health is to be stored.
    pub(in crate::deliver) fn pause(
        &mut self,
        no: LaneNo,
        reason: String,
        now: Uptime,
    ) -> Option<LaneHealth> {
        self.pause_by(PausedBy::Operator, no, reason, now)
    }

    /// Pauses the lane, or changes the reason, as its project makes too many records. Its new health is to be
    /// stored. `None`: it is paused for another reason.
    pub(in crate::deliver) fn hold_surge(
        &mut self,
        no: LaneNo,
        reason: String,
        now: Uptime,
    ) -> Option<LaneHealth> {
        let lane = self.lanes.get(&no)?;
        if lane.health().paused.as_ref().is_some_and(|paused| paused.by != PausedBy::Surge) {
            return None;
        }
        self.pause_by(PausedBy::Surge, no, reason, now)
    }

    /// Resumes the lane at once. Its new health is to be stored.
    pub(in crate::deliver) fn resume(&mut self, no: LaneNo, now: Uptime) -> Option<LaneHealth> {
        let lane = self.lanes.get_mut(&no)?;
        let health = lane.resume().then(|| lane.health().clone())?;
        self.changed(no, now);
        Some(health)
    }

    fn pause_by(&mut self, by: PausedBy, no: LaneNo, reason: String, now: Uptime) -> Option<LaneHealth> {
        let lane = self.lanes.get_mut(&no)?;
        lane.pause(by, reason, now);
        let health = lane.health().clone();
        self.changed(no, now);
        Some(health)
    }
}
