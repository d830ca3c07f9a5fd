//! `/api/v1/dead-letters`: batches that were given up.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::flattened;
use crate::outcome::{Class, OutcomeKind};
use crate::record::Callback;
use crate::spool::{DeadReason, Phase};

/// Which dead letters.
#[derive(Clone, Debug, Default, Deserialize, Eq, IntoParams, PartialEq, Serialize, ToSchema)]
#[into_params(parameter_in = Query)]
pub struct DeadLetterFilter {
    /// Only of this project.
    pub project: Option<String>,
    /// Only of this callback.
    #[param(value_type = Option<Callback>)]
    #[schema(value_type = Option<Callback>)]
    pub callback: Option<String>,
    /// Only with this reason.
    #[param(value_type = Option<DeadReason>)]
    #[schema(value_type = Option<DeadReason>)]
    pub reason: Option<String>,
    /// Only given up then or later: RFC 3339.
    #[param(format = DateTime)]
    #[schema(format = DateTime)]
    pub since: Option<String>,
    /// Only given up before: RFC 3339.
    #[param(format = DateTime)]
    #[schema(format = DateTime)]
    pub until: Option<String>,
}

impl DeadLetterFilter {
    /// Whether it selects some of them only.
    pub fn is_set(&self) -> bool {
        *self != Self::default()
    }
}

/// A page of dead letters, filtered.
#[derive(Clone, Debug, Default, Deserialize, IntoParams, Serialize)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeadLetterQuery {
    /// Which dead letters.
    #[serde(flatten, deserialize_with = "flattened::read")]
    #[param(ignore)]
    pub filter: DeadLetterFilter,
    /// Only those with a higher number.
    pub after: Option<i64>,
    /// The most to return.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub limit: Option<u32>,
}

/// Dead letters, selected by number or by filter.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadLetterSelection {
    /// Their numbers.
    #[serde(default)]
    pub numbers: Vec<i64>,
    /// Or those of a filter.
    #[serde(flatten, deserialize_with = "flattened::read")]
    #[schema(inline)]
    pub filter: DeadLetterFilter,
    /// All of them. Required where neither numbers nor a filter are given.
    #[serde(default)]
    pub all: bool,
    /// Only count, and estimate how long it takes.
    #[serde(default)]
    pub dry_run: bool,
}

/// A page of dead letters.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct DeadLetterPage {
    /// In the order of their numbers.
    pub dead_letters: Vec<DeadLetterStatus>,
    /// The next page starts after this number; `None` on the last page.
    pub next: Option<i64>,
}

/// One dead letter.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct DeadLetterStatus {
    /// Its number.
    pub no: i64,
    /// The project.
    pub project: String,
    /// The callback.
    pub callback: Callback,
    /// Why it was given up.
    pub reason: DeadReason,
    /// When it was given up.
    #[schema(format = DateTime)]
    pub at: String,
    /// Number of records.
    pub records: u64,
    /// Bytes of their JSON.
    pub bytes: u64,
    /// Its `webhook-id`; `None` where it was given up before it was cut: it is cut when it is redelivered.
    pub batch: Option<String>,
    /// Another attempt is queued or in flight.
    pub redelivering: bool,
    /// The last attempt on record.
    #[serde(default)]
    pub last_attempt: Option<LastAttempt>,
}

/// One dead letter, with records and attempts.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct DeadLetterDetail {
    /// As in the list.
    #[serde(flatten)]
    pub dead_letter: DeadLetterStatus,
    /// Its first records.
    pub first_records: Vec<DeadLetterRecord>,
    /// Its attempts on record, in order.
    pub attempts: Vec<AttemptStatus>,
}

/// A record of a dead letter.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct DeadLetterRecord {
    /// Its position, as in the header `sidecar-positions`.
    pub position: String,
    /// The LSN of its transaction's commit record.
    pub commit_lsn: String,
    /// When its transaction was committed.
    #[schema(format = DateTime)]
    pub committed_at: String,
    /// The record as receivers get it.
    #[schema(value_type = Object)]
    pub record: Box<serde_json::value::RawValue>,
}

/// One attempt to deliver a batch.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct AttemptStatus {
    /// 1, 2, …
    pub number: u32,
    /// When it began.
    #[schema(format = DateTime)]
    pub started_at: String,
    /// Its duration.
    pub took_seconds: f64,
    /// The status of the response.
    pub status: Option<u16>,
    /// `delivered`, or the word for what went wrong.
    pub outcome: OutcomeKind,
    /// The error, or the beginning of the response body.
    pub detail: Option<String>,
    /// The span of its `traceparent`.
    pub request_id: Option<String>,
    /// The step at which it failed.
    pub phase: Option<Phase>,
    /// How long each step took.
    pub steps: AttemptSteps,
    /// The address of the receiver, or of the proxy.
    pub remote_address: Option<String>,
    /// Whether the connection had served a request before.
    pub connection_reused: bool,
    /// Harmless headers of a response that is no success, a line each.
    pub response_headers: Option<String>,
    /// The first 4 KiB of the body of such a response.
    pub response_body: Option<String>,
    /// When the next attempt was due.
    #[schema(format = DateTime)]
    pub next_attempt_at: Option<String>,
}

/// The last attempt of a batch.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct LastAttempt {
    /// When it began.
    #[schema(format = DateTime)]
    pub started_at: String,
    /// Its duration.
    pub took_seconds: f64,
    /// The status of the response.
    pub status: Option<u16>,
    /// `delivered`, or the word for what went wrong.
    pub outcome: OutcomeKind,
    /// What a failure speaks of.
    pub class: Option<Class>,
}

/// How long the steps of an attempt took. Absent: the step was not needed, or did not end.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
pub struct AttemptSteps {
    /// Resolving the host's name.
    pub dns_seconds: Option<f64>,
    /// Connecting.
    pub connect_seconds: Option<f64>,
    /// The TLS handshake.
    pub tls_seconds: Option<f64>,
    /// From the beginning to the first byte of the response.
    pub first_byte_seconds: Option<f64>,
}

/// How many dead letters a request changed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
pub struct DeadLetterCounts {
    /// Number of dead letters.
    pub dead_letters: u64,
    /// Number of their records.
    pub records: u64,
    /// About how long it takes: to send them, or to discard them.
    pub estimated_seconds: Option<f64>,
    /// The job that does it, where there are many. Its dead letters are not changed yet.
    pub job: Option<u64>,
}
