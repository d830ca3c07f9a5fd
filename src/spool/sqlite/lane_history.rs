//! Attempts of one lane, from the index of its batches: the newest first, and a bounded number of rows.

use rusqlite::{Connection, params};
use uuid::Uuid;

use super::error::failed;
use crate::outcome::OutcomeKind;
use crate::spool::batch::BatchId;
use crate::spool::batch_query::{cut_at, least_id};
use crate::spool::error::SpoolError;
use crate::spool::lane_history::{FailedAttempt, HistoryQuery, LaneHistory};
use crate::time::Timestamp;

/// What was attempted for a lane. A batch that was delivered at its first attempt is read from its own row: the
/// attempts of the others are read one by one.
pub(super) fn lane_history(connection: &Connection, query: &HistoryQuery) -> Result<LaneHistory, SpoolError> {
    let (lane, least) = (query.lane.0.cast_signed(), least_id(query.since));
    let (mut history, mut rows) = (LaneHistory::default(), 0);
    // An old batch that is not settled yet is attempted now.
    let mut open = connection
        .prepare_cached(
            "SELECT id FROM batch INDEXED BY batch_open WHERE lane = ?1 AND state = 0 AND id < ?2",
        )
        .map_err(failed)?;
    let ids = open.query_map(params![lane, least.as_bytes()], id);
    let ids: Vec<BatchId> = ids.and_then(Iterator::collect).map_err(failed)?;
    for id in ids {
        rows += push_attempts(connection, query, id, &mut history)?;
    }
    let mut newest = connection
        .prepare_cached(
            "SELECT id, state = 1 AND attempts <= 1 FROM batch INDEXED BY batch_of_lane_by_id \
             WHERE lane = ?1 AND id >= ?2 ORDER BY id DESC",
        )
        .map_err(failed)?;
    let mut found = newest.query(params![lane, least.as_bytes()]).map_err(failed)?;
    while let Some(row) = found.next().map_err(failed)? {
        let (batch, at_once) = (id(row).map_err(failed)?, row.get::<_, bool>(1).map_err(failed)?);
        let at = cut_at(batch);
        if rows >= query.rows_max {
            history.complete_since = Some(at);
            break;
        }
        rows += 1;
        if at_once {
            history.push(FailedAttempt { batch, at, outcome: OutcomeKind::Delivered, status: None });
        } else {
            rows += push_attempts(connection, query, batch, &mut history)?;
        }
    }
    Ok(history)
}

/// Returns how many there are.
fn push_attempts(
    connection: &Connection,
    query: &HistoryQuery,
    batch: BatchId,
    history: &mut LaneHistory,
) -> Result<usize, SpoolError> {
    let mut attempts = connection
        .prepare_cached(
            "SELECT started_at, outcome, status FROM attempt WHERE batch = ?1 ORDER BY no DESC LIMIT ?2",
        )
        .map_err(failed)?;
    let most = i64::try_from(query.rows_max).unwrap_or(i64::MAX);
    let mut found = attempts.query(params![batch.as_bytes(), most]).map_err(failed)?;
    let mut rows = 0;
    while let Some(row) = found.next().map_err(failed)? {
        rows += 1;
        let at = Timestamp(row.get(0).map_err(failed)?);
        let name: String = row.get(1).map_err(failed)?;
        let outcome = name.parse().map_err(|_| SpoolError::Damaged("an attempt".into()))?;
        if at < query.since {
            break;
        }
        history.push(FailedAttempt { batch, at, outcome, status: row.get(2).map_err(failed)? });
    }
    Ok(rows)
}

fn id(row: &rusqlite::Row<'_>) -> rusqlite::Result<BatchId> {
    row.get::<_, [u8; 16]>(0).map(Uuid::from_bytes)
}
