//! Batches and their attempts, as they were logged.

use rusqlite::params;

use super::lanes::BatchState;
use super::ops::{Batch, BatchId};
use super::reader::Reader;
use super::replays::find_batch;
use super::store::{SpoolError, failed};
use crate::time::Timestamp;

/// A request that was on the wire, as it was logged.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptRow {
    /// 1, 2, …
    pub number: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub took_micros: u64,
    /// The answer's status, where there was one.
    pub status: Option<u16>,
    /// `delivered`, or the word for what went wrong.
    pub outcome: String,
    /// The error's sentence, or the beginning of the answer.
    pub detail: Option<String>,
}

impl Reader {
    /// A batch, whatever has become of it.
    pub fn batch(&self, id: &BatchId) -> Result<Option<Batch>, SpoolError> {
        let found: Option<(Batch, BatchState)> = find_batch(&self.connection, id)?;
        Ok(found.map(|(batch, _)| batch))
    }

    /// The attempts of a batch that are still remembered, in order.
    pub fn attempts(&self, batch: &BatchId) -> Result<Vec<AttemptRow>, SpoolError> {
        let mut found = self
            .connection
            .prepare_cached(
                "SELECT number, started_at, took_micros, status, outcome, detail FROM attempt WHERE batch = ?1 ORDER BY no",
            )
            .map_err(failed)?;
        let rows = found.query_map(params![batch.as_bytes()], |row| {
            Ok(AttemptRow {
                number: row.get(0)?,
                started_at: Timestamp(row.get(1)?),
                took_micros: row.get::<_, i64>(2)?.cast_unsigned(),
                status: row.get(3)?,
                outcome: row.get(4)?,
                detail: row.get(5)?,
            })
        });
        rows.and_then(Iterator::collect).map_err(failed)
    }
}
