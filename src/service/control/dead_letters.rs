//! Dead letters: listed, shown, redelivered, discarded.

use uuid::Uuid;

use super::lanes::Lanes;
use super::stored_records::{StoredRecord, stored_records};
use crate::admin::{
    AttemptStatus, AttemptSteps, DeadLetterCounts, DeadLetterDetail, DeadLetterPage, DeadLetterQuery,
    DeadLetterSelection, DeadLetterStatus, LastAttempt, RequestError, Scope,
};
use crate::deliver::{Deliver, TenantFailure, request_id};
use crate::outcome::Cause;
use crate::record::Callback;
use crate::spool::{
    DeadLetter, DeadLetterNo, DeadReason, Done, Exchange, LoggedAttempt, Op, Reader, Spool, SpoolError,
};
use crate::time::Timestamp;

/// A page, in the order of their numbers.
pub(super) fn page(
    reader: &Reader,
    lanes: &Lanes,
    query: &DeadLetterQuery,
) -> Result<DeadLetterPage, RequestError> {
    let filter = Filter::new(query.project.as_deref(), query.callback.as_deref(), query.reason.as_deref())?;
    let limit = query.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX) as usize;
    let mut found = Vec::new();
    let mut pages = Pages { reader, after: DeadLetterNo(query.after.unwrap_or(0)) };
    while let Some(some) = pages.next()? {
        found.extend(some.into_iter().filter(|letter| filter.matches(letter, lanes)));
        if found.len() > limit {
            break;
        }
    }
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().map(|letter| letter.no.0).filter(|_| more);
    let dead_letters = found.iter().map(|letter| status(reader, letter, lanes));
    Ok(DeadLetterPage { dead_letters: dead_letters.collect::<Result<_, SpoolError>>()?, next })
}

/// One dead letter, with its first records and its attempts.
pub(super) fn detail(
    reader: &Reader,
    lanes: &Lanes,
    no: i64,
    scope: &Scope,
) -> Result<DeadLetterDetail, RequestError> {
    let letter = find(reader, lanes, no, scope)?;
    let records = stored_records(reader, letter.lane, (letter.first, letter.last), RECORDS_SHOWN)?;
    let attempts = match &letter.batch {
        Some(batch) => reader.attempts(batch)?,
        None => Vec::new(),
    };
    Ok(DeadLetterDetail {
        dead_letter: status(reader, &letter, lanes)?,
        first_records: records.iter().map(StoredRecord::shown).collect::<Result<_, _>>()?,
        attempts: attempts.into_iter().map(|row| attempt(letter.batch, row, scope)).collect(),
    })
}

/// Queues one more attempt for each, under one id.
pub(super) fn redeliver(
    reader: &Reader,
    (spool, deliver): (&Spool, &Deliver),
    lanes: &Lanes,
    selection: &DeadLetterSelection,
    scope: &Scope,
) -> Result<DeadLetterCounts, RequestError> {
    let id = Uuid::now_v7();
    let mut done = DeadLetterCounts::default();
    for_each_selected(reader, lanes, selection, scope, &mut |some| {
        if let Some(without) = some.iter().find(|letter| !lanes.has_webhook(letter.lane)) {
            return Err(RequestError::Conflict(format!(
                "dead letter {}: no webhook is configured for `{}` of `{}`: add one first",
                without.no.0,
                without.lane.callback(),
                lanes.project(without.lane)
            )));
        }
        let dead = some.iter().map(|letter| letter.no).collect();
        if let Done::Redelivering { lanes, dead } = spool.apply(Op::Redeliver { dead, id })? {
            done.dead_letters += dead;
            deliver.redeliver(lanes);
        }
        Ok(())
    })?;
    Ok(done)
}

/// Drops them: no replay sends their records.
pub(super) fn discard(
    reader: &Reader,
    spool: &Spool,
    lanes: &Lanes,
    selection: &DeadLetterSelection,
    scope: &Scope,
) -> Result<DeadLetterCounts, RequestError> {
    let mut done = DeadLetterCounts::default();
    for_each_selected(reader, lanes, selection, scope, &mut |some| {
        let dead: Vec<DeadLetterNo> = some.iter().map(|letter| letter.no).collect();
        let count = dead.len() as u64;
        if let Done::Settled { records, .. } = spool.apply(Op::DiscardDead { dead })? {
            done.dead_letters += count;
            done.records += records;
        }
        Ok(())
    })?;
    Ok(done)
}

/// Calls `apply` with the selected dead letters, page by page. An unknown number is an error before the first
/// call.
fn for_each_selected(
    reader: &Reader,
    lanes: &Lanes,
    selection: &DeadLetterSelection,
    scope: &Scope,
    apply: &mut dyn FnMut(&[DeadLetter]) -> Result<(), RequestError>,
) -> Result<(), RequestError> {
    let filter = Filter::new(
        selection.project.as_deref(),
        selection.callback.as_deref(),
        selection.reason.as_deref(),
    )?;
    let own = scope.narrowed(filter.project)?;
    if !selection.numbers.is_empty() {
        if filter.is_set() || selection.all {
            return Err(RequestError::Invalid(
                "name dead letters by number or by filter, not by both".to_owned(),
            ));
        }
        let found = selection.numbers.iter().map(|no| find(reader, lanes, *no, scope));
        let found = found.collect::<Result<Vec<_>, RequestError>>()?;
        return found.chunks(AT_ONCE as usize).try_for_each(apply);
    }
    if !filter.is_set() && !selection.all {
        return Err(RequestError::Invalid(
            "say which: numbers, a project, a callback, a reason, or all of them".to_owned(),
        ));
    }
    let filter = Filter { project: own.as_deref(), ..filter };
    // Dead letters that are added meanwhile are not selected.
    let last = reader.last_dead_letter()?;
    let mut pages = Pages { reader, after: DeadLetterNo(0) };
    while let Some(some) = pages.next()? {
        let picked: Vec<DeadLetter> =
            some.into_iter().filter(|letter| letter.no <= last && filter.matches(letter, lanes)).collect();
        if !picked.is_empty() {
            apply(&picked)?;
        }
    }
    Ok(())
}

/// A filter for dead letters.
struct Filter<'a> {
    project: Option<&'a str>,
    callback: Option<Callback>,
    reason: Option<DeadReason>,
}

impl<'a> Filter<'a> {
    fn new(
        project: Option<&'a str>,
        callback: Option<&str>,
        reason: Option<&str>,
    ) -> Result<Self, RequestError> {
        let callback = callback.map(str::parse::<Callback>).transpose();
        let reason = reason.map(|name| {
            let known = DeadReason::ALL.into_iter().find(|reason| reason.name() == name);
            known.ok_or_else(|| {
                let names = DeadReason::ALL.map(|reason| format!("`{}`", reason.name())).join(", ");
                RequestError::field("reason", format!("`{name}` is not a reason: expected one of {names}"))
            })
        });
        Ok(Self {
            project,
            callback: callback.map_err(|error| RequestError::field("callback", error.to_string()))?,
            reason: reason.transpose()?,
        })
    }

    fn is_set(&self) -> bool {
        self.project.is_some() || self.callback.is_some() || self.reason.is_some()
    }

    fn matches(&self, letter: &DeadLetter, lanes: &Lanes) -> bool {
        self.project.is_none_or(|project| project == lanes.project(letter.lane))
            && self.callback.is_none_or(|callback| callback == letter.lane.callback())
            && self.reason.is_none_or(|reason| reason == letter.reason)
    }
}

/// Every dead letter, page by page.
struct Pages<'a> {
    reader: &'a Reader,
    after: DeadLetterNo,
}

impl Pages<'_> {
    fn next(&mut self) -> Result<Option<Vec<DeadLetter>>, SpoolError> {
        let some = self.reader.dead_letters(self.after, AT_ONCE)?;
        let Some(last) = some.last() else { return Ok(None) };
        self.after = last.no;
        Ok(Some(some))
    }
}

fn status(reader: &Reader, letter: &DeadLetter, lanes: &Lanes) -> Result<DeadLetterStatus, SpoolError> {
    let last_attempt = letter.batch.map(|batch| last_attempt(reader, &batch)).transpose()?;
    Ok(DeadLetterStatus {
        no: letter.no.0,
        project: lanes.project(letter.lane).to_owned(),
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
fn find(reader: &Reader, lanes: &Lanes, no: i64, scope: &Scope) -> Result<DeadLetter, RequestError> {
    let letter = reader.dead_letter(DeadLetterNo(no))?;
    letter.filter(|letter| scope.holds(lanes.project(letter.lane))).ok_or_else(|| not_found(no))
}

fn not_found(no: i64) -> RequestError {
    RequestError::NotFound(format!("there is no dead letter {no}: `sidecar dead-letters list` lists them"))
}

const PAGE: u32 = 100;
const PAGE_MAX: u32 = 1_000;
/// Changed by one operation of the spool.
const AT_ONCE: u32 = 500;
/// The default of `batch.records_max`.
const RECORDS_SHOWN: usize = 100;
