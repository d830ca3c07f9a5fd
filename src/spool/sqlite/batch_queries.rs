//! Lists of batches, the newest first: each filter is answered from the index that names fewest batches, and a
//! page ends after a bounded number of rows.

use rusqlite::{OptionalExtension as _, params};
use uuid::Uuid;

use super::batches::{COLUMNS, find_batch, read_batch_and_state};
use super::error::failed;
use super::reader::SqliteReader;
use crate::outcome::OutcomeKind;
use crate::record::{LaneNo, Seq};
use crate::spool::batch::{Batch, BatchId, BatchState};
use crate::spool::batch_query::{AttemptFilter, BatchPage, BatchQuery, least_id};
use crate::spool::error::SpoolError;

/// Where the ids of a list come from.
enum Source<'a> {
    All,
    Dead,
    DeadOfLanes(&'a [LaneNo]),
    /// Those with an attempt that ended so.
    Failed(Vec<(String, Option<u16>)>),
    OfLanes(&'a [LaneNo]),
    Open,
    OpenOfLanes(&'a [LaneNo]),
}

impl Source<'_> {
    /// Ids that are read together. Open batches are in the order of lanes, and sorted at each read.
    fn at_once(&self) -> u32 {
        if matches!(self, Self::Open) { EXAMINED_MAX } else { AT_ONCE }
    }
}

impl SqliteReader {
    /// A page of batches, all read in one view.
    pub(super) fn find_batches(&self, query: &BatchQuery) -> Result<BatchPage, SpoolError> {
        let _one_view = self.connection.unchecked_transaction().map_err(failed)?;
        let source = self.source(query)?;
        let least = query.since.map_or(Uuid::nil(), least_id);
        let until = query.until.map(least_id);
        let mut below = until.into_iter().chain(query.before).min().unwrap_or(Uuid::max());
        let (mut found, mut examined) = (Vec::new(), 0);
        loop {
            let ids = self.ids_below(&source, below)?;
            let is_last = ids.len() < source.at_once() as usize;
            for id in ids {
                if id < least {
                    return Ok(BatchPage { batches: found, next: None });
                }
                if let Some((batch, state)) = find_batch(&self.connection, &id)?
                    && self.is_wanted(query, &batch, state)?
                {
                    if found.len() >= query.limit {
                        return Ok(BatchPage { batches: found, next: Some(below) });
                    }
                    found.push((batch, state));
                }
                below = id;
                examined += 1;
            }
            if is_last {
                return Ok(BatchPage { batches: found, next: None });
            }
            if examined >= EXAMINED_MAX {
                return Ok(BatchPage { batches: found, next: Some(below) });
            }
        }
    }

    /// The batches that hold a record: the one that was cut of it, replaced ones, and those of replays. The newest
    /// first.
    pub(super) fn find_batches_holding(
        &self,
        lane: LaneNo,
        seq: Seq,
    ) -> Result<Vec<(Batch, BatchState)>, SpoolError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM batch INDEXED BY batch_of_lane WHERE lane = ?1 AND last >= ?2 ORDER BY last LIMIT {HOLDING_ROWS}"
        );
        let mut found = self.connection.prepare_cached(&sql).map_err(failed)?;
        let numbers = [lane.0.cast_signed(), seq.0.cast_signed()];
        let rows = found.query_map(numbers, read_batch_and_state).map_err(failed)?;
        let mut holding = Vec::new();
        for row in rows {
            let batch = row.map_err(failed)?.ok_or_else(|| SpoolError::Damaged("a batch".into()))?;
            if batch.0.first <= seq {
                holding.push(batch);
            }
        }
        holding.sort_unstable_by_key(|(batch, _)| std::cmp::Reverse(batch.id));
        Ok(holding)
    }

    fn is_wanted(&self, query: &BatchQuery, batch: &Batch, state: BatchState) -> Result<bool, SpoolError> {
        let is_of_lane = query.lanes.as_ref().is_none_or(|lanes| lanes.contains(&batch.lane));
        let is_of_callback = query.callback.is_none_or(|callback| callback == batch.lane.callback());
        if !is_of_lane || !is_of_callback || query.state.is_some_and(|wanted| wanted != state) {
            return Ok(false);
        }
        query.attempt.map_or(Ok(true), |filter| self.has_attempt(&batch.id, filter))
    }

    fn has_attempt(&self, batch: &BatchId, filter: AttemptFilter) -> Result<bool, SpoolError> {
        let mut found = self
            .connection
            .prepare_cached("SELECT outcome, status FROM attempt WHERE batch = ?1")
            .map_err(failed)?;
        let mut rows = found.query([batch.as_bytes()]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let name: String = row.get(0).map_err(failed)?;
            if is_like(&name, row.get(1).map_err(failed)?, filter) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn source<'a>(&self, query: &'a BatchQuery) -> Result<Source<'a>, SpoolError> {
        let lanes = query.lanes.as_deref();
        match (query.state, lanes) {
            (Some(BatchState::Open), Some(lanes)) => return Ok(Source::OpenOfLanes(lanes)),
            (Some(BatchState::DeadLetter), Some(lanes)) => return Ok(Source::DeadOfLanes(lanes)),
            _ => {}
        }
        let failed = match query.attempt.filter(|filter| !filter.may_succeed()) {
            Some(filter) => Some(self.failures(filter)?),
            None => None,
        };
        Ok(match (failed, query.state, lanes) {
            (Some(failed), _, None) => Source::Failed(failed),
            (Some(failed), _, Some(lanes)) => {
                if self.are_few(&failed)? {
                    Source::Failed(failed)
                } else {
                    Source::OfLanes(lanes)
                }
            }
            (None, Some(BatchState::Open), None) => Source::Open,
            (None, Some(BatchState::DeadLetter), None) => Source::Dead,
            (None, _, Some(lanes)) => Source::OfLanes(lanes),
            (None, _, None) => Source::All,
        })
    }

    /// The ways in which attempts on record failed, of those that the filter takes: one step of the index each.
    pub(super) fn failures(&self, filter: AttemptFilter) -> Result<Vec<(String, Option<u16>)>, SpoolError> {
        let mut next_status = self
            .connection
            .prepare_cached(
                "SELECT outcome, status FROM attempt INDEXED BY attempt_failed WHERE outcome <> 'delivered' \
                 AND outcome = ?1 AND status > ?2 ORDER BY outcome, status LIMIT 1",
            )
            .map_err(failed)?;
        let mut next_outcome = self
            .connection
            .prepare_cached(
                "SELECT outcome, status FROM attempt INDEXED BY attempt_failed WHERE outcome <> 'delivered' \
                 AND outcome > ?1 ORDER BY outcome, status LIMIT 1",
            )
            .map_err(failed)?;
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, Option<u16>>(1)?));
        let (mut found, mut last): (Vec<(String, Option<u16>)>, _) = (Vec::new(), (String::new(), None));
        loop {
            let status = i64::from(last.1.map_or(-1, i32::from));
            let step = next_status.query_row(params![last.0, status], read).optional().map_err(failed)?;
            let step = match step {
                None => next_outcome.query_row([&last.0], read).optional().map_err(failed)?,
                some => some,
            };
            let Some(step) = step else { return Ok(found) };
            if is_like(&step.0, step.1, filter) {
                found.push(step.clone());
            }
            last = step;
        }
    }

    /// Whether so few attempts failed in these ways that each may be looked at.
    fn are_few(&self, failures: &[(String, Option<u16>)]) -> Result<bool, SpoolError> {
        let mut many = self
            .connection
            .prepare_cached(
                "SELECT 1 FROM attempt INDEXED BY attempt_failed WHERE outcome <> 'delivered' \
                 AND outcome = ?1 AND status IS ?2 LIMIT 1 OFFSET ?3",
            )
            .map_err(failed)?;
        for (outcome, status) in failures {
            if many.exists(params![outcome, status, EXAMINED_MAX / 2]).map_err(failed)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The next ids of a source, the newest first: fewer than [`AT_ONCE`] where there are no more.
    fn ids_below(&self, source: &Source<'_>, below: BatchId) -> Result<Vec<BatchId>, SpoolError> {
        let of_lanes = |lanes: &[LaneNo], sql: &str| {
            let of = |lane: &LaneNo| self.ids(sql, params![below.as_bytes(), AT_ONCE, lane.0.cast_signed()]);
            newest(lanes.iter().map(of))
        };
        match source {
            Source::All => {
                self.ids("SELECT id FROM batch WHERE id < ?1 ORDER BY id DESC LIMIT ?2", params![below.as_bytes(), AT_ONCE])
            }
            Source::Dead => self.ids(
                "SELECT id FROM batch INDEXED BY batch_dead WHERE state = 2 AND id < ?1 ORDER BY id DESC LIMIT ?2",
                params![below.as_bytes(), AT_ONCE],
            ),
            Source::Open => self.ids(
                "SELECT id FROM batch INDEXED BY batch_open WHERE state = 0 AND id < ?1 ORDER BY id DESC LIMIT ?2",
                params![below.as_bytes(), source.at_once()],
            ),
            Source::Failed(failures) => newest(failures.iter().map(|(outcome, status)| {
                self.ids(
                    "SELECT DISTINCT batch FROM attempt INDEXED BY attempt_failed WHERE outcome <> 'delivered' \
                     AND outcome = ?3 AND status IS ?4 AND batch < ?1 ORDER BY batch DESC LIMIT ?2",
                    params![below.as_bytes(), AT_ONCE, outcome, status],
                )
            })),
            Source::OfLanes(lanes) => of_lanes(
                lanes,
                "SELECT id FROM batch INDEXED BY batch_of_lane_by_id WHERE lane = ?3 AND id < ?1 ORDER BY id DESC LIMIT ?2",
            ),
            Source::OpenOfLanes(lanes) => of_lanes(
                lanes,
                "SELECT id FROM batch INDEXED BY batch_open WHERE lane = ?3 AND state = 0 AND id < ?1 ORDER BY id DESC LIMIT ?2",
            ),
            Source::DeadOfLanes(lanes) => of_lanes(
                lanes,
                "SELECT id FROM batch INDEXED BY batch_dead_of_lane WHERE lane = ?3 AND state = 2 AND id < ?1 ORDER BY id DESC LIMIT ?2",
            ),
        }
    }

    fn ids(&self, sql: &str, values: impl rusqlite::Params) -> Result<Vec<BatchId>, SpoolError> {
        let mut found = self.connection.prepare_cached(sql).map_err(failed)?;
        let ids = found.query_map(values, |row| row.get(0).map(Uuid::from_bytes));
        ids.and_then(Iterator::collect).map_err(failed)
    }
}

/// The newest of several lists, each in order: a batch once.
fn newest(lists: impl Iterator<Item = Result<Vec<BatchId>, SpoolError>>) -> Result<Vec<BatchId>, SpoolError> {
    let mut all = lists.collect::<Result<Vec<_>, _>>()?.concat();
    all.sort_unstable_by(|a, b| b.cmp(a));
    all.dedup();
    all.truncate(AT_ONCE as usize);
    Ok(all)
}

fn is_like(outcome: &str, status: Option<u16>, filter: AttemptFilter) -> bool {
    outcome.parse::<OutcomeKind>().is_ok_and(|outcome| filter.matches(outcome, status))
}

/// Ids that are read together.
const AT_ONCE: u32 = 256;
/// Batches that one page looks at.
const EXAMINED_MAX: u32 = 4_000;
/// Batches that end behind a record and may hold it.
const HOLDING_ROWS: u32 = 512;
