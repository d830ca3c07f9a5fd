//! The body of `PATCH` and `PUT /api/v1/webhooks/{project}/{callback}`, as the description of the API has it.
//!
//! The service reads it by the rules of a `[[webhook]]` section, so that both have the same fields and errors.

use std::collections::BTreeMap;

use serde::Deserialize;
use utoipa::ToSchema;

/// What is to be set. With `PATCH`, a field that is absent stays as it is, and one that is `null` is removed; with `PUT`,
/// both have their default.
///
/// Durations are texts with a unit (`500ms`, `15s`, `72h`, `7d`). Sizes are numbers of bytes, or texts with a unit (`1MiB`).
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookChange {
    /// Where requests go. `{project}` and `{callback}` in its path or query are filled in.
    pub url: Option<SecretText>,
    /// Headers of its own, by name; `null` removes one.
    #[schema(value_type = Option<BTreeMap<String, Value>>)]
    pub headers: Option<BTreeMap<String, Option<SecretText>>>,
    /// How requests show who sends them: one of `basic`, `bearer`, `api_key` and `oauth2`.
    #[schema(value_type = Option<Object>)]
    pub auth: Option<serde_json::Value>,
    /// What signs requests: a secret, or a list of them, the newest first, each `{"value": …, "until": TIME}` where it ends.
    #[schema(value_type = Option<Value>)]
    pub secret: Option<serde_json::Value>,
    /// Of `modified`, only records of these: `labels`, `predicted_labels`, `similarity`.
    pub properties: Option<Vec<String>>,
    /// Who is asked where it fails.
    #[schema(max_length = 500)]
    pub owner: Option<String>,
    /// A note for those who see it.
    #[schema(max_length = 2000)]
    pub note: Option<String>,
    /// A file with the certificate that is shown to the receiver.
    pub client_cert: Option<String>,
    /// A file with its key.
    pub client_key: Option<String>,
    /// A file with the certificate authorities that the receiver's is checked against.
    pub ca_file: Option<String>,
    /// The most records in one request.
    pub records_max: Option<u32>,
    /// The most bytes of records in one request.
    pub bytes_max: Option<Size>,
    /// The longest that a record waits for its batch to fill.
    pub wait_max_ms: Option<u64>,
    /// The limit for the whole exchange.
    pub timeout_ms: Option<u64>,
    /// The limit for connecting, TLS included.
    pub connect_timeout_ms: Option<u64>,
    /// Waits between attempts: durations, of which the last one repeats.
    pub retry_schedule: Option<Vec<String>>,
    /// How many times the content of a batch is refused before the refused records are searched.
    pub refusals_max: Option<u32>,
    /// A duration: how long records wait before they become dead letters.
    #[schema(pattern = "^[0-9]{1,6} ?(ms|s|m|h|d)$")]
    pub give_up_after: Option<String>,
    /// A duration: how long records wait for earlier ones of the same document in a lane that fails.
    #[schema(pattern = "^[0-9]{1,6} ?(ms|s|m|h|d)$")]
    pub order_wait: Option<String>,
    /// How much of an answer's body is read.
    pub response_bytes_max: Option<Size>,
    /// A duration: the age up to which a connection begins another request.
    #[schema(pattern = "^[0-9]{1,6} ?(ms|s|m|h|d)$")]
    pub connection_age_max: Option<String>,
    /// Compress bodies of more than 1 KiB.
    pub gzip: Option<bool>,
    /// The most requests in flight.
    pub in_flight_max: Option<u32>,
    /// How many requests begin in a second.
    pub requests_per_second: Option<f64>,
}

/// A text, or where the sidecar finds it: a variable of its environment, or a file of its machine.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum SecretText {
    /// The text itself.
    Text(String),
    /// `{"env": "NAME"}`
    Variable {
        /// The name of the variable.
        env: String,
    },
    /// `{"file": "PATH"}`
    File {
        /// The path of the file.
        file: String,
    },
}

/// A number of bytes, or a text with a unit: `1MiB`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Size {
    /// Bytes.
    Bytes(u64),
    /// With a unit: B, KiB, MiB, GiB or TiB.
    WithUnit(String),
}
