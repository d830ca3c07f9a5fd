//! Work besides requests: routes of lanes, lanes that are given up or discarded, views for status.

use super::pending_write::PendingWrite;
use super::{Driver, HOUSEKEEP_EVERY, TICK_EVERY, webhook_of};
use crate::deliver::params::{LaneCounts, LaneView};
use crate::deliver::scheduler::Action;
use crate::deliver::scheduler::lane::{GiveUp, Lane, Phase};
use crate::deliver::scheduler::slots::Limit;
use crate::record::{LaneNo, Seq};
use crate::spool::{Batch, DeadReason, LaneHealth, Op, Room, SpoolError};
use crate::time::Uptime;

impl Driver {
    /// Assigns every lane its current webhook, and stores since when it has none.
    pub(in crate::deliver) fn route_all(&mut self) {
        let (now, wall) = (self.now(), self.params.clock.wall());
        for lane in self.sorted_lanes() {
            let before = self.state(lane);
            let health =
                self.scheduler.routed(lane, webhook_of(&self.params, &self.projects, lane), now, wall);
            // Its host may be another.
            let health = self.apply_pause(lane, now).or(health);
            self.store_health(lane, health);
            self.count_transition(lane, before);
        }
        self.scheduler.requeue(now);
    }

    /// All lanes, by number.
    pub(in crate::deliver) fn sorted_lanes(&self) -> Vec<LaneNo> {
        let mut lanes: Vec<LaneNo> = self.scheduler.lanes().map(|(no, _)| *no).collect();
        lanes.sort_unstable();
        lanes
    }

    /// Stores a lane's health, where it changed.
    pub(in crate::deliver) fn store_health(&self, lane: LaneNo, changed: Option<LaneHealth>) {
        let Some(health) = changed else { return };
        self.log_health(lane, &health);
        self.params.spool.submit(Op::SetHealth { lane, health }, |_| {});
    }

    pub(in crate::deliver) fn log_health(&self, lane: LaneNo, health: &LaneHealth) {
        let (project, callback) = (self.project(lane), lane.callback());
        let LaneHealth { paused, without_webhook, .. } = health;
        let reason = paused.as_ref().map(|paused| paused.reason.as_str());
        let has_webhook = without_webhook.is_none();
        tracing::info!(project, %callback, paused = reason, has_webhook, "lane health changed");
    }

    /// Submits failed writes again, discards the records of orphaned lanes, and makes room.
    pub(in crate::deliver) fn housekeep(&mut self) {
        let now = self.now();
        self.submit_again(now);
        if now.since(self.housekept_at) < HOUSEKEEP_EVERY || self.failed {
            return;
        }
        self.housekept_at = now;
        self.refresh_surges(now);
        if now.since(self.ticked_at) >= TICK_EVERY {
            self.ticked_at = now;
            self.params.spool.submit(Op::Tick(now), |_| {});
            self.discard_orphaned(now);
        }
        let room = self.params.spool.room();
        if room != Room::Open && !self.cancel_newest(now) {
            let presses = room == Room::Full;
            let piece = self.params.spool_bytes_max / 16;
            if let Some(lane) =
                self.scheduler.largest_unhealthy(presses).filter(|lane| self.scheduler.lease(*lane, now))
            {
                self.perform(Action::GiveUp(lane, GiveUp::Bytes(piece, DeadReason::SpoolFull)), now);
            }
        }
    }

    /// Discards the records of lanes that have had no webhook for as long as records are kept.
    fn discard_orphaned(&mut self, now: Uptime) {
        let wall = self.params.clock.wall();
        let mut orphaned: Vec<LaneNo> = self
            .scheduler
            .lanes()
            .filter(|(_, lane)| lane.is_orphaned(wall, self.params.retain))
            .map(|(no, _)| *no)
            .collect();
        orphaned.sort_unstable();
        orphaned.into_iter().for_each(|lane| self.discard(lane, now));
    }

    pub(in crate::deliver) fn give_up(
        &mut self,
        lane: LaneNo,
        what: GiveUp,
        now: Uptime,
    ) -> Result<(), SpoolError> {
        let Some(state) = self.scheduler.lane(lane) else { return Ok(()) };
        let subscription = self.lane_reader.subscription();
        // A batch is given up whole.
        let cut_through = |through: Seq| {
            state.batches().iter().find(|batch| batch.first <= through && through < batch.last)
        };
        let (through, reason) = match what {
            GiveUp::Bytes(bytes, reason) => {
                let with = |batch: &Batch| batch.last;
                let through = subscription.seq_freeing(lane, state.cursor(), bytes)?;
                (through.map(|through| cut_through(through).map_or(through, with)), reason)
            }
            GiveUp::SpooledBy(by) => {
                let without = |batch: &Batch| Seq(batch.first.0.saturating_sub(1));
                let through = subscription.last_spooled_by(lane, by)?;
                (through.map(|through| cut_through(through).map_or(through, without)), DeadReason::GivenUp)
            }
        };
        let Some(through) = through.filter(|through| *through > state.cursor()) else {
            self.scheduler.end_lease(lane, now);
            return Ok(());
        };
        let op = Op::GiveUp { lane, through, reason, at: self.params.clock.wall() };
        self.submit(op, PendingWrite::GiveUp { lane, through, reason: Some(reason) });
        Ok(())
    }

    fn discard(&mut self, lane: LaneNo, now: Uptime) {
        if !self.scheduler.lease(lane, now) {
            return;
        }
        match self.lane_reader.subscription().last_spooled_by(lane, Uptime(u64::MAX >> 1)) {
            Ok(Some(through)) => {
                let (project, callback) = (self.project(lane), lane.callback());
                tracing::warn!(project, %callback, "its webhook was removed longer than `spool.retain` ago: its records are discarded");
                self.submit(
                    Op::Discard { lane, through },
                    PendingWrite::GiveUp { lane, through, reason: None },
                );
            }
            Ok(None) => self.scheduler.end_lease(lane, now),
            Err(error) => self.not_written(lane, error, now),
        }
    }

    /// Why a lane is paused, or which limit it waits for.
    fn reason(&self, no: LaneNo, lane: &Lane, now: Uptime) -> Option<String> {
        let paused = lane.health().paused.as_ref().map(|paused| paused.reason.clone());
        let limit = || match self.scheduler.limit_reached(no, now)? {
            Limit::Host => Some(format!("a limit of the host {} is reached", lane.host())),
            Limit::Webhook(_) => {
                Some("its webhook's `requests_per_second` or `in_flight_max` is reached".to_owned())
            }
        };
        paused.or_else(limit)
    }

    pub(in crate::deliver) fn view(&self, now: Uptime) -> Vec<LaneView> {
        let lanes = self.scheduler.lanes();
        let mut views: Vec<LaneView> = lanes.map(|(no, lane)| self.view_of_lane(*no, lane, now)).collect();
        views.sort_by(|a, b| (&a.project, a.lane).cmp(&(&b.project, b.lane)));
        views
    }

    pub(in crate::deliver) fn counts(&self, now: Uptime) -> LaneCounts {
        let mut counts = LaneCounts::default();
        for (_, lane) in self.scheduler.lanes() {
            let condition = lane.condition();
            if let Some((_, count)) = counts.lanes.iter_mut().find(|(known, _)| *known == condition) {
                *count += 1;
            }
            counts.oldest = counts.oldest.max(lane.oldest().map(|oldest| now.since(oldest)));
        }
        counts
    }

    pub(in crate::deliver) fn view_of(&self, lanes: &[LaneNo], now: Uptime) -> Vec<LaneView> {
        let view = |no: &LaneNo| Some(self.view_of_lane(*no, self.scheduler.lane(*no)?, now));
        lanes.iter().filter_map(view).collect()
    }

    fn view_of_lane(&self, no: LaneNo, lane: &Lane, now: Uptime) -> LaneView {
        LaneView {
            lane: no,
            project: self.project(no).to_owned(),
            has_webhook: lane.webhook().is_some(),
            host: lane.host().clone(),
            state: lane.condition(),
            cursor: lane.cursor(),
            in_flight: lane.phase() == Phase::InFlight,
            sending: lane.batch_in_flight(),
            pending_records: lane.pending_records(),
            pending_bytes: lane.pending_bytes(),
            replay_ranges: lane.replays().len(),
            oldest: lane.oldest().map(|oldest| now.since(oldest)),
            failures: lane.health().failures,
            next_attempt: lane.health().retry_at.map(|at| at.since(now)),
            last_success: lane.succeeded_at().map(|at| now.since(at)),
            last_outcome: lane.last_outcome(),
            reason: self.reason(no, lane, now),
            paused_by: lane.health().paused.as_ref().map(|paused| paused.by),
            since: lane.health().unhealthy_for(now, self.params.clock.wall()),
            gives_up_in: lane.gives_up_in(now),
            status: lane.health().last_failure.and_then(|failure| failure.status),
            cause: lane.cause(),
        }
    }
}
