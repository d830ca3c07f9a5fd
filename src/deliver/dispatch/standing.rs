//! How a lane stands without an attempt: its webhook comes, goes or changes; it is paused and resumed.

use std::sync::Arc;

use super::Dispatch;
use crate::deliver::webhook::Webhook;
use crate::moment::{Moment, Running};
use crate::record::LaneNo;
use crate::spool::Standing;

impl Dispatch {
    /// The lane's webhook is this one from now on. The standing that follows, where it changed, is to
    /// be written down.
    ///
    /// One that comes back starts anew, as the time without it is not held against it; one that was
    /// changed is tried at once: what failed may be what was mended.
    pub(in crate::deliver) fn routed(
        &mut self,
        no: LaneNo,
        webhook: Option<Arc<Webhook>>,
        now: Running,
        wall: Moment,
    ) -> Option<Standing> {
        let lane = self.lanes.get_mut(&no)?;
        let before = lane.standing.clone();
        match (&webhook, before.without_webhook) {
            (None, since) => lane.standing.without_webhook = since.or(Some(wall)),
            (Some(_), Some(_)) => {
                let paused = lane.standing.paused.take().map(|(_, reason)| (now, reason));
                lane.standing = Standing { paused, ..Standing::default() };
            }
            (Some(_), None) if lane.webhook != webhook => lane.standing.retry_at = None,
            (Some(_), None) => {}
        }
        let host = webhook.as_ref().map(|webhook| webhook.host()).unwrap_or_default();
        if lane.host != host {
            (lane.host, lane.proven_until) = (host, None);
        }
        lane.webhook = webhook;
        let changed = (lane.standing != before).then(|| lane.standing.clone());
        self.changed(no, now);
        changed
    }

    /// Nothing is sent from the lane any more, for this reason. The standing is to be written down.
    pub(in crate::deliver) fn pause(&mut self, no: LaneNo, reason: String, now: Running) -> Option<Standing> {
        let lane = self.lanes.get_mut(&no)?;
        let since = lane.standing.paused.as_ref().map_or(now, |(since, _)| *since);
        lane.standing.paused = Some((since, reason));
        let standing = lane.standing.clone();
        self.changed(no, now);
        Some(standing)
    }

    /// The lane goes on, at once. The standing is to be written down.
    pub(in crate::deliver) fn resume(&mut self, no: LaneNo, now: Running) -> Option<Standing> {
        let lane = self.lanes.get_mut(&no)?;
        lane.standing.paused.take()?;
        lane.standing.retry_at = None;
        let standing = lane.standing.clone();
        self.changed(no, now);
        Some(standing)
    }
}
