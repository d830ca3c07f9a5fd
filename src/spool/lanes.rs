//! Lanes and batches as rows.

use rusqlite::{Connection, Row, params};
use xxhash_rust::xxh3::Xxh3;

use super::dead::dead_asked;
use super::ops::{Batch, LaneHealth, LaneState};
use super::replays::{ReplayNo, running_parts};
use crate::record::{LaneNo, Seq};
use crate::time::{Timestamp, Uptime};

/// What a batch has come to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum BatchState {
    Open = 0,
    Delivered = 1,
    Dead = 2,
    Retired = 3,
}

/// A lane without its batches, as the writer holds it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct LaneRow {
    pub(super) cursor: Seq,
    pub(super) pending_records: u64,
    pub(super) pending_bytes: u64,
    pub(super) health: LaneHealth,
}

impl LaneRow {
    fn sum(&self, lane: LaneNo) -> i64 {
        let mut hash = Xxh3::new();
        let LaneHealth { failures, failing_since, retry_at, paused, without_webhook } = &self.health;
        hash.update(
            format!(
                "{lane:?} {:?} {} {} {failures} {failing_since:?} {retry_at:?} {paused:?} {without_webhook:?}",
                self.cursor, self.pending_records, self.pending_bytes
            )
            .as_bytes(),
        );
        hash.digest().cast_signed()
    }

    pub(super) fn write(&self, connection: &Connection, lane: LaneNo) -> rusqlite::Result<()> {
        let LaneHealth { failures, failing_since, retry_at, paused, without_webhook } = &self.health;
        let running = |at: &Option<Uptime>| at.map(|at| at.0.cast_signed());
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO lane VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                lane.0.cast_signed(),
                self.cursor.0.cast_signed(),
                self.pending_records.cast_signed(),
                self.pending_bytes.cast_signed(),
                failures,
                running(failing_since),
                running(retry_at),
                paused.as_ref().map(|(since, _)| since.0.cast_signed()),
                paused.as_ref().map(|(_, reason)| reason),
                without_webhook.map(|since| since.0),
                self.sum(lane),
            ])?;
        Ok(())
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Option<(LaneNo, Self)>> {
        let number = |at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
        let running = |at: usize| {
            Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(at)?.map(|at| Uptime(at.cast_unsigned())))
        };
        let lane = LaneNo(number(0)?);
        let paused = running(7)?.zip(row.get::<_, Option<String>>(8)?);
        let read = Self {
            cursor: Seq(number(1)?),
            pending_records: number(2)?,
            pending_bytes: number(3)?,
            health: LaneHealth {
                failures: row.get(4)?,
                failing_since: running(5)?,
                retry_at: running(6)?,
                paused,
                without_webhook: row.get::<_, Option<i64>>(9)?.map(Timestamp),
            },
        };
        Ok((read.sum(lane) == row.get::<_, i64>(10)?).then_some((lane, read)))
    }
}

/// All lanes, in the order of their numbers. `None`: one is not as it was written.
pub(super) fn read_lanes(connection: &Connection) -> rusqlite::Result<Option<Vec<(LaneNo, LaneRow)>>> {
    connection.prepare("SELECT * FROM lane ORDER BY no")?.query_map([], LaneRow::read)?.collect()
}

/// A lane with its batches and the age of its oldest record.
pub(super) fn lane_state(
    connection: &Connection,
    lane: LaneNo,
    row: LaneRow,
) -> rusqlite::Result<Option<LaneState>> {
    let Some(batches) = open_batches(connection, lane, None)? else { return Ok(None) };
    let Some(parts) = running_parts(connection, lane)? else { return Ok(None) };
    let redeliveries = dead_asked(connection, lane)?;
    let oldest = connection
        .prepare_cached("SELECT spooled_at, spooled_running FROM chunk WHERE lane = ?1 AND last > ?2 ORDER BY last LIMIT 1")?
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
        .prepare_cached("SELECT * FROM batch WHERE lane = ?1 AND state = 0 AND replay IS ?2 ORDER BY first")?
        .query_map(params![lane.0.cast_signed(), replay.map(|replay| replay.0.cast_signed())], read_batch)?
        .collect()
}

pub(super) fn write_batch(connection: &Connection, batch: &Batch, state: BatchState) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO batch VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
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
            batch_sum(batch),
        ])?;
    Ok(())
}

/// `None`: it is not as it was written.
pub(super) fn read_batch_and_state(row: &Row<'_>) -> rusqlite::Result<Option<(Batch, BatchState)>> {
    let state = match row.get::<_, i64>(10)? {
        0 => BatchState::Open,
        1 => BatchState::Delivered,
        2 => BatchState::Dead,
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
    Ok((batch_sum(&batch) == row.get::<_, i64>(12)?).then_some(batch))
}

/// Of all that never changes. The count of attempts does, and a wrong one sends nothing wrong.
fn batch_sum(batch: &Batch) -> i64 {
    let mut hash = Xxh3::new();
    hash.update(batch.id.as_bytes());
    hash.update(batch.epoch.as_bytes());
    let numbers = [
        batch.lane.0,
        batch.first.0,
        batch.last.0,
        u64::from(batch.records),
        batch.body_bytes,
        batch.body_sum,
        batch.replay.map_or(0, |replay| replay.0),
    ];
    numbers.iter().for_each(|number| hash.update(&number.to_le_bytes()));
    hash.digest().cast_signed()
}
