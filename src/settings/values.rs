//! The validated settings, as values.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::admin::AccessOptions;
use crate::alert::Budgets;
use crate::classify::Mapping;
use crate::deliver::{Egress, HeaderNames, HostLimits, Limits, Proxy, Routes, SurgeLimit, Webhook};
use crate::secret::Secret;
use crate::source::Conninfo;
use crate::spool::SpoolKeys;

/// The validated settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `[postgres]`
    pub conninfo: Conninfo,
    /// `postgres.slot`
    pub slot: String,
    /// `postgres.failover_slot`
    pub failover_slot: bool,
    /// `postgres.publication`
    pub publication: String,
    /// `[documents]`
    pub mapping: Mapping,
    /// `documents.on_truncate`
    pub on_truncate: OnTruncate,
    /// `documents.initial`
    pub initial: Initial,
    /// `[[webhook]]`
    pub routes: Routes,
    /// What webhooks that are set while the sidecar runs take from `[batch]` and `[delivery]`
    pub webhook_defaults: WebhookDefaults,
    /// `[[webhook]]`, as written
    pub webhook_sections: WebhookSections,
    /// `delivery.in_flight_max`
    pub in_flight_max: usize,
    /// `delivery.surge`
    pub surge: Option<SurgeLimit>,
    /// `delivery.host_*` and `[[host]]`
    pub host_limits: HostLimits,
    /// `spool.path`
    pub spool_path: PathBuf,
    /// `spool.bytes_max`
    pub spool_bytes_max: u64,
    /// `spool.lane_bytes_max`
    pub lane_bytes_max: u64,
    /// `spool.key`
    pub spool_keys: SpoolKeys,
    /// `spool.retain`
    pub retain: Duration,
    /// `recovery.missing_max`
    pub missing_max: f64,
    /// `egress.allow`, `egress.deny` and `egress.tenant_allow`
    pub egress: Egress,
    /// `egress.ca_file`
    pub ca_file: Option<PathBuf>,
    /// `egress.proxy` and `egress.no_proxy`
    pub proxy: Option<Proxy>,
    /// `admin.listen`
    pub listen: SocketAddr,
    /// `admin.token`
    pub token: Option<Secret>,
    /// The rest of `[admin]`
    pub access: AccessOptions,
    /// `[alerts]`; `None` without a URL.
    pub alerts: Option<Alerts>,
    /// `log.format`
    pub log_format: LogFormat,
    /// `log.level`
    pub log_level: String,
}

/// Where alerts are posted, and what they are about.
#[derive(Clone, Debug, PartialEq)]
pub struct Alerts {
    /// Where.
    pub webhook: Webhook,
    /// When figures are worth one.
    pub budgets: Budgets,
}

/// What a webhook takes from the other settings.
#[derive(Clone, Debug)]
pub struct WebhookDefaults {
    /// `[batch]` and `[delivery]`
    pub limits: Limits,
    /// `delivery.header_prefix`
    pub header_names: HeaderNames,
}

/// The `[[webhook]]` sections of the settings file, as written. They may hold secrets, and are never printed.
#[derive(Clone, Default)]
pub struct WebhookSections(pub Vec<serde_json::Value>);

impl std::fmt::Debug for WebhookSections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// What a TRUNCATE sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnTruncate {
    /// An `excluded` for every live document.
    Exclude,
    /// Nothing.
    Ignore,
}

/// What the documents that exist at the first start send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Initial {
    /// One `ingested` each.
    Ingested,
    /// Nothing.
    Silent,
}

/// The format of logs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// Text for people.
    Text,
}

/// Where settings are read from, besides the environment and the defaults.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `--config`. `None` means `./sidecar.toml`, if it exists.
    pub file: Option<PathBuf>,
    /// `--set key=value`, in order.
    pub set: Vec<String>,
}

/// The invalid settings, one sentence each.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct InvalidSettings(pub Vec<String>);

/// The settings file that is compiled in: the reference and the defaults.
pub const DEFAULT_SETTINGS: &str = include_str!("../../sidecar.toml");
