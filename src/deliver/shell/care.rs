//! What is looked after besides requests: which lanes may send, what is given up, what is shown.

use super::outcomes::Unwritten;
use super::{Event, LOOK_AROUND_EVERY, Shell, TICK_EVERY, webhook_of};
use crate::deliver::dispatch::Action;
use crate::deliver::handle::LaneView;
use crate::deliver::lane::{GiveUp, Phase};
use crate::record::{LaneNo, Seq};
use crate::spool::{Batch, DeadReason, LaneHealth, Op, Room, SpoolError};
use crate::time::Uptime;

impl Shell {
    /// Gives every lane the webhook that answers for it now, and notes since when there is none.
    pub(super) fn route_all(&mut self) {
        let (now, wall) = (self.now(), self.params.clock.wall());
        let mut lanes: Vec<LaneNo> = self.dispatch.lanes().map(|(no, _)| *no).collect();
        lanes.sort_unstable();
        for lane in lanes {
            let health = self.dispatch.routed(lane, webhook_of(&self.params, lane), now, wall);
            self.stands(lane, health);
        }
    }

    pub(super) fn pause(&mut self, lane: LaneNo, reason: &str, now: Uptime) {
        self.know(lane, self.params.last_seq, now);
        let health = self.dispatch.pause(lane, reason.to_owned(), now);
        self.stands(lane, health);
    }

    pub(super) fn resume(&mut self, lane: LaneNo, now: Uptime) {
        let health = self.dispatch.resume(lane, now);
        self.stands(lane, health);
    }

    /// Writes a lane's standing down, where it changed.
    fn stands(&self, lane: LaneNo, changed: Option<LaneHealth>) {
        let Some(health) = changed else { return };
        let (project, callback) = (self.project(lane), lane.callback());
        let LaneHealth { paused, without_webhook, .. } = &health;
        let reason = paused.as_ref().map(|(_, reason)| reason.as_str());
        let has_webhook = without_webhook.is_none();
        tracing::info!(project, %callback, paused = reason, has_webhook, "a lane stands otherwise");
        self.params.spool.submit(Op::SetHealth { lane, health }, |_| {});
    }

    /// Writes to be tried again, lanes without a webhook, room.
    pub(super) fn look_around(&mut self) {
        let now = self.now();
        let again: Vec<_> = self.unwritten.extract_if(.., |(at, _)| *at <= now).collect();
        for (_, what) in again {
            match what {
                Unwritten::Cancel(replay) => self.cancel_replay(replay, None, now),
                Unwritten::Outcome(write) => self.write(write),
                Unwritten::Redelivered(write) => self.write_redelivered(write),
            }
        }
        if now.since(self.looked_at) < LOOK_AROUND_EVERY || self.failed {
            return;
        }
        self.looked_at = now;
        if now.since(self.ticked_at) >= TICK_EVERY {
            self.ticked_at = now;
            self.params.spool.submit(Op::Tick(now), |_| {});
        }
        let wall = self.params.clock.wall();
        let mut forsaken: Vec<LaneNo> = self
            .dispatch
            .lanes()
            .filter(|(_, lane)| lane.forsaken(wall, self.params.retain))
            .map(|(no, _)| *no)
            .collect();
        forsaken.sort_unstable();
        forsaken.into_iter().for_each(|lane| self.discard(lane, now));
        let room = self.params.spool.room();
        if room != Room::Open && !self.cancel_newest(now) {
            let presses = room == Room::Full;
            let piece = self.params.spool_bytes_max / 16;
            if let Some(lane) =
                self.dispatch.largest_ailing(presses).filter(|lane| self.dispatch.seize(*lane, now))
            {
                self.perform(Action::GiveUp(lane, GiveUp::Bytes(piece, DeadReason::SpoolFull)), now);
            }
        }
    }

    pub(super) fn give_up(&mut self, lane: LaneNo, what: GiveUp, now: Uptime) -> Result<(), SpoolError> {
        let Some(state) = self.dispatch.lane(lane) else { return Ok(()) };
        let reader = self.heads.reader();
        // A batch is given up whole.
        let cut_through =
            |through: Seq| state.batches.iter().find(|batch| batch.first <= through && through < batch.last);
        let (through, reason) = match what {
            GiveUp::Bytes(bytes, reason) => {
                let with = |batch: &Batch| batch.last;
                let through = reader.seq_freeing(lane, state.cursor, bytes)?;
                (through.map(|through| cut_through(through).map_or(through, with)), reason)
            }
            GiveUp::SpooledBy(by) => {
                let without = |batch: &Batch| Seq(batch.first.0.saturating_sub(1));
                let through = reader.last_spooled_by(lane, by)?;
                (through.map(|through| cut_through(through).map_or(through, without)), DeadReason::GivenUp)
            }
        };
        let known = through.map(|through| through.min(self.params.last_seq));
        let Some(through) = known.filter(|through| *through > state.cursor) else {
            self.dispatch.unseize(lane, now);
            return Ok(());
        };
        let events = self.events.clone();
        let op = Op::GiveUp { lane, through, reason, at: self.params.clock.wall() };
        self.params.spool.submit(op, move |written| {
            let _ = events.send(Event::GaveUp { lane, through, reason: Some(reason), written });
        });
        Ok(())
    }

    fn discard(&mut self, lane: LaneNo, now: Uptime) {
        if !self.dispatch.seize(lane, now) {
            return;
        }
        match self.heads.reader().last_spooled_by(lane, Uptime(u64::MAX >> 1)) {
            Ok(Some(through)) => {
                let through = through.min(self.params.last_seq);
                let (project, callback) = (self.project(lane), lane.callback());
                tracing::warn!(project, %callback, "its webhook was removed longer than `spool.retain` ago: its records are discarded");
                let events = self.events.clone();
                self.params.spool.submit(Op::Discard { lane, through }, move |written| {
                    let _ = events.send(Event::GaveUp { lane, through, reason: None, written });
                });
            }
            Ok(None) => self.dispatch.unseize(lane, now),
            Err(error) => self.not_written(lane, error, now),
        }
    }

    pub(super) fn view(&self, now: Uptime) -> Vec<LaneView> {
        let mut views: Vec<LaneView> = self
            .dispatch
            .lanes()
            .map(|(no, lane)| LaneView {
                lane: *no,
                project: self.project(*no).to_owned(),
                has_webhook: lane.webhook.is_some(),
                state: lane.condition(),
                cursor: lane.cursor,
                in_flight: lane.phase == Phase::InFlight,
                pending_records: lane.pending_records,
                pending_bytes: lane.pending_bytes,
                replay_parts: lane.parts.len(),
                oldest: lane.oldest.map(|oldest| now.since(oldest)),
                failures: lane.health.failures,
                next_attempt: lane.health.retry_at.map(|at| at.since(now)),
                last_outcome: lane.last_outcome,
                reason: lane.health.paused.as_ref().map(|(_, reason)| reason.clone()),
            })
            .collect();
        views.sort_by(|a, b| (&a.project, a.lane).cmp(&(&b.project, b.lane)));
        views
    }
}
