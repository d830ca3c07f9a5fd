//! Lanes as rows.

use rusqlite::{Connection, Row, params};

use super::lane_policy::LanePolicy;
use super::row_bytes::RowBytes;
use crate::record::{Callback, LaneNo, ProjectNo, Seq};
use crate::spool::lane::{LaneHealth, Pause};
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
    /// Format 1 had no `policy`: it enters the bytes only where there is one.
    pub(super) fn row_bytes(&self, lane: LaneNo, policy: Option<&str>) -> RowBytes {
        let LaneHealth { failures, failing_since, retry_at, paused, without_webhook, .. } = &self.health;
        let bytes = RowBytes::of("lane")
            .number(lane.0)
            .number(lane.project().0.into())
            .text(lane.callback().name())
            .number(self.cursor.0)
            .number(self.pending_records)
            .number(self.pending_bytes)
            .number((*failures).into())
            .option(*failing_since, |row, since| row.number(since.0))
            .option(*retry_at, |row, at| row.number(at.0))
            .option(paused.as_ref(), |row, paused| row.number(paused.since.0).text(&paused.reason))
            .option(*without_webhook, |row, since| row.signed(since.0));
        match policy {
            Some(policy) => bytes.text(policy),
            None => bytes,
        }
    }

    pub(super) fn write(&self, connection: &Connection, lane: LaneNo) -> rusqlite::Result<()> {
        let LaneHealth { failures, failing_since, retry_at, paused, without_webhook, .. } = &self.health;
        let policy = LanePolicy::of(&self.health).to_json();
        let uptime = |at: &Option<Uptime>| at.map(|at| at.0.cast_signed());
        connection.prepare_cached(WRITE)?.execute(params![
            lane.0.cast_signed(),
            lane.project().0,
            lane.callback().name(),
            self.cursor.0.cast_signed(),
            self.pending_records.cast_signed(),
            self.pending_bytes.cast_signed(),
            failures,
            uptime(failing_since),
            uptime(retry_at),
            paused.as_ref().map(|paused| paused.since.0.cast_signed()),
            paused.as_ref().map(|paused| &paused.reason),
            without_webhook.map(|since| since.0),
            self.row_bytes(lane, policy.as_deref()).sum(),
            policy,
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
        let json: Option<String> = row.get(13)?;
        let Some(policy) = LanePolicy::from_json(json.as_deref()) else { return Ok(None) };
        let LanePolicy { failure, paused_by: by, size_limit, refusals, replay_refusals } = policy;
        let paused = uptime(9)?.zip(row.get::<_, Option<String>>(10)?);
        let read = Self {
            cursor: Seq(number(3)?),
            pending_records: number(4)?,
            pending_bytes: number(5)?,
            health: LaneHealth {
                failures: row.get(6)?,
                failing_since: uptime(7)?,
                retry_at: uptime(8)?,
                last_failure: failure,
                paused: paused.map(|(since, reason)| Pause { since, reason, by }),
                without_webhook: row.get::<_, Option<i64>>(11)?.map(Timestamp),
                size_limit,
                refusals,
                replay_refusals,
            },
        };
        let is_as_written =
            lane == key && read.row_bytes(lane, json.as_deref()).sum() == row.get::<_, i64>(12)?;
        Ok(is_as_written.then_some((lane, read)))
    }
}

/// All lanes, in the order of their numbers. `None`: one is not as it was written.
pub(super) fn read_lanes(connection: &Connection) -> rusqlite::Result<Option<Vec<(LaneNo, LaneRow)>>> {
    connection
        .prepare(&format!("SELECT {COLUMNS} FROM lane ORDER BY no"))?
        .query_map([], LaneRow::read)?
        .collect()
}

/// A row that is there is updated in its place: `REPLACE` would remove and add its entry of the index as well.
const WRITE: &str = "INSERT INTO lane (no, project, callback, cursor, pending_records, pending_bytes, failures, \
     failing_since_uptime, retry_uptime, paused_uptime, paused_reason, without_webhook_at, sum, policy) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) \
     ON CONFLICT (no) DO UPDATE SET cursor = ?4, pending_records = ?5, pending_bytes = ?6, failures = ?7, \
     failing_since_uptime = ?8, retry_uptime = ?9, paused_uptime = ?10, paused_reason = ?11, \
     without_webhook_at = ?12, sum = ?13, policy = ?14";
/// In the order in which they are read.
const COLUMNS: &str = "no, project, callback, cursor, pending_records, pending_bytes, failures, failing_since_uptime, \
     retry_uptime, paused_uptime, paused_reason, without_webhook_at, sum, policy";
