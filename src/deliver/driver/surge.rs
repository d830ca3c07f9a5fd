//! Holds the lanes of a project that makes more records than `delivery.surge` allows.

use super::Driver;
use crate::deliver::scheduler::lane::Lane;
use crate::deliver::scheduler::surge::Portion;
use crate::record::{Callback, LaneNo, ProjectNo};
use crate::spool::{Chunk, Op, PausedBy};
use crate::time::Uptime;

impl Driver {
    /// Projects that an earlier process held stay held.
    pub(in crate::deliver) fn restore_surges(&mut self) {
        let is_held = |lane: LaneNo| self.is_held_for_surge(lane);
        let held: Vec<LaneNo> = self.scheduler.lanes().map(|(no, _)| *no).filter(|no| is_held(*no)).collect();
        held.into_iter().for_each(|lane| self.surges.hold(lane.project()));
    }

    /// Counts a chunk of a lane before the scheduler knows of it, so that nothing of it is sent where its
    /// project is held.
    pub(in crate::deliver) fn count_surge(&mut self, chunk: &Chunk, now: Uptime) {
        let project = chunk.lane.project();
        if self.surges.add(project, portion(chunk), chunk.spooled_uptime) {
            self.hold_project(project, u64::from(chunk.records), now);
        } else if self.surges.is_held(project) && !self.is_held_for_surge(chunk.lane) {
            let reason = self.surges.reason(project).unwrap_or_default();
            self.hold_lane(chunk.lane, reason, now);
        }
    }

    /// `new`: the records that are not pending yet.
    fn hold_project(&mut self, project: ProjectNo, new: u64, now: Uptime) {
        let reason = self.surges.reason(project).unwrap_or_default();
        let lanes = Callback::ALL.map(|callback| LaneNo::new(project, callback));
        let pending: u64 =
            lanes.iter().filter_map(|lane| self.scheduler.lane(*lane)).map(Lane::pending_records).sum();
        let sent_before = self.surges.records(project).saturating_sub(new + pending);
        let [name, ..] = lanes.map(|lane| self.project(lane).to_owned());
        tracing::warn!(
            project = name,
            reason,
            sent_before,
            "a project makes more records than `delivery.surge` allows: its lanes are paused. \
             Resume them to send the records, with `requests_per_second` at its webhook to send them slowly"
        );
        self.params.metrics.surges.inc();
        for lane in lanes {
            self.hold_lane(lane, reason.clone(), now);
        }
    }

    fn hold_lane(&mut self, lane: LaneNo, reason: String, now: Uptime) {
        let before = self.state(lane);
        let health = self.scheduler.hold_surge(lane, reason, now);
        self.store_health(lane, health);
        self.count_transition(lane, before);
    }

    /// Brings the reasons of held lanes up to date, as their records go on being counted.
    pub(in crate::deliver) fn refresh_surges(&mut self, now: Uptime) {
        for project in self.surges.changed() {
            let Some(reason) = self.surges.reason(project) else { continue };
            for lane in Callback::ALL.map(|callback| LaneNo::new(project, callback)) {
                if self.is_held_for_surge(lane)
                    && let Some(health) = self.scheduler.hold_surge(lane, reason.clone(), now)
                {
                    self.params.spool.submit(Op::SetHealth { lane, health }, |_| {});
                }
            }
        }
    }

    fn is_held_for_surge(&self, lane: LaneNo) -> bool {
        let paused = self.scheduler.lane(lane).and_then(|lane| lane.health().paused.as_ref());
        paused.is_some_and(|paused| paused.by == PausedBy::Surge)
    }
}

/// A chunk that came without its bytes is taken for one transaction's.
fn portion(chunk: &Chunk) -> Portion {
    let commit = chunk.last_position.commit;
    let first = chunk.records().next().and_then(Result::ok).map(|first| first.position.commit);
    let of_last = if first.is_none_or(|first| first == commit) {
        u64::from(chunk.records)
    } else {
        chunk
            .records()
            .filter(|record| record.as_ref().is_ok_and(|record| record.position.commit == commit))
            .count() as u64
    };
    let (callback, records) = (chunk.lane.callback(), u64::from(chunk.records));
    Portion { callback, records, transaction: (commit, of_last) }
}
