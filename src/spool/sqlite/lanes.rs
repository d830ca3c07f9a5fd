//! Lanes and batches as rows.

use rusqlite::{Connection, Row, params};

use super::dead_letters::has_redeliveries;
use super::replays::running_ranges;
use super::row_bytes::RowBytes;
use super::store::failed;
use crate::record::{Callback, LaneNo, ProjectNo, Seq};
use crate::spool::batch::{Batch, BatchState};
use crate::spool::error::SpoolError;
use crate::spool::ops::{LaneHealth, LaneState};
use crate::spool::replay::ReplayNo;
use crate::time::{Timestamp, Uptime};

/// A lane without its batches, as the writer holds it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct LaneRow {
    pub(super) cursor: Seq,
    pub(super) pending_records: u64,
    pub(super) pending_bytes: u64,
    pub(super) health: LaneHealth,
}

impl LaneRow {
    pub(super) fn row_bytes(&self, lane: LaneNo) -> RowBytes {
        let LaneHealth { failures, failing_since, retry_at, paused, without_webhook } = &self.health;
        RowBytes::of("lane")
            .number(lane.0)
            .number(lane.project().0.into())
            .text(lane.callback().name())
            .number(self.cursor.0)
            .number(self.pending_records)
            .number(self.pending_bytes)
            .number((*failures).into())
            .option(*failing_since, |row, since| row.number(since.0))
            .option(*retry_at, |row, at| row.number(at.0))
            .option(paused.as_ref(), |row, (since, reason)| row.number(since.0).text(reason))
            .option(*without_webhook, |row, since| row.signed(since.0))
    }

    fn sum(&self, lane: LaneNo) -> i64 {
        self.row_bytes(lane).sum()
    }

    pub(super) fn write(&self, connection: &Connection, lane: LaneNo) -> rusqlite::Result<()> {
        let LaneHealth { failures, failing_since, retry_at, paused, without_webhook } = &self.health;
        let uptime = |at: &Option<Uptime>| at.map(|at| at.0.cast_signed());
        connection
            .prepare_cached(&format!(
                "INSERT OR REPLACE INTO lane ({LANE_COLUMNS}) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
            ))?
            .execute(params![
                lane.0.cast_signed(),
                lane.project().0,
                lane.callback().name(),
                self.cursor.0.cast_signed(),
                self.pending_records.cast_signed(),
                self.pending_bytes.cast_signed(),
                failures,
                uptime(failing_since),
                uptime(retry_at),
                paused.as_ref().map(|(since, _)| since.0.cast_signed()),
                paused.as_ref().map(|(_, reason)| reason),
                without_webhook.map(|since| since.0),
                self.sum(lane),
            ])?;
        Ok(())
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Option<(LaneNo, Self)>> {
        let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
        let uptime = |at: usize| {
            Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(at)?.map(|at| Uptime(at.cast_unsigned())))
        };
        let (key, project) = (LaneNo(number(0)?), ProjectNo(row.get(1)?));
        let Ok(callback) = row.get::<_, String>(2)?.parse::<Callback>() else { return Ok(None) };
        let lane = LaneNo::new(project, callback);
        let paused = uptime(9)?.zip(row.get::<_, Option<String>>(10)?);
        let read = Self {
            cursor: Seq(number(3)?),
            pending_records: number(4)?,
            pending_bytes: number(5)?,
            health: LaneHealth {
                failures: row.get(6)?,
                failing_since: uptime(7)?,
                retry_at: uptime(8)?,
                paused,
                without_webhook: row.get::<_, Option<i64>>(11)?.map(Timestamp),
            },
        };
        let is_as_written = lane == key && read.sum(lane) == row.get::<_, i64>(12)?;
        Ok(is_as_written.then_some((lane, read)))
    }
}

/// All lanes, in the order of their numbers. `None`: one is not as it was written.
pub(super) fn read_lanes(connection: &Connection) -> rusqlite::Result<Option<Vec<(LaneNo, LaneRow)>>> {
    connection
        .prepare(&format!("SELECT {LANE_COLUMNS} FROM lane ORDER BY no"))?
        .query_map([], LaneRow::read)?
        .collect()
}

/// Every lane.
pub(super) fn all_lanes(connection: &Connection) -> Result<Vec<LaneState>, SpoolError> {
    let damaged = || SpoolError::Damaged("a lane".into());
    let rows = read_lanes(connection).map_err(failed)?.ok_or_else(damaged)?;
    let state = |(lane, row): (LaneNo, LaneRow)| {
        lane_state(connection, lane, row).map_err(failed)?.ok_or_else(damaged)
    };
    rows.into_iter().map(state).collect()
}

/// A lane with its batches and the age of its oldest record.
pub(super) fn lane_state(
    connection: &Connection,
    lane: LaneNo,
    row: LaneRow,
) -> rusqlite::Result<Option<LaneState>> {
    let Some(batches) = open_batches(connection, lane, None)? else { return Ok(None) };
    let Some(parts) = running_ranges(connection, lane)? else { return Ok(None) };
    let redeliveries = has_redeliveries(connection, lane)?;
    let oldest = connection
        .prepare_cached("SELECT spooled_at, spooled_uptime FROM chunk WHERE lane = ?1 AND last > ?2 ORDER BY last LIMIT 1")?
        .query_map([lane.0.cast_signed(), row.cursor.0.cast_signed()], |chunk| {
            Ok((Timestamp(chunk.get(0)?), Uptime(chunk.get::<_, i64>(1)?.cast_unsigned())))
        })?
        .next()
        .transpose()?;
    let LaneRow { cursor, pending_records, pending_bytes, health } = row;
    Ok(Some(LaneState {
        lane,
        cursor,
        pending_records,
        pending_bytes,
        oldest,
        batches,
        health,
        parts,
        redeliveries,
    }))
}

/// The batches of a lane, or of what a replay sends of it, that are not settled, in order. `None`: one
/// is not as it was written.
pub(super) fn open_batches(
    connection: &Connection,
    lane: LaneNo,
    replay: Option<ReplayNo>,
) -> rusqlite::Result<Option<Vec<Batch>>> {
    connection
        .prepare_cached(&format!(
            "SELECT {BATCH_COLUMNS} FROM batch WHERE lane = ?1 AND state = 0 AND replay IS ?2 ORDER BY first"
        ))?
        .query_map(params![lane.0.cast_signed(), replay.map(|replay| replay.0.cast_signed())], read_batch)?
        .collect()
}

pub(super) fn write_batch(connection: &Connection, batch: &Batch, state: BatchState) -> rusqlite::Result<()> {
    connection
        .prepare_cached(&format!(
            "INSERT OR REPLACE INTO batch ({BATCH_COLUMNS}) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
        ))?
        .execute(params![
            batch.id.as_bytes(),
            batch.lane.0.cast_signed(),
            batch.first.0.cast_signed(),
            batch.last.0.cast_signed(),
            batch.records,
            batch.body_bytes.cast_signed(),
            batch.body_sum.cast_signed(),
            batch.cut_at.0,
            batch.epoch.as_bytes(),
            batch.attempts,
            state as u8,
            batch.replay.map(|replay| replay.0.cast_signed()),
            batch_bytes(batch).sum(),
        ])?;
    Ok(())
}

/// `None`: it is not as it was written.
pub(super) fn read_batch_and_state(row: &Row<'_>) -> rusqlite::Result<Option<(Batch, BatchState)>> {
    let state = match row.get::<_, i64>(10)? {
        0 => BatchState::Open,
        1 => BatchState::Delivered,
        2 => BatchState::DeadLetter,
        _ => BatchState::Retired,
    };
    Ok(read_batch(row)?.map(|batch| (batch, state)))
}

/// `None`: it is not as it was written.
pub(super) fn read_batch(row: &Row<'_>) -> rusqlite::Result<Option<Batch>> {
    let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
    let batch = Batch {
        id: uuid::Uuid::from_bytes(row.get(0)?),
        lane: LaneNo(number(1)?),
        first: Seq(number(2)?),
        last: Seq(number(3)?),
        records: row.get(4)?,
        body_bytes: number(5)?,
        body_sum: number(6)?,
        cut_at: Timestamp(row.get(7)?),
        epoch: uuid::Uuid::from_bytes(row.get(8)?),
        attempts: row.get(9)?,
        replay: row.get::<_, Option<i64>>(11)?.map(|no| ReplayNo(no.cast_unsigned())),
    };
    Ok((batch_bytes(&batch).sum() == row.get::<_, i64>(12)?).then_some(batch))
}

/// Of all that never changes. The count of attempts does, and a wrong one sends nothing wrong.
pub(super) fn batch_bytes(batch: &Batch) -> RowBytes {
    RowBytes::of("batch")
        .bytes(batch.id.as_bytes())
        .number(batch.lane.0)
        .number(batch.first.0)
        .number(batch.last.0)
        .number(batch.records.into())
        .number(batch.body_bytes)
        .number(batch.body_sum)
        .bytes(batch.epoch.as_bytes())
        .option(batch.replay, |row, replay| row.number(replay.0))
}

/// In the order in which they are written and read.
const LANE_COLUMNS: &str = "no, project, callback, cursor, pending_records, pending_bytes, failures, failing_since_uptime, \
     retry_uptime, paused_uptime, paused_reason, without_webhook_at, sum";
pub(super) const BATCH_COLUMNS: &str =
    "id, lane, first, last, records, body_bytes, body_sum, cut_at, epoch, attempts, state, replay, sum";
