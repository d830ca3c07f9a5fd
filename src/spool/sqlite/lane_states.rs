//! Lanes as they are read: each with its open batches, running replays and oldest record.

use rusqlite::Connection;

use super::batches::open_batches;
use super::dead_letters::has_redeliveries;
use super::error::failed;
use super::lanes::{LaneRow, read_lanes};
use super::replays::running_ranges;
use crate::record::{LaneNo, Seq};
use crate::spool::error::SpoolError;
use crate::spool::lane::LaneState;
use crate::time::{Timestamp, Uptime};

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
    let Some(ranges) = running_ranges(connection, lane)? else { return Ok(None) };
    let redeliveries = has_redeliveries(connection, lane)?;
    let oldest = connection
        .prepare_cached("SELECT spooled_at, spooled_uptime FROM chunk WHERE lane = ?1 AND last > ?2 ORDER BY last LIMIT 1")?
        .query_map([lane.0.cast_signed(), row.cursor.0.cast_signed()], |chunk| {
            Ok((Timestamp(chunk.get(0)?), Uptime(chunk.get::<_, i64>(1)?.cast_unsigned())))
        })?
        .next()
        .transpose()?;
    // Nothing is pending: nothing is behind the cursor.
    let last: Option<i64> = match oldest {
        None => None,
        Some(_) => connection
            .prepare_cached("SELECT max(last) FROM chunk WHERE lane = ?1")?
            .query_row([lane.0.cast_signed()], |found| found.get(0))?,
    };
    let LaneRow { cursor, pending_records, pending_bytes, health } = row;
    Ok(Some(LaneState {
        lane,
        cursor,
        last: last.map_or(cursor, |last| Seq(last.cast_unsigned())),
        pending_records,
        pending_bytes,
        oldest,
        batches,
        health,
        ranges,
        redeliveries,
    }))
}
