//! Dead letters: listed and shown.

use uuid::Uuid;

use super::dead_letter_filter::{Filter, Pages};
use super::stored_records::{Names, StoredRecord, stored_records};
use crate::admin::{
    AttemptStatus, AttemptSteps, DeadLetterDetail, DeadLetterPage, DeadLetterQuery, DeadLetterStatus,
    LastAttempt, RequestError, Scope, page_size,
};
use crate::deliver::{TenantFailure, request_id};
use crate::outcome::Cause;
use crate::spool::{DeadLetter, DeadLetterNo, Exchange, LoggedAttempt, Reader, SpoolError};
use crate::time::Timestamp;

/// A page, in the order of their numbers.
pub(super) fn page(reader: &Reader, query: &DeadLetterQuery) -> Result<DeadLetterPage, RequestError> {
    let filter = Filter::parse(reader, &query.filter)?;
    let limit = page_size(query.limit, PAGE, PAGE_MAX)? as usize;
    let mut found = Vec::new();
    let mut pages = Pages::new(reader, &filter, DeadLetterNo(query.after.unwrap_or(0)));
    let (mut examined, mut last) = (0, None);
    while let Some(some) = pages.next()? {
        examined += some.len();
        last = some.last().map(|letter| letter.no.0);
        found.extend(some.into_iter().filter(|letter| filter.matches(letter)));
        if found.len() > limit || examined >= EXAMINED_MAX {
            break;
        }
        last = None;
    }
    let next = if found.len() > limit { found.get(limit - 1).map(|letter| letter.no.0) } else { last };
    found.truncate(limit);
    let mut names = Names::new(reader);
    let shown = found.iter().map(|letter| status(reader, letter, &mut names));
    Ok(DeadLetterPage { dead_letters: shown.collect::<Result<_, _>>()?, next })
}

/// One dead letter, with its first records and its attempts.
pub(super) fn detail(reader: &Reader, no: i64, scope: &Scope) -> Result<DeadLetterDetail, RequestError> {
    let letter = find(reader, no, scope)?;
    let records = stored_records(reader, letter.lane, (letter.first, letter.last), RECORDS_SHOWN)?;
    let attempts = match &letter.batch {
        Some(batch) => reader.attempts(batch)?,
        None => Vec::new(),
    };
    Ok(DeadLetterDetail {
        dead_letter: status(reader, &letter, &mut Names::new(reader))?,
        first_records: records.iter().map(StoredRecord::shown).collect::<Result<_, _>>()?,
        attempts: attempts.into_iter().map(|row| attempt(letter.batch, row, scope)).collect(),
    })
}

fn status(
    reader: &Reader,
    letter: &DeadLetter,
    names: &mut Names<'_>,
) -> Result<DeadLetterStatus, SpoolError> {
    let last_attempt = letter.batch.map(|batch| last_attempt(reader, &batch)).transpose()?;
    Ok(DeadLetterStatus {
        no: letter.no.0,
        project: names.of(letter.lane)?,
        callback: letter.lane.callback(),
        reason: letter.reason,
        at: letter.at.to_rfc3339(),
        records: letter.records,
        bytes: letter.bytes,
        batch: letter.batch.map(|batch| batch.to_string()),
        redelivering: letter.redelivery.is_some(),
        last_attempt: last_attempt.flatten(),
    })
}

/// The last attempt of a batch that is on record.
pub(super) fn last_attempt(reader: &Reader, id: &Uuid) -> Result<Option<LastAttempt>, SpoolError> {
    Ok(reader.last_attempt(id)?.map(|attempt| LastAttempt {
        started_at: attempt.started_at.to_rfc3339(),
        took_seconds: std::time::Duration::from_micros(attempt.took_micros).as_secs_f64(),
        status: attempt.status,
        outcome: attempt.outcome,
        class: Cause::of(attempt.outcome, attempt.status).map(|cause| cause.class),
    }))
}

/// An attempt as the API shows it. A tenant sees no address, and answers of public addresses alone.
pub(super) fn attempt(batch: Option<Uuid>, row: LoggedAttempt, scope: &Scope) -> AttemptStatus {
    let seconds = |micros: u64| std::time::Duration::from_micros(micros).as_secs_f64();
    let as_tenant = scope.project().map(|_| TenantFailure::of(&row, ""));
    let mut exchange = row.exchange;
    let (response_headers, response_body) =
        exchange.answer.take().map(|answer| (answer.headers, answer.body)).unzip();
    let mut shown = AttemptStatus {
        number: row.number,
        started_at: row.started_at.to_rfc3339(),
        took_seconds: seconds(row.took_micros),
        status: row.status,
        outcome: row.outcome,
        detail: row.detail,
        request_id: batch.map(|batch| request_id(batch, row.number)),
        phase: exchange.phase,
        steps: steps(&exchange),
        remote_address: exchange.peer.map(|peer| peer.to_string()),
        connection_reused: exchange.reused,
        response_headers,
        response_body,
        next_attempt_at: row.next_at.map(Timestamp::to_rfc3339),
    };
    if let Some(failure) = as_tenant {
        shown.response_body = failure.and_then(|failure| failure.body);
        (shown.detail, shown.remote_address, shown.response_headers) = (None, None, None);
    }
    shown
}

/// How long the steps of a request took.
pub(super) fn steps(exchange: &Exchange) -> AttemptSteps {
    let seconds = |micros: u64| std::time::Duration::from_micros(micros).as_secs_f64();
    AttemptSteps {
        dns_seconds: exchange.dns_micros.map(seconds),
        connect_seconds: exchange.connect_micros.map(seconds),
        tls_seconds: exchange.tls_micros.map(seconds),
        first_byte_seconds: exchange.first_byte_micros.map(seconds),
    }
}

/// One dead letter. Those of other projects are not found.
pub(super) fn find(reader: &Reader, no: i64, scope: &Scope) -> Result<DeadLetter, RequestError> {
    let letter = reader.dead_letter(DeadLetterNo(no))?.ok_or_else(|| not_found(no))?;
    if scope.holds(&Names::new(reader).of(letter.lane)?) { Ok(letter) } else { Err(not_found(no)) }
}

fn not_found(no: i64) -> RequestError {
    RequestError::NotFound(format!("there is no dead letter {no}: `sidecar dead-letters list` lists them"))
}

const PAGE: u32 = 100;
const PAGE_MAX: u32 = 1_000;
/// Dead letters that one page looks at.
const EXAMINED_MAX: usize = 20_000;
/// The default of `batch.records_max`.
const RECORDS_SHOWN: usize = 100;
