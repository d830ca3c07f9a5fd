//! The raw settings, as the file has them. An unknown key is an error.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::secret_source::{PasswordSetting, SecretSource};
use super::units::{ByteSize, HumanDuration};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) postgres: Postgres,
    pub(super) documents: Documents,
    pub(super) batch: Batch,
    pub(super) delivery: Delivery,
    pub(super) spool: Spool,
    pub(super) recovery: Recovery,
    pub(super) egress: Egress,
    pub(super) admin: Admin,
    pub(super) alerts: Alerts,
    pub(super) log: Log,
    pub(super) metrics: Metrics,
    pub(super) webhooks: WebhookSources,
    #[serde(default)]
    pub(super) webhook: Vec<Webhook>,
    #[serde(default)]
    pub(super) host: Vec<Host>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Postgres {
    pub(super) url: SecretSource,
    pub(super) password: PasswordSetting,
    pub(super) slot: String,
    pub(super) failover_slot: bool,
    pub(super) publication: String,
    pub(super) connect_timeout_ms: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Documents {
    pub(super) table: String,
    pub(super) id: OneOrMany,
    pub(super) key: String,
    pub(super) project: String,
    pub(super) labels: String,
    pub(super) predicted_labels: String,
    pub(super) similarity: Similarity,
    pub(super) excluded: String,
    pub(super) excluded_when: OneOrMany,
    pub(super) live_when: Vec<String>,
    pub(super) content: Vec<String>,
    pub(super) ignore: Vec<String>,
    pub(super) on_truncate: String,
    pub(super) initial: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a string or a list of strings")]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a column's name, or { id = …, key = …, label = … }")]
pub(super) enum Similarity {
    Json(String),
    Columns(SimilarityColumns),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SimilarityColumns {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) label: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    pub(super) records_max: u32,
    pub(super) bytes_max: ByteSize,
    pub(super) wait_max_ms: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Delivery {
    pub(super) timeout_ms: u64,
    pub(super) connect_timeout_ms: u64,
    pub(super) retry_schedule: Vec<HumanDuration>,
    pub(super) refusals_max: u32,
    pub(super) give_up_after: HumanDuration,
    pub(super) order_wait: HumanDuration,
    pub(super) in_flight_max: usize,
    pub(super) requests_per_second: f64,
    pub(super) host_in_flight_max: u32,
    pub(super) host_requests_per_second: f64,
    pub(super) surge: MaybeSurge,
    pub(super) header_prefix: String,
    pub(super) response_bytes_max: ByteSize,
    pub(super) connection_age_max: HumanDuration,
    pub(super) gzip: bool,
}

/// `""` is off.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected { records = 100000, within = \"10m\" }, or \"\"")]
pub(super) enum MaybeSurge {
    Surge(Surge),
    Off(String),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Surge {
    pub(super) records: u64,
    pub(super) within: HumanDuration,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spool {
    pub(super) path: PathBuf,
    pub(super) bytes_max: ByteSize,
    pub(super) lane_bytes_max: MaybeSize,
    pub(super) retain: HumanDuration,
    pub(super) key: OneOrManyKeys,
}

/// A setting for which `""` means a computed default.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a number of bytes, a size with its unit like \"2GiB\", or \"\"")]
pub(super) enum MaybeSize {
    Size(ByteSize),
    Empty(String),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recovery {
    pub(super) missing_max: f64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Egress {
    pub(super) allow: Vec<String>,
    pub(super) deny: Vec<String>,
    pub(super) tenant_allow: Vec<String>,
    pub(super) proxy: String,
    pub(super) no_proxy: Vec<String>,
    pub(super) ca_file: PathBuf,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Admin {
    pub(super) listen: String,
    pub(super) token: SecretSource,
    pub(super) hosts: Vec<String>,
    pub(super) tls_cert: PathBuf,
    pub(super) tls_key: PathBuf,
    pub(super) base_path: String,
    pub(super) frame_ancestors: Vec<String>,
    pub(super) user_header: String,
    pub(super) trusted_proxies: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Alerts {
    pub(super) url: SecretSource,
    pub(super) headers: BTreeMap<String, SecretSource>,
    pub(super) secret: OneOrManySecrets,
    pub(super) failing_after: HumanDuration,
    pub(super) slot_retained_max: ByteSize,
    pub(super) spool_share_max: f64,
    pub(super) no_change_after: HumanDuration,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Log {
    pub(super) format: String,
    pub(super) level: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Metrics {
    pub(super) project_label: bool,
    pub(super) projects_max: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookSources {
    pub(super) query: String,
    pub(super) refresh: HumanDuration,
    pub(super) from: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Webhook {
    pub(super) project: String,
    pub(super) callback: String,
    pub(super) properties: Option<Vec<String>>,
    pub(super) url: SecretSource,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, SecretSource>,
    pub(super) auth: Option<Auth>,
    pub(super) secret: Option<OneOrManySecrets>,
    pub(super) owner: Option<String>,
    pub(super) note: Option<String>,
    pub(super) client_cert: Option<PathBuf>,
    pub(super) client_key: Option<PathBuf>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) records_max: Option<u32>,
    pub(super) bytes_max: Option<ByteSize>,
    pub(super) wait_max_ms: Option<u64>,
    pub(super) timeout_ms: Option<u64>,
    pub(super) connect_timeout_ms: Option<u64>,
    pub(super) retry_schedule: Option<Vec<HumanDuration>>,
    pub(super) refusals_max: Option<u32>,
    pub(super) give_up_after: Option<HumanDuration>,
    pub(super) order_wait: Option<HumanDuration>,
    pub(super) response_bytes_max: Option<ByteSize>,
    pub(super) connection_age_max: Option<HumanDuration>,
    pub(super) gzip: Option<bool>,
    pub(super) in_flight_max: Option<u32>,
    pub(super) requests_per_second: Option<f64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) in_flight_max: Option<u32>,
    pub(super) requests_per_second: Option<f64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a secret, or a list of secrets, the newest first, each a string, { env = \"NAME\" }, { file = \"PATH\" } or { value = SECRET, until = \"2026-12-01T00:00:00Z\" }"
)]
pub(super) enum OneOrManySecrets {
    One(SecretSource),
    Many(Vec<ListedSecret>),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a secret")]
pub(super) enum ListedSecret {
    Endless(SecretSource),
    Ending(EndingSecret),
}

/// A secret that signs until a time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndingSecret {
    pub(super) value: SecretSource,
    pub(super) until: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a key, or a list of keys, the one that encrypts first")]
pub(super) enum OneOrManyKeys {
    One(SecretSource),
    Many(Vec<SecretSource>),
}

/// How requests show who sends them; one of these.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Auth {
    pub(super) basic: Option<Basic>,
    pub(super) bearer: Option<SecretSource>,
    pub(super) api_key: Option<ApiKey>,
    pub(super) oauth2: Option<OAuth2>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Basic {
    pub(super) user: String,
    pub(super) password: SecretSource,
}

/// OAuth2 client credentials.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OAuth2 {
    pub(super) token_url: String,
    pub(super) client_id: String,
    pub(super) client_secret: SecretSource,
    pub(super) scope: Option<String>,
    pub(super) audience: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApiKey {
    pub(super) header: String,
    pub(super) value: SecretSource,
}
