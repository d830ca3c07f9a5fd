//! Batches as rows.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::error::failed;
use super::row_bytes::RowBytes;
use crate::record::{LaneNo, Seq};
use crate::spool::batch::{Batch, BatchId, BatchState};
use crate::spool::error::SpoolError;
use crate::spool::replay::ReplayNo;
use crate::time::Timestamp;

/// A batch in any state.
pub(super) fn find_batch(
    connection: &Connection,
    id: &BatchId,
) -> Result<Option<(Batch, BatchState)>, SpoolError> {
    let found = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM batch WHERE id = ?1"))
        .and_then(|mut found| found.query_row([id.as_bytes()], read_batch_and_state).optional())
        .map_err(failed)?;
    found.map(|batch| batch.ok_or_else(|| SpoolError::Damaged("a batch".into()))).transpose()
}

/// The last batch that was cut of a lane's pending records, in any state.
pub(super) fn last_batch(connection: &Connection, lane: LaneNo) -> Result<Option<Batch>, SpoolError> {
    let sql = "WHERE lane = ?1 AND replay IS NULL AND state != 3 ORDER BY last DESC LIMIT 1";
    let found = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM batch {sql}"))
        .and_then(|mut found| found.query_row([lane.0.cast_signed()], read_batch).optional())
        .map_err(failed)?;
    found.map(|batch| batch.ok_or_else(|| SpoolError::Damaged("a batch".into()))).transpose()
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
            "SELECT {COLUMNS} FROM batch WHERE lane = ?1 AND state = 0 AND replay IS ?2 ORDER BY first"
        ))?
        .query_map(params![lane.0.cast_signed(), replay.map(|replay| replay.0.cast_signed())], read_batch)?
        .collect()
}

/// A new batch.
pub(super) fn insert_batch(
    connection: &Connection,
    batch: &Batch,
    state: BatchState,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(&format!(
            "INSERT INTO batch ({COLUMNS}) \
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

/// Its attempts and state: nothing else of a batch changes. Indexes that have neither are not touched.
pub(super) fn update_batch(
    connection: &Connection,
    batch: &Batch,
    state: BatchState,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE batch SET attempts = ?2, state = ?3 WHERE id = ?1")?
        .execute(params![batch.id.as_bytes(), batch.attempts, state as u8])?;
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
fn read_batch(row: &Row<'_>) -> rusqlite::Result<Option<Batch>> {
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

/// The fields that never change. The count of attempts does: a wrong one causes no wrong request body.
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
pub(super) const COLUMNS: &str =
    "id, lane, first, last, records, body_bytes, body_sum, cut_at, epoch, attempts, state, replay, sum";
