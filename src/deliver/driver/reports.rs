//! Reports the states of lanes to the alerts: each change, and each attempt that failed.

use super::Driver;
use crate::alert::{Event, LaneKey, LaneReport, WebhookState};
use crate::deliver::scheduler::condition::LaneCondition;
use crate::deliver::scheduler::lane::Lane;
use crate::record::LaneNo;
use crate::spool::DeadReason;

impl Driver {
    /// The lane's state changed, or its failure went on.
    pub(in crate::deliver) fn report(&self, no: LaneNo) {
        let Some((lane, webhook)) = self.scheduler.lane(no).map(|lane| (lane, lane.webhook())) else {
            return;
        };
        let Some(state) = state(lane) else { return };
        let give_up_after = webhook.map(|webhook| webhook.limits.give_up_after).unwrap_or_default();
        (self.params.on_alert)(Event::Lane(LaneReport {
            lane: self.lane_key(no),
            host: webhook.map(|webhook| webhook.host().to_string()).unwrap_or_default(),
            owner: webhook.and_then(|webhook| webhook.owner.clone()),
            state,
            give_up_after,
        }));
    }

    /// Records of a lane became dead letters.
    pub(in crate::deliver) fn report_dead(&self, no: LaneNo, reason: DeadReason, records: u64) {
        let webhook = self.scheduler.lane(no).and_then(Lane::webhook);
        (self.params.on_alert)(Event::DeadLetters {
            lane: self.lane_key(no),
            owner: webhook.and_then(|webhook| webhook.owner.clone()),
            reason: reason.name(),
            records,
        });
    }

    fn lane_key(&self, no: LaneNo) -> LaneKey {
        LaneKey { project: self.project(no).to_owned(), callback: no.callback() }
    }
}

/// `None`: it fails, and an older version did not store why.
fn state(lane: &Lane) -> Option<WebhookState> {
    let (health, condition) = (lane.health(), lane.condition());
    Some(match condition {
        LaneCondition::Busy | LaneCondition::Idle | LaneCondition::Waiting => WebhookState::Healthy,
        LaneCondition::WithoutWebhook => WebhookState::Removed,
        LaneCondition::Paused => {
            let pause = health.paused.as_ref()?;
            WebhookState::Paused { since: pause.since, by: pause.by, reason: pause.reason.clone() }
        }
        LaneCondition::Failing | LaneCondition::NeedsOwner | LaneCondition::Throttled => {
            WebhookState::Failing {
                since: health.failing_since?,
                cause: lane.cause()?,
                status: health.last_failure.and_then(|failure| failure.status),
                needs_owner: condition == LaneCondition::NeedsOwner,
                next_attempt: health.retry_at,
            }
        }
    })
}
