//! Log lines of failed attempts and recovered receivers.

use super::Driver;
use super::event::EndedAttempt;
use crate::deliver::scheduler::retry::Outcome;
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
            tracing::warn!(
                project,
                %callback,
                host,
                outcome = kind.name(),
                status,
                detail,
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

    /// The host and port of a lane's webhook.
    fn host(&self, lane: crate::record::LaneNo) -> Option<String> {
        let webhook = self.scheduler.lane(lane)?.webhook()?;
        webhook.url.authority().map(|authority| authority.as_str().to_owned())
    }
}
