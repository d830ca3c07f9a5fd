//! How a lane stands without an attempt: its webhook comes, goes or changes; it is paused and resumed.

use std::sync::Arc;

use super::Scheduler;
use crate::deliver::webhook::Webhook;
use crate::record::LaneNo;
use crate::spool::LaneHealth;
use crate::time::{Timestamp, Uptime};

impl Scheduler {
    /// The lane's webhook is this one from now on. The standing that follows, where it changed, is to
    /// be written down.
    ///
    /// One that comes back starts anew, as the time without it is not held against it; one that was
    /// changed is tried at once: what failed may be what was mended.
    pub(in crate::deliver) fn routed(
        &mut self,
        no: LaneNo,
        webhook: Option<Arc<Webhook>>,
        now: Uptime,
        wall: Timestamp,
    ) -> Option<LaneHealth> {
        let lane = self.lanes.get_mut(&no)?;
        let before = lane.health.clone();
        match (&webhook, before.without_webhook) {
            (None, since) => lane.health.without_webhook = since.or(Some(wall)),
            (Some(_), Some(_)) => {
                let paused = lane.health.paused.take().map(|(_, reason)| (now, reason));
                lane.health = LaneHealth { paused, ..LaneHealth::default() };
            }
            (Some(_), None) if lane.webhook != webhook => lane.health.retry_at = None,
            (Some(_), None) => {}
        }
        let host = webhook.as_ref().map(|webhook| webhook.host()).unwrap_or_default();
        if lane.host != host {
            (lane.host, lane.proven_until) = (host, None);
        }
        lane.webhook = webhook;
        let changed = (lane.health != before).then(|| lane.health.clone());
        self.changed(no, now);
        changed
    }

    /// Nothing is sent from the lane any more, for this reason. The standing is to be written down.
    pub(in crate::deliver) fn pause(
        &mut self,
        no: LaneNo,
        reason: String,
        now: Uptime,
    ) -> Option<LaneHealth> {
        let lane = self.lanes.get_mut(&no)?;
        let since = lane.health.paused.as_ref().map_or(now, |(since, _)| *since);
        lane.health.paused = Some((since, reason));
        let health = lane.health.clone();
        self.changed(no, now);
        Some(health)
    }

    /// The lane goes on, at once. The standing is to be written down.
    pub(in crate::deliver) fn resume(&mut self, no: LaneNo, now: Uptime) -> Option<LaneHealth> {
        let lane = self.lanes.get_mut(&no)?;
        lane.health.paused.take()?;
        lane.health.retry_at = None;
        let health = lane.health.clone();
        self.changed(no, now);
        Some(health)
    }
}
