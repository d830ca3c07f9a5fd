//! Attempts, as they were logged.

use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};

use super::cost::attempt_cost;
use super::error::failed;
use super::store::Store;
use crate::outcome::OutcomeKind;
use crate::spool::attempt::{Attempted, LoggedAttempt};
use crate::spool::batch::BatchId;
use crate::spool::error::SpoolError;
use crate::time::Timestamp;

impl Store {
    pub(super) fn log_attempt(&mut self, attempted: &Attempted) -> Result<(), SpoolError> {
        self.execute(
            "INSERT INTO attempt (batch, number, started_at, took_micros, status, outcome, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                attempted.batch.as_bytes(),
                attempted.number,
                attempted.started_at.0,
                attempted.took_micros.cast_signed(),
                attempted.status,
                attempted.outcome.name(),
                attempted.detail,
            ],
        )?;
        self.meta.live_bytes += attempt_cost(attempted.detail.as_ref().map_or(0, String::len));
        Ok(())
    }
}

/// A name that no version knows is damage.
fn outcome(row: &Row<'_>) -> rusqlite::Result<OutcomeKind> {
    let name: String = row.get(4)?;
    name.parse().map_err(|error| rusqlite::Error::FromSqlConversionFailure(4, Type::Text, Box::new(error)))
}

/// The attempts of a batch that are still remembered, in order.
pub(super) fn attempts_of(
    connection: &Connection,
    batch: &BatchId,
) -> Result<Vec<LoggedAttempt>, SpoolError> {
    let sql = "SELECT number, started_at, took_micros, status, outcome, detail FROM attempt WHERE batch = ?1 ORDER BY no";
    let mut found = connection.prepare_cached(sql).map_err(failed)?;
    let rows = found.query_map(params![batch.as_bytes()], |row| {
        Ok(LoggedAttempt {
            number: row.get(0)?,
            started_at: Timestamp(row.get(1)?),
            took_micros: row.get::<_, i64>(2)?.cast_unsigned(),
            status: row.get(3)?,
            outcome: outcome(row)?,
            detail: row.get(5)?,
        })
    });
    rows.and_then(Iterator::collect).map_err(failed)
}
