//! The engine: operations in, one transaction, their results out.

use std::path::Path;

use super::batches::update_batch;
use super::dead_letters::redelivery_batches;
use super::error::{failed, location, open_failed};
use super::lane_states::lane_state;
use super::lanes::{LaneRow, read_lanes};
use super::meta::{read_meta, write_meta};
use super::replays::running_ranges;
use super::schema::{self, FileState};
use super::store::Store;
use crate::failpoint::{self, Side};
use crate::outcome::OutcomeKind;
use crate::position::{Lsn, Position};
use crate::record::{LaneNo, Seq};
use crate::spool::attempt::{Attempted, Fate, LoggedAttempt};
use crate::spool::batch::{Batch, BatchState};
use crate::spool::engine::{Contents, Engine, RetentionStep};
use crate::spool::error::{OpenError, SpoolError};
use crate::spool::group::Group;
use crate::spool::lane::{LaneHealth, LaneState};
use crate::spool::meta::LowWatermark;
use crate::spool::ops::{Done, Op, Room};
use crate::spool::rules::{self, AttemptedBatch};
use crate::time::Timestamp;

impl Store {
    /// Opens or makes the file. A batch found unsettled at the head of its lane counts as one lost
    /// attempt. Returns what the file was.
    pub(super) fn open(
        folder: &Path,
        bytes_max: u64,
        now: Timestamp,
    ) -> Result<(Self, FileState), OpenError> {
        let path = folder.join(schema::FILE_NAME);
        let damaged = |what: String| OpenError::Damaged { location: location(&path), what };
        let sql = |error: rusqlite::Error| damaged(error.to_string());
        let (connection, found) = schema::open(folder)?;
        let mut store = Self::new(connection, bytes_max);
        if found == FileState::Nothing {
            write_meta(&store.connection, &store.meta).map_err(open_failed(&path))?;
            return Ok((store, found));
        }
        store.meta =
            read_meta(&store.connection).map_err(sql)?.ok_or_else(|| damaged("the meta row".into()))?;
        let lanes = read_lanes(&store.connection).map_err(sql)?.ok_or_else(|| damaged("a lane".into()))?;
        store.lanes = lanes.into_iter().collect();
        store.count_lost_attempts(now).map_err(|error| OpenError::of(location(&path), &error))?;
        Ok((store, found))
    }

    pub(super) fn contents(&self, is_new: bool) -> Result<Contents, SpoolError> {
        Ok(Contents {
            facts: self.facts()?,
            projects: self.projects()?,
            position: self.meta.position,
            last_seq: self.meta.last_seq,
            uptime: self.meta.uptime,
            lanes: self.lane_states()?,
            is_new,
        })
    }

    fn count_lost_attempts(&mut self, now: Timestamp) -> Result<(), SpoolError> {
        let mut lanes: Vec<LaneNo> = self.lanes.keys().copied().collect();
        lanes.sort_unstable();
        self.begin()?;
        for lane in lanes {
            let ranges = running_ranges(&self.connection, lane).map_err(failed)?;
            let ranges = ranges.ok_or_else(|| SpoolError::Damaged("a replay".into()))?;
            let of_replay = ranges.into_iter().find_map(|(_, batches)| batches.into_iter().next());
            // At most one of them was in flight, and the lane's own go first.
            let own = self.batches(lane)?;
            let health = self.lanes.get(&lane).map(|row| row.health.clone()).unwrap_or_default();
            let found = if own.is_empty() { of_replay } else { self.lost_in_flight(&health, own, now)? };
            let open = found.map(|batch| (batch, BatchState::Open));
            // One redelivery may have been in flight as well; which one is not known.
            let due = redelivery_batches(&self.connection, lane)?;
            let due = due.iter().map(|id| self.batch(id)).collect::<Result<Vec<_>, _>>()?;
            for (batch, state) in open.into_iter().chain(due.into_iter().flatten()) {
                self.count_lost_attempt(batch, state, now)?;
            }
        }
        self.commit()
    }

    /// The batch of a lane that was in flight. It may have been taken: records before it that were refused
    /// alone become dead letters.
    fn lost_in_flight(
        &mut self,
        health: &LaneHealth,
        open: Vec<Batch>,
        now: Timestamp,
    ) -> Result<Option<Batch>, SpoolError> {
        let Some(batch) = rules::in_flight(health, &open) else { return Ok(None) };
        let lost = lost_attempt(&batch, now);
        let AttemptedBatch { refused_before, batch } = rules::attempted(&lost, open)?;
        for refused in &refused_before {
            self.refused(refused, now)?;
        }
        if !refused_before.is_empty() {
            self.lane(batch.lane, batch.first).health.batches_given_up();
        }
        Ok(Some(batch))
    }

    fn count_lost_attempt(
        &mut self,
        batch: Batch,
        state: BatchState,
        now: Timestamp,
    ) -> Result<(), SpoolError> {
        let batch = Batch { attempts: batch.attempts + 1, ..batch };
        update_batch(&self.connection, &batch, state).map_err(failed)?;
        self.log_attempt(&lost_attempt(&batch, now))
    }

    fn apply_all(&mut self, ops: Vec<Op>) -> Vec<Result<Done, SpoolError>> {
        let count = ops.len();
        if let Err(error) = self.begin() {
            return vec![Err(error); count];
        }
        let mut all = Vec::with_capacity(count);
        let edges: Vec<&'static str> = ops.iter().map(Op::edge).collect();
        for op in ops {
            // A refused operation is refused before it changes anything.
            all.push(self.perform(op));
            if let Some(Err(
                error @ (SpoolError::DiskFull | SpoolError::Unknown(_) | SpoolError::Damaged(_)),
            )) = all.last()
            {
                let error = error.clone();
                self.roll_back();
                return undone(all, count, &error);
            }
        }
        edges.iter().for_each(|edge| failpoint::reach(edge, Side::Before));
        if let Err(error) = self.commit() {
            self.roll_back();
            return undone(all, count, &error);
        }
        edges.iter().for_each(|edge| failpoint::reach(edge, Side::After));
        all
    }

    fn perform(&mut self, op: Op) -> Result<Done, SpoolError> {
        match op {
            Op::Attempted(attempted) => self.attempted(&attempted),
            Op::CancelReplay { replay, at } => self.cancel_replay(replay, at),
            Op::Commit(group) => self.commit_group(&group),
            Op::Cut(batch) => self.cut(&batch),
            Op::CutDead { dead, batch } => self.cut_dead(dead, &batch),
            Op::DiscardDead { dead } => self.discard_dead(&dead),
            Op::Redeliver { dead, id } => self.redeliver(&dead, id),
            Op::Redelivered { dead, attempted } => self.redelivered(dead, &attempted),
            Op::Replay(replay) => self.begin_replay(&replay),
            Op::Discard { lane, through } => self.discard(lane, through),
            Op::GiveUp { lane, through, reason, at } => self.give_up(lane, through, reason, at),
            Op::Audit { entry, limit } => self.add_audit(entry, limit),
            Op::SetCredentials { put, remove } => self.set_credentials(&put, &remove),
            Op::SetWebhooks { changes, at } => self.set_webhooks(&changes, at),
            Op::Skip { lane, through } => self.skip(lane, through),
            Op::Retire { batch, successors } => self.retire(batch, &successors),
            Op::SetHealth { lane, health } => {
                let next = Seq(self.meta.last_seq.0 + 1);
                self.lane(lane, next).health = health;
                Ok(Done::Ok)
            }
            Op::Tick(uptime) => {
                self.meta.uptime = self.meta.uptime.max(uptime);
                Ok(Done::Ok)
            }
        }
    }

    fn commit_group(&mut self, group: &Group) -> Result<Done, SpoolError> {
        for chunk in &group.chunks {
            self.add_chunk(chunk)?;
        }
        for (no, name) in &group.projects {
            self.add_project(*no, name)?;
        }
        self.write_shadow(&group.shadow)?;
        for (fact, value) in &group.facts {
            self.write_fact(*fact, value.as_deref())?;
        }
        let grown = |size: u64, by: i64| size.saturating_add_signed(by);
        self.meta.shadow_documents = grown(self.meta.shadow_documents, group.growth.documents);
        self.meta.shadow_bytes = grown(self.meta.shadow_bytes, group.growth.bytes);
        if let (None, Some(begun), Some(at)) = (self.meta.position, group.position, group.taken_at) {
            // A first start ended: what can be replayed begins with its snapshot's records.
            let position = Position { commit: Lsn(begun.resume_lsn.0.saturating_sub(1)), number: 0 };
            let before = Timestamp(at.0.saturating_sub(1));
            self.meta.low_watermark.get_or_insert(LowWatermark { seq: Seq(0), position, at: before });
        }
        if let Some(position) = group.position {
            self.meta.position = Some(position);
        }
        Ok(Done::Committed(self.room))
    }

    pub(super) fn lane_states(&self) -> Result<Vec<LaneState>, SpoolError> {
        let state = |(lane, row): (&LaneNo, &LaneRow)| {
            let state = lane_state(&self.connection, *lane, row.clone()).map_err(failed)?;
            state.ok_or_else(|| SpoolError::Damaged("a batch".into()))
        };
        let mut states = self.lanes.iter().map(state).collect::<Result<Vec<_>, _>>()?;
        states.sort_unstable_by_key(|state| state.lane);
        Ok(states)
    }
}

impl Engine for Store {
    fn apply(&mut self, ops: Vec<Op>) -> Vec<Result<Done, SpoolError>> {
        self.apply_all(ops)
    }

    fn sweep(&mut self, cutoff: Timestamp) -> Result<RetentionStep, SpoolError> {
        self.sweep_once(cutoff)
    }

    fn release_memory(&self) {
        schema::release_memory(&self.connection);
    }

    fn is_near(&self) -> bool {
        self.is_nearly_full()
    }

    fn room(&self) -> Room {
        self.room
    }

    fn take_changed(&mut self) -> Vec<(LaneNo, Seq)> {
        std::mem::take(&mut self.moved_cursors)
    }
}

/// An attempt during which the process ended.
fn lost_attempt(batch: &Batch, now: Timestamp) -> Attempted {
    Attempted {
        batch: batch.id,
        lane: batch.lane,
        log: LoggedAttempt::new(batch.attempts, now, OutcomeKind::Lost),
        fate: Fate::Failed,
        health: LaneHealth::default(),
    }
}

/// The results of `count` operations of a transaction that was rolled back.
fn undone(
    mut done: Vec<Result<Done, SpoolError>>,
    count: usize,
    error: &SpoolError,
) -> Vec<Result<Done, SpoolError>> {
    for result in done.iter_mut().filter(|result| !matches!(result, Err(SpoolError::Refused(_)))) {
        *result = Err(error.clone());
    }
    done.resize(count, Err(error.clone()));
    done
}
