//! Log lines of failed attempts and recovered receivers, and the count of lanes that change their state.

use super::Driver;
use super::event::EndedAttempt;
use crate::deliver::scheduler::condition::LaneCondition;
use crate::deliver::scheduler::lane::Lane;
use crate::deliver::scheduler::retry::Outcome;
use crate::metrics::StateLabel;
use crate::outcome::Cause;
use crate::record::LaneNo;
use crate::spool::Pause;
use crate::time::Uptime;

impl Driver {
    /// Logs that a host fails or works again, as [`Outages`](super::outage::Outages) allows.
    pub(in crate::deliver) fn log_outage(&mut self, ended: &EndedAttempt, failed_before: bool, now: Uptime) {
        let EndedAttempt { lane, batch, outcome, .. } = ended;
        let Some(host) = self.host(*lane) else { return };
        let health = self.health(*lane);
        if health.failures > 0 {
            let Some(report) = self.outages.failed(&host, *lane, outcome, now) else { return };
            let (project, callback) = (self.project(*lane), lane.callback());
            let Outcome { status, kind, detail, .. } = outcome;
            let attempt = batch.attempts.saturating_add(1);
            let next_attempt_in = health.retry_at.map(|at| at.since(now));
            let (lanes_failing, more_attempts) = (report.lanes, report.more_attempts);
            let cause = self.cause(*lane);
            let (class, remedy) = (cause.map(|cause| cause.class.name()), cause.map(|cause| cause.remedy));
            tracing::warn!(
                project,
                %callback,
                host,
                outcome = kind.name(),
                status,
                detail,
                class,
                remedy,
                attempt,
                ?next_attempt_in,
                lanes_failing,
                more_attempts,
                "a webhook fails, and is tried again"
            );
        } else if failed_before && let Some(works) = self.outages.works(&host, *lane, now) {
            let (project, callback) = (self.project(*lane), lane.callback());
            let (lanes, lanes_failing) = (works.lanes, works.failing);
            tracing::info!(project, %callback, host, lanes, lanes_failing, "a webhook works again");
        }
    }

    /// Logs that an answer paused a lane.
    pub(in crate::deliver) fn log_pause(&self, lane: LaneNo) {
        let health = self.scheduler.lane(lane).map(Lane::health);
        let Some(Pause { reason, .. }) = health.and_then(|health| health.paused.as_ref()) else { return };
        let (project, callback) = (self.project(lane), lane.callback());
        let cause = self.cause(lane);
        let (class, remedy) = (cause.map(|cause| cause.class.name()), cause.map(|cause| cause.remedy));
        tracing::warn!(project, %callback, reason, class, remedy, "a webhook is paused by its receiver's answer");
    }

    /// The state of a lane, as its transitions are counted: whatever a healthy one does is one state.
    pub(in crate::deliver) fn state(&self, lane: LaneNo) -> &'static str {
        let condition = self.scheduler.lane(lane).map(Lane::condition).filter(|state| !state.is_healthy());
        condition.map_or(HEALTHY, LaneCondition::name)
    }

    pub(in crate::deliver) fn count_transition(&self, lane: LaneNo, before: &'static str) {
        let state = self.state(lane);
        if state != before {
            self.params.metrics.lane_transitions.get_or_create(&StateLabel { state }).inc();
        }
        if state != before || state != HEALTHY {
            self.report(lane);
        }
    }

    fn cause(&self, lane: LaneNo) -> Option<&'static Cause> {
        self.scheduler.lane(lane)?.cause()
    }

    /// The host and port of a lane's webhook.
    fn host(&self, lane: LaneNo) -> Option<String> {
        let webhook = self.scheduler.lane(lane)?.webhook()?;
        webhook.url.uri().authority().map(|authority| authority.as_str().to_owned())
    }
}

const HEALTHY: &str = "healthy";
