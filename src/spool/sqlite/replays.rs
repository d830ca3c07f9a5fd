//! Replays: settled records that are sent again, a range of numbers a lane.
//!
//! 1. A replay enters all its lanes in one transaction, and only where nothing was removed since its
//!    ranges were read.
//! 2. What a running range still needs stays: age waits for it, only its cancellation ends that.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use uuid::Uuid;

use super::batches::{open_batches, update_batch};
use super::error::failed;
use super::row_bytes::RowBytes;
use super::store::Store;
use crate::record::{LaneNo, Seq};
use crate::spool::attempt::{Attempted, Fate};
use crate::spool::batch::{Batch, BatchState};
use crate::spool::error::SpoolError;
use crate::spool::ops::Done;
use crate::spool::replay::{LaneReplay, NewReplay, Replay, ReplayNo, ReplayState};
use crate::spool::rules::{self, AttemptedBatch};
use crate::time::Timestamp;

impl LaneReplay {
    pub(super) fn row_bytes(&self) -> RowBytes {
        let Self { replay, lane, first, last, cursor, records, sent, refused } = self;
        RowBytes::of("replay_range")
            .number(replay.0)
            .number(lane.0)
            .number(first.0)
            .number(last.0)
            .number(cursor.0)
            .number(*records)
            .number(*sent)
            .number(*refused)
    }

    fn sum(&self) -> i64 {
        self.row_bytes().sum()
    }

    pub(super) fn write(&self, connection: &Connection, running: bool) -> rusqlite::Result<()> {
        connection
            .prepare_cached(&format!(
                "INSERT OR REPLACE INTO replay_range ({RANGE_COLUMNS}) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
            ))?
            .execute(params![
                self.replay.0.cast_signed(),
                self.lane.0.cast_signed(),
                self.first.0.cast_signed(),
                self.last.0.cast_signed(),
                self.cursor.0.cast_signed(),
                self.records.cast_signed(),
                self.sent.cast_signed(),
                self.refused.cast_signed(),
                running,
                self.sum(),
            ])?;
        Ok(())
    }
}

impl Replay {
    pub(super) fn row_bytes(&self) -> RowBytes {
        let Self { no, id, request, requested_at, rate, state, ended_at } = self;
        RowBytes::of("replay")
            .number(no.0)
            .bytes(id.as_bytes())
            .text(request)
            .signed(requested_at.0)
            .option(*rate, |row, rate| row.number(rate.into()))
            .text(state.name())
            .option(*ended_at, |row, at| row.signed(at.0))
    }

    fn sum(&self) -> i64 {
        self.row_bytes().sum()
    }

    fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection
            .prepare_cached(&format!(
                "INSERT OR REPLACE INTO replay ({REPLAY_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
            ))?
            .execute(params![
                self.no.0.cast_signed(),
                self.id.as_bytes(),
                self.request,
                self.requested_at.0,
                self.rate,
                self.state as u8,
                self.ended_at.map(|at| at.0),
                self.sum(),
            ])?;
        Ok(())
    }
}

impl Store {
    pub(super) fn begin_replay(&mut self, new: &NewReplay) -> Result<Done, SpoolError> {
        let cursor = |lane| self.lanes.get(&lane).map(|row| row.cursor);
        if !rules::enter_replay(new, self.meta.low_watermark, cursor)? {
            return Ok(Done::Outdated);
        }
        let last: i64 =
            self.one("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'replay'", [])?;
        let no = ReplayNo(last.cast_unsigned() + 1);
        let replay = Replay {
            no,
            id: new.id,
            request: new.request.clone(),
            requested_at: new.requested_at,
            rate: new.rate,
            state: ReplayState::Running,
            ended_at: None,
        };
        replay.write(&self.connection).map_err(failed)?;
        for range in &new.ranges {
            LaneReplay { replay: no, ..*range }.write(&self.connection, true).map_err(failed)?;
        }
        Ok(Done::Replaying(no))
    }

    pub(super) fn cancel_replay(&mut self, replay: ReplayNo, at: Timestamp) -> Result<Done, SpoolError> {
        let found = find_replay(&self.connection, replay)?;
        let cancelled = found.and_then(|found| rules::cancel_replay(found, at));
        let Some(cancelled) = cancelled else { return Ok(Done::Ok) };
        cancelled.write(&self.connection).map_err(failed)?;
        let no = [replay.0.cast_signed()];
        self.execute("UPDATE replay_range SET is_running = 0 WHERE replay = ?1", no)?;
        self.execute("UPDATE batch SET state = 3 WHERE state = 0 AND replay = ?1", no)?;
        Ok(Done::Ok)
    }

    /// The range of `replay` in `lane` that is at work.
    pub(super) fn running_range(
        &self,
        lane: LaneNo,
        replay: ReplayNo,
    ) -> Result<Option<LaneReplay>, SpoolError> {
        let ranges = running_ranges(&self.connection, lane).map_err(failed)?.ok_or_else(damaged)?;
        Ok(ranges.into_iter().map(|(range, _)| range).find(|range| range.replay == replay))
    }

    pub(super) fn replay_attempted(
        &mut self,
        attempted: &Attempted,
        (batch, state): (Batch, BatchState),
        replay: ReplayNo,
    ) -> Result<Done, SpoolError> {
        if state != BatchState::Open {
            // The replay was cancelled while the request was on the wire.
            self.log_attempt(attempted)?;
            self.lane(batch.lane, batch.first).health = attempted.health.clone();
            return Ok(Done::Ok);
        }
        let AttemptedBatch { batch, .. } =
            rules::attempted(attempted, self.batches_of(batch.lane, Some(replay))?)?;
        let batch = Batch { attempts: attempted.log.number, ..batch };
        let range = self.running_range(batch.lane, replay)?;
        let (range, state) = rules::range_after(range, &batch, attempted)?;
        self.log_attempt(attempted)?;
        self.lane(batch.lane, batch.first).health = attempted.health.clone();
        update_batch(&self.connection, &batch, state).map_err(failed)?;
        if attempted.fate == Fate::Failed {
            return Ok(Done::Ok);
        }
        range.write(&self.connection, range.cursor < range.last).map_err(failed)?;
        if range.cursor >= range.last {
            self.end_replay(replay, attempted)?;
        }
        Ok(Done::Ok)
    }

    fn end_replay(&self, replay: ReplayNo, with: &Attempted) -> Result<(), SpoolError> {
        let left: i64 = self.one(
            "SELECT count(*) FROM replay_range WHERE replay = ?1 AND is_running = 1",
            [replay.0.cast_signed()],
        )?;
        let found = find_replay(&self.connection, replay)?;
        match found.and_then(|found| rules::end_replay(found, left.cast_unsigned(), with)) {
            Some(done) => done.write(&self.connection).map_err(failed),
            None => Ok(()),
        }
    }

    /// Replays that ended before `cutoff` are forgotten.
    pub(super) fn remove_old_replays(&self, cutoff: Timestamp) -> Result<(), SpoolError> {
        let ended = "SELECT no FROM replay WHERE state <> 0 AND ended_at < ?1";
        self.execute(&format!("DELETE FROM replay_range WHERE replay IN ({ended})"), [cutoff.0])?;
        self.execute("DELETE FROM replay WHERE state <> 0 AND ended_at < ?1", [cutoff.0])
    }

    pub(super) fn is_replaying(&self) -> Result<bool, SpoolError> {
        self.one("SELECT EXISTS (SELECT 1 FROM replay_range WHERE is_running = 1)", [])
    }
}

/// What running replays send of a lane, in order. `None`: something is not as it was written.
pub(super) fn running_ranges(
    connection: &Connection,
    lane: LaneNo,
) -> rusqlite::Result<Option<Vec<(LaneReplay, Vec<Batch>)>>> {
    let ranges: Option<Vec<LaneReplay>> = connection
        .prepare_cached(&format!(
            "SELECT {RANGE_COLUMNS} FROM replay_range WHERE lane = ?1 AND is_running = 1 ORDER BY replay, first"
        ))?
        .query_map([lane.0.cast_signed()], read_part)?
        .collect::<rusqlite::Result<_>>()?;
    let Some(ranges) = ranges else { return Ok(None) };
    let mut all: Vec<(LaneReplay, Vec<Batch>)> = Vec::with_capacity(ranges.len());
    for range in ranges {
        // Batches are cut of the first range alone.
        let is_first = all.last().is_none_or(|(before, _)| before.replay != range.replay);
        let batches =
            if is_first { open_batches(connection, lane, Some(range.replay))? } else { Some(vec![]) };
        let Some(batches) = batches else { return Ok(None) };
        all.push((range, batches));
    }
    Ok(Some(all))
}

/// All replays, the newest first.
pub(super) fn all_replays(connection: &Connection) -> Result<Vec<Replay>, SpoolError> {
    let mut found = connection
        .prepare_cached(&format!("SELECT {REPLAY_COLUMNS} FROM replay ORDER BY no DESC"))
        .map_err(failed)?;
    let rows: Option<Vec<Replay>> =
        found.query_map([], read_replay).and_then(Iterator::collect).map_err(failed)?;
    rows.ok_or_else(damaged)
}

/// The ranges of a replay, ended ones included.
pub(super) fn ranges_of(connection: &Connection, replay: ReplayNo) -> Result<Vec<LaneReplay>, SpoolError> {
    let mut found = connection
        .prepare_cached(&format!(
            "SELECT {RANGE_COLUMNS} FROM replay_range WHERE replay = ?1 ORDER BY lane, first"
        ))
        .map_err(failed)?;
    let rows: Option<Vec<LaneReplay>> =
        found.query_map([replay.0.cast_signed()], read_part).and_then(Iterator::collect).map_err(failed)?;
    rows.ok_or_else(damaged)
}

pub(super) fn find_replay(connection: &Connection, replay: ReplayNo) -> Result<Option<Replay>, SpoolError> {
    let found = connection
        .prepare_cached(&format!("SELECT {REPLAY_COLUMNS} FROM replay WHERE no = ?1"))
        .and_then(|mut found| found.query_row([replay.0.cast_signed()], read_replay).optional())
        .map_err(failed)?;
    found.map(|replay| replay.ok_or_else(damaged)).transpose()
}

fn read_replay(row: &Row<'_>) -> rusqlite::Result<Option<Replay>> {
    let replay = Replay {
        no: ReplayNo(row.get::<_, i64>(0)?.cast_unsigned()),
        id: Uuid::from_bytes(row.get(1)?),
        request: row.get(2)?,
        requested_at: Timestamp(row.get(3)?),
        rate: row.get(4)?,
        state: match row.get::<_, i64>(5)? {
            0 => ReplayState::Running,
            1 => ReplayState::Done,
            2 => ReplayState::Cancelled,
            _ => return Ok(None),
        },
        ended_at: row.get::<_, Option<i64>>(6)?.map(Timestamp),
    };
    Ok((replay.sum() == row.get::<_, i64>(7)?).then_some(replay))
}

fn read_part(row: &Row<'_>) -> rusqlite::Result<Option<LaneReplay>> {
    let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
    let range = LaneReplay {
        replay: ReplayNo(number(0)?),
        lane: LaneNo(number(1)?),
        first: Seq(number(2)?),
        last: Seq(number(3)?),
        cursor: Seq(number(4)?),
        records: number(5)?,
        sent: number(6)?,
        refused: number(7)?,
    };
    Ok((range.sum() == row.get::<_, i64>(9)?).then_some(range))
}

fn damaged() -> SpoolError {
    SpoolError::Damaged("a replay".into())
}

/// In the order in which they are written and read.
const REPLAY_COLUMNS: &str = "no, id, request, requested_at, rate, state, ended_at, sum";
const RANGE_COLUMNS: &str = "replay, lane, first, last, cursor, records, sent, refused, is_running, sum";
