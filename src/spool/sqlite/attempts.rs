//! Attempts, as they were logged.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::cost::attempt_cost;
use super::error::failed;
use super::store::Store;
use crate::outcome::OutcomeKind;
use crate::spool::attempt::{Attempted, Exchange, LoggedAnswer, LoggedAttempt, Phase};
use crate::spool::batch::BatchId;
use crate::spool::error::SpoolError;
use crate::time::Timestamp;

/// The bytes of texts of an attempt's row.
pub(super) const TEXT_BYTES: &str = "coalesce(length(CAST(detail AS BLOB)), 0) + coalesce(length(CAST(headers AS BLOB)), 0) + coalesce(length(CAST(body AS BLOB)), 0)";

/// The bits of `connection`.
const REUSED: i64 = 1;
const PROXY: i64 = 2;

/// The most attempts that are kept.
pub(super) const ATTEMPTS_MAX: i64 = 1_000_000;

impl Store {
    pub(super) fn log_attempt(&mut self, attempted: &Attempted) -> Result<(), SpoolError> {
        let LoggedAttempt { number, started_at, took_micros, status, outcome, detail, exchange, next_at } =
            &attempted.log;
        let Exchange {
            dns_micros,
            connect_micros,
            tls_micros,
            first_byte_micros,
            peer,
            is_proxy,
            reused,
            phase,
            answer,
        } = exchange;
        let headers = answer.as_ref().map(|answer| answer.headers.as_str());
        let body = answer.as_ref().map(|answer| answer.body.as_str());
        let detail = detail.as_deref().filter(|detail| Some(*detail) != body.map(LoggedAnswer::beginning));
        self.execute(
            "INSERT INTO attempt (batch, number, started_at, took_micros, status, outcome, detail, dns_micros, connect_micros, tls_micros, first_byte_micros, peer, connection, phase, headers, body, next_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
            params![
                attempted.batch.as_bytes(),
                number,
                started_at.0,
                took_micros.cast_signed(),
                status,
                outcome.name(),
                detail,
                dns_micros.map(u64::cast_signed),
                connect_micros.map(u64::cast_signed),
                tls_micros.map(u64::cast_signed),
                first_byte_micros.map(u64::cast_signed),
                peer.map(|peer| peer.to_string()),
                Some(i64::from(*reused) * REUSED + i64::from(*is_proxy) * PROXY).filter(|bits| *bits != 0),
                phase.map(Phase::name),
                headers,
                body,
                next_at.map(|at| at.0),
            ],
        )?;
        let texts = [detail, headers, body];
        self.meta.live_bytes += attempt_cost(texts.into_iter().flatten().map(str::len).sum());
        Ok(())
    }
}

/// A name that no version knows is damage.
fn outcome(row: &Row<'_>) -> rusqlite::Result<OutcomeKind> {
    let name: String = row.get(4)?;
    name.parse().map_err(|error| rusqlite::Error::FromSqlConversionFailure(4, Type::Text, Box::new(error)))
}

fn logged(row: &Row<'_>) -> rusqlite::Result<LoggedAttempt> {
    let micros = |at: usize| row.get::<_, Option<i64>>(at).map(|micros| micros.map(i64::cast_unsigned));
    let peer: Option<String> = row.get(10)?;
    let connection = row.get::<_, Option<i64>>(11)?.unwrap_or_default();
    let phase: Option<String> = row.get(12)?;
    let body: Option<String> = row.get(14)?;
    let detail: Option<String> = row.get(5)?;
    let detail = detail.or_else(|| body.as_deref().map(|body| LoggedAnswer::beginning(body).to_owned()));
    let answer = match (row.get::<_, Option<String>>(13)?, body) {
        (None, None) => None,
        (headers, body) => {
            Some(LoggedAnswer { headers: headers.unwrap_or_default(), body: body.unwrap_or_default() })
        }
    };
    Ok(LoggedAttempt {
        number: row.get(0)?,
        started_at: Timestamp(row.get(1)?),
        took_micros: row.get::<_, i64>(2)?.cast_unsigned(),
        status: row.get(3)?,
        outcome: outcome(row)?,
        detail,
        exchange: Exchange {
            dns_micros: micros(6)?,
            connect_micros: micros(7)?,
            tls_micros: micros(8)?,
            first_byte_micros: micros(9)?,
            peer: peer.and_then(|peer| peer.parse().ok()),
            is_proxy: connection & PROXY != 0,
            reused: connection & REUSED != 0,
            phase: phase.and_then(|name| Phase::ALL.into_iter().find(|phase| phase.name() == name)),
            answer,
        },
        next_at: row.get::<_, Option<i64>>(15)?.map(Timestamp),
    })
}

/// The attempts of a batch that are still remembered, in order.
pub(super) fn attempts_of(
    connection: &Connection,
    batch: &BatchId,
) -> Result<Vec<LoggedAttempt>, SpoolError> {
    let sql = format!("SELECT {COLUMNS} FROM attempt WHERE batch = ?1 ORDER BY no");
    let mut found = connection.prepare_cached(&sql).map_err(failed)?;
    let rows = found.query_map(params![batch.as_bytes()], logged);
    rows.and_then(Iterator::collect).map_err(failed)
}

/// The last one of them.
pub(super) fn last_attempt_of(
    connection: &Connection,
    batch: &BatchId,
) -> Result<Option<LoggedAttempt>, SpoolError> {
    let sql = format!("SELECT {COLUMNS} FROM attempt WHERE batch = ?1 ORDER BY no DESC LIMIT 1");
    connection
        .prepare_cached(&sql)
        .and_then(|mut found| found.query_row([batch.as_bytes()], logged).optional())
        .map_err(failed)
}

/// In the order in which they are read.
const COLUMNS: &str = "number, started_at, took_micros, status, outcome, detail, dns_micros, connect_micros, tls_micros, first_byte_micros, peer, connection, phase, headers, body, next_at";
