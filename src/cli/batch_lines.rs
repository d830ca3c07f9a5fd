//! Records and attempts as the commands print them.

use serde_json::value::RawValue;

use super::output::print;
use crate::admin::{self, AttemptStatus, AttemptSteps, DeadLetterRecord, plain};

/// Prints one record of a batch.
pub(super) fn print_record(record: &DeadLetterRecord) {
    print(format_args!("  {:<22} {}\n", place(&record.position), one_line(&record.record)));
}

/// A position in the form that `replay --from-lsn` takes.
pub(super) fn place(position: &str) -> String {
    plain(&position.replacen('-', "/", 1))
}

/// A record as receivers get it.
pub(super) fn one_line(record: &RawValue) -> String {
    admin::json(record.get()).replace(['\n', '\r'], " ")
}

/// Prints one attempt: what was answered, how long its steps took, and when the next one was due.
pub(super) fn print_attempt(attempt: &AttemptStatus) {
    let AttemptStatus { number, started_at, outcome, status, detail, .. } = attempt;
    let status = status.map_or_else(|| "-".to_owned(), |status| status.to_string());
    let detail = detail.as_deref().map_or_else(|| "-".to_owned(), plain);
    print(format_args!("  attempt {number} at {}: {outcome} {status} {detail}\n", plain(started_at)));
    let mut facts = vec![format!("took {}", duration(attempt.took_seconds))];
    let AttemptSteps { dns_seconds, connect_seconds, tls_seconds, first_byte_seconds } = attempt.steps;
    let steps = [
        ("dns", dns_seconds),
        ("connect", connect_seconds),
        ("tls", tls_seconds),
        ("first byte after", first_byte_seconds),
    ];
    facts
        .extend(steps.iter().filter_map(|(name, seconds)| Some(format!("{name} {}", duration((*seconds)?)))));
    facts.extend(attempt.phase.map(|phase| format!("failed at {}", phase.name())));
    if let Some(address) = &attempt.remote_address {
        let connection = if attempt.connection_reused { "reused" } else { "new" };
        facts.push(format!("{connection} connection to {}", plain(address)));
    }
    facts.extend(attempt.request_id.iter().map(|id| format!("request {}", plain(id))));
    facts.extend(attempt.next_attempt_at.iter().map(|at| format!("next at {}", plain(at))));
    print(format_args!("    {}\n", facts.join(", ")));
    for header in attempt.response_headers.iter().flat_map(|headers| headers.lines()) {
        print(format_args!("    {}\n", plain(header)));
    }
}

/// Milliseconds below a second.
fn duration(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.1} ms", seconds * 1_000.0) } else { format!("{seconds:.1} s") }
}
