//! The validated settings, as values.

use std::collections::BTreeSet;
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
    /// `[webhooks]`
    pub webhook_sources: WebhookSources,
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
    /// `metrics.projects_max`, where `metrics.project_label` is set
    pub metrics_projects_max: Option<usize>,
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

/// The `[[webhook]]` sections of the settings, as written.
#[derive(Clone, Debug, Default)]
pub struct WebhookSections(pub Vec<WebhookSection>);

/// A `[[webhook]]` section.
#[derive(Clone)]
pub struct WebhookSection {
    /// It may hold secrets, and is never printed.
    pub settings: serde_json::Value,
    /// Where it is: `sidecar.toml, line 41`, or another source.
    pub place: String,
}

impl std::fmt::Debug for WebhookSection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.place)
    }
}

/// Where webhooks may come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WebhookSources {
    /// `webhooks.from`
    pub from: BTreeSet<WebhookSource>,
    /// `webhooks.query`
    pub query: Option<WebhookQuery>,
}

/// A place where webhooks may come from. A later one comes first for the same project and callback.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum WebhookSource {
    /// `[[webhook]]`.
    File,
    /// `webhooks.query`.
    Query,
    /// The page, the API and `sidecar webhooks`.
    Page,
}

/// A table of the application with webhooks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WebhookQuery {
    /// A SELECT with the columns `project`, `callback` and `url`, and others by the keys of a `[[webhook]]` section.
    pub sql: String,
    /// How often it is read.
    pub refresh: Duration,
}

impl WebhookSource {
    /// As `webhooks.from` names them.
    pub const ALL: [(&str, Self); 3] = [("file", Self::File), ("query", Self::Query), ("page", Self::Page)];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Query => "query",
            Self::Page => "page",
        }
    }
}

impl WebhookSources {
    /// Why webhooks cannot be set by the page, the API or a command; `None` where they can.
    pub fn locked(&self) -> Option<String> {
        if self.from.contains(&WebhookSource::Page) {
            return None;
        }
        let from: Vec<String> = self.from.iter().map(|source| format!("\"{}\"", source.name())).collect();
        Some(format!(
            "webhooks are set elsewhere: `webhooks.from` has {} only: change them there, or add \"page\" to it",
            from.join(" and ")
        ))
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
