//! `/api/v1/tokens`, `/api/v1/links` and `/api/v1/audit`.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::admin::access::Capability;
use crate::secret::Secret;

/// The body of `POST /api/v1/tokens`.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// Its name: the audit log names it.
    #[schema(pattern = "^[A-Za-z0-9._@-]{1,64}$")]
    pub name: String,
    /// What it may do.
    #[schema(min_items = 1)]
    pub can: Vec<Capability>,
    /// The one project that it is for; absent: all.
    #[serde(default)]
    pub project: Option<String>,
    /// When it ends: a duration like `30d`, or a time (RFC 3339); absent: it does not end.
    #[serde(default)]
    pub expires: Option<String>,
}

/// A token.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct TokenStatus {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub can: Vec<Capability>,
    /// The one project that it is for; `null`: all.
    pub project: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// By whom.
    pub created_by: String,
    /// When it ends; `null`: it does not.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// When it was last used, to the minute; `null`: never.
    #[schema(format = DateTime)]
    pub last_used_at: Option<String>,
}

/// The response to `POST /api/v1/tokens`: the only one that has the token itself.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct NewToken {
    /// As in the list.
    #[serde(flatten)]
    pub status: TokenStatus,
    /// Sent as `authorization: Bearer TOKEN`.
    #[serde(with = "super::webhook_secrets::text")]
    #[schema(value_type = String)]
    pub token: Secret,
}

/// The body of `GET /api/v1/tokens`.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct TokenList {
    /// By their names.
    pub tokens: Vec<TokenStatus>,
}

/// The body of `POST /api/v1/links`.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkRequest {
    /// The one project that it is for; absent: all.
    #[serde(default)]
    pub project: Option<String>,
    /// What it allows.
    #[schema(min_items = 1)]
    pub can: Vec<Capability>,
    /// When it ends, and with it the session that it was exchanged for: a duration like `8h` (the default), or a time.
    #[serde(default)]
    pub expires: Option<String>,
}

/// A one-time link, or the session that it was exchanged for.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct LinkStatus {
    /// Its id: the audit log names it.
    pub id: String,
    /// What it allows.
    pub can: Vec<Capability>,
    /// The one project that it is for; `null`: all.
    pub project: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// By whom.
    pub created_by: String,
    /// When it ends.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// When it was exchanged for a session; `null`: not yet.
    #[schema(format = DateTime)]
    pub used_at: Option<String>,
}

/// The response to `POST /api/v1/links`.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct NewLink {
    /// As in the list.
    #[serde(flatten)]
    pub status: LinkStatus,
    /// The path of the link, behind `admin.base_path`: the address of this sidecar comes before it.
    #[serde(with = "super::webhook_secrets::text")]
    #[schema(value_type = String)]
    pub path: Secret,
}

/// The body of `GET /api/v1/links`.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct LinkList {
    /// In the order in which they were made.
    pub links: Vec<LinkStatus>,
}

/// The response where a token or a link was revoked.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Revoked {
    /// The sessions that ended with it.
    pub sessions: u64,
}

/// The query of `GET /api/v1/audit`.
#[derive(Clone, Debug, Default, Deserialize, IntoParams, Serialize)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Only of this project.
    pub project: Option<String>,
    /// Only entries before this number: `next` of the page before.
    pub after: Option<u64>,
    /// The most to return; 100 by default, at most 1,000.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub limit: Option<u32>,
}

/// A page of the audit log.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct AuditPage {
    /// The newest first.
    pub entries: Vec<AuditEntry>,
    /// `after` of the next page; `null` on the last one.
    pub next: Option<u64>,
}

/// What was changed, by whom.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct AuditEntry {
    /// Its number.
    pub no: u64,
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// By whom: `uid 1000`, `token deploy`, `link 1a2b3c4d`, `user ada@example.com`.
    pub by: String,
    /// What: `a webhook was set`.
    pub what: String,
    /// The project.
    pub project: Option<String>,
    /// The callback.
    pub callback: Option<String>,
    /// The host and port of the webhook's URL.
    pub host: Option<String>,
    /// A fingerprint of the webhook's URL.
    pub url: Option<String>,
    /// More about it.
    pub detail: Option<String>,
}
