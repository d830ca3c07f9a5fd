//! Where webhooks come from: a part of the status, and of the list of webhooks.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `webhooks.from`, and what its sources gave.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
pub struct WebhookSourcesStatus {
    /// The sources in use: `file`, `query` and `page`.
    pub from: Vec<String>,
    /// Why webhooks cannot be set by the page, the API and commands; `null` where they can.
    pub locked: Option<String>,
    /// Webhooks in force, by their origin.
    pub counts: OriginCounts,
    /// The state of `webhooks.query`; `null` where there is none.
    pub query: Option<WebhookQueryStatus>,
}

/// Webhooks in force.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct OriginCounts {
    /// Of the settings file.
    pub file: u64,
    /// Of `webhooks.query`.
    pub query: u64,
    /// Set by the page, the API and commands.
    pub set: u64,
}

/// The state of `webhooks.query`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
pub struct WebhookQueryStatus {
    /// When it was read last.
    #[schema(format = DateTime)]
    pub read_at: Option<String>,
    /// Why the last try failed. The last list is in force.
    pub error: Option<String>,
    /// Webhooks of its last list that are in force.
    pub webhooks: u64,
    /// Rows of it that are refused, at most 100.
    pub refused: Vec<RefusedRowStatus>,
    /// Refused rows that are not listed.
    pub more_refused: u64,
}

/// A row that is no webhook. Where its project and callback had one before, that is kept.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct RefusedRowStatus {
    /// Its project.
    pub project: Option<String>,
    /// Its callback.
    pub callback: Option<String>,
    /// Why.
    pub why: String,
}
