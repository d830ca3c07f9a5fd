//! `/api/v1/deliveries`: batches, whatever their state, with their attempts.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::dead_letters::{AttemptStatus, DeadLetterRecord, LastAttempt};
use super::flattened;
use crate::outcome::Class;
use crate::record::Callback;

/// Which batches.
#[derive(Clone, Debug, Default, Deserialize, Eq, IntoParams, PartialEq, Serialize, ToSchema)]
#[into_params(parameter_in = Query)]
pub struct DeliveryFilter {
    /// Only of this project.
    pub project: Option<String>,
    /// Only of this callback.
    #[param(value_type = Option<Callback>)]
    #[schema(value_type = Option<Callback>)]
    pub callback: Option<String>,
    /// Only in this state.
    #[param(value_type = Option<DeliveryState>)]
    #[schema(value_type = Option<DeliveryState>)]
    pub state: Option<String>,
    /// Only with an attempt that failed with this class.
    #[param(value_type = Option<Class>)]
    #[schema(value_type = Option<Class>)]
    pub class: Option<String>,
    /// Only with an attempt that was answered with this status: `503`, or `5xx`.
    #[param(pattern = "^[1-9]([0-9][0-9]|xx)$")]
    #[schema(pattern = "^[1-9]([0-9][0-9]|xx)$")]
    pub status: Option<String>,
    /// Only cut then or later: RFC 3339.
    #[param(format = DateTime)]
    #[schema(format = DateTime)]
    pub since: Option<String>,
    /// Only cut before: RFC 3339.
    #[param(format = DateTime)]
    #[schema(format = DateTime)]
    pub until: Option<String>,
}

impl DeliveryFilter {
    /// Whether it selects some of them only.
    pub fn is_set(&self) -> bool {
        *self != Self::default()
    }
}

/// A page of batches, filtered, or those of a search.
#[derive(Clone, Debug, Default, Deserialize, IntoParams, Serialize)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeliveryQuery {
    /// Which batches.
    #[serde(flatten, deserialize_with = "flattened::read")]
    #[param(ignore)]
    pub filter: DeliveryFilter,
    /// Search: those with a record about the document with this id. Needs `project`.
    pub document: Option<String>,
    /// Search: those with a record that carries this key. Needs `project`.
    pub key: Option<String>,
    /// Search: those with the record at this position of the current epoch: `0-16B3748/3`.
    #[param(pattern = "^[0-9A-Fa-f]{1,8}[/-][0-9A-Fa-f]{1,8}/[0-9]{1,9}$")]
    pub position: Option<String>,
    /// Search: the one with this `webhook-id`.
    #[param(format = "uuid")]
    pub webhook_id: Option<String>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// The most to return: 1 to 500, 50 by default.
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub limit: Option<u32>,
}

impl DeliveryQuery {
    /// Whether it searches for something, which is no filter.
    pub fn is_search(&self) -> bool {
        [&self.document, &self.key, &self.position, &self.webhook_id].into_iter().any(Option::is_some)
    }
}

/// A page of batches.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
pub struct DeliveryPage {
    /// The newest first.
    pub deliveries: Vec<DeliveryStatus>,
    /// Searches for documents, keys and positions: the records that were found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<FoundRecordStatus>,
    /// `after` of the next page; `None` on the last one. A page may hold less than `limit`, so that each is
    /// answered in a short time.
    pub next: Option<String>,
}

/// A batch.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct DeliveryStatus {
    /// Its `webhook-id`.
    pub id: String,
    /// The project.
    pub project: String,
    /// The callback.
    pub callback: Callback,
    /// What became of it.
    pub state: DeliveryState,
    /// Number of records.
    pub records: u32,
    /// Bytes of the body.
    pub bytes: u64,
    /// When it was cut.
    #[schema(format = DateTime)]
    pub cut_at: String,
    /// Attempts so far.
    pub attempts: u32,
    /// The last attempt on record.
    pub last_attempt: Option<LastAttempt>,
    /// When the next attempt is due.
    #[schema(format = DateTime)]
    pub next_attempt_at: Option<String>,
    /// What it waits for.
    pub waits_for: Option<String>,
    /// The number of its dead letter.
    pub dead_letter: Option<i64>,
    /// The number of the replay that it is of.
    pub replay: Option<u64>,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It was given up.
    DeadLetter,
    /// The receiver took it.
    Delivered,
    /// Its request is on the wire.
    InFlight,
    /// It is not sent again: it was replaced by smaller batches, skipped or discarded, or its dead letter or
    /// its replay is gone.
    Retired,
    /// It waits for its first or its next attempt.
    Waiting,
}

impl DeliveryState {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::DeadLetter, Self::Delivered, Self::InFlight, Self::Retired, Self::Waiting];

    /// Its name in the API and in commands.
    pub fn name(self) -> &'static str {
        match self {
            Self::DeadLetter => "dead_letter",
            Self::Delivered => "delivered",
            Self::InFlight => "in_flight",
            Self::Retired => "retired",
            Self::Waiting => "waiting",
        }
    }
}

/// A record that a search found.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct FoundRecordStatus {
    /// The project.
    pub project: String,
    /// The callback.
    pub callback: Callback,
    /// Its position.
    pub position: String,
    /// When its transaction was committed.
    #[schema(format = DateTime)]
    pub committed_at: String,
    /// The newest batch that holds it; `None`: it is not cut yet, or its batch is not kept any more.
    pub webhook_id: Option<String>,
    /// Whether it is settled.
    pub settled: bool,
}

/// A batch with all that is known of it.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct DeliveryDetail {
    /// As in the list.
    #[serde(flatten)]
    pub delivery: DeliveryStatus,
    /// The epoch of its records.
    pub epoch: String,
    /// Its request.
    pub request: DeliveryRequest,
    /// Its records.
    pub record_list: Vec<DeadLetterRecord>,
    /// Its attempts on record, in order.
    pub attempt_list: Vec<AttemptStatus>,
}

/// The request of a batch, as its webhook makes it now.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct DeliveryRequest {
    /// The URL; where it holds a secret, its host and a fingerprint. `None`: the lane has no webhook.
    pub url: Option<String>,
    /// The headers of the last attempt, or of the first one that is to come. Secrets are replaced.
    pub headers: Vec<DeliveryHeader>,
    /// The body, byte for byte. `None`: its records are not kept any more.
    pub body: Option<String>,
    /// The request as a command. Secrets are replaced.
    pub curl: Option<String>,
}

/// A header.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct DeliveryHeader {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_holds_the_name_of_a_state() {
        for state in DeliveryState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
    }
}
