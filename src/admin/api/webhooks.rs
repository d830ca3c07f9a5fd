//! `/api/v1/webhooks`: the webhooks in force, and those that are set while the sidecar runs.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::status::LaneStatus;
use super::webhook_sources::WebhookSourcesStatus;
use crate::admin::request_error::RequestError;
use crate::record::Callback;

/// The body of `GET /api/v1/webhooks`.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct WebhookList {
    /// Those in force, by project and callback.
    pub webhooks: Vec<WebhookStatus>,
    /// Where they come from.
    #[serde(default)]
    pub sources: WebhookSourcesStatus,
}

/// A webhook, and the lanes that it answers for.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct WebhookStatus {
    /// The project, or `*`.
    pub project: String,
    /// The callback, or `*`.
    pub callback: String,
    /// The host and port of its URL.
    pub host: String,
    /// Where it comes from.
    pub origin: WebhookOrigin,
    /// Its place: `sidecar.toml, line 41`, or `webhooks.query`; `null` where it was set.
    #[serde(default)]
    pub set_in: Option<String>,
    /// The number of this version of it; `null` where it was not set.
    pub revision: Option<u64>,
    /// When it was set; `null` where it was not set.
    #[schema(format = DateTime)]
    pub changed_at: Option<String>,
    /// Its lanes that have had a record.
    pub lanes: Vec<LaneStatus>,
}

/// Where a webhook comes from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WebhookOrigin {
    /// The settings file.
    File,
    /// `webhooks.query`. It comes before one of the file for the same project and callback.
    Query,
    /// It was set by the page, the API or a command, and comes before both.
    Set,
}

/// The body of `GET /api/v1/webhooks/PROJECT/CALLBACK`, and the response to a change.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct WebhookDetail {
    /// As in the list.
    #[serde(flatten)]
    pub webhook: WebhookStatus,
    /// Its settings, with the keys of a `[[webhook]]` section. Secrets are masked, the URL is shortened;
    /// `{"env": …}` and `{"file": …}` are as they were given.
    pub settings: serde_json::Value,
    /// Why it cannot be changed by the page, the API and commands; `null` where it can.
    #[serde(default)]
    pub locked: Option<String>,
    /// Why its row of `webhooks.query` is refused, where one is.
    #[serde(default)]
    pub refused: Option<String>,
}

/// The project and the callback that a webhook is for: `PROJECT/CALLBACK` in a path.
#[derive(Clone, Debug, Deserialize, Eq, IntoParams, Ord, PartialEq, PartialOrd, Serialize, ToSchema)]
#[into_params(parameter_in = Path)]
#[serde(deny_unknown_fields)]
pub struct WebhookKey {
    /// The project, or `*`.
    pub project: String,
    /// The callback, or `*`.
    #[schema(pattern = "^(ingested|modified|excluded|\\*)$")]
    #[param(pattern = "^(ingested|modified|excluded|\\*)$")]
    pub callback: String,
}

impl WebhookKey {
    /// Refuses what can be the key of no webhook.
    pub fn check(&self) -> Result<(), RequestError> {
        if self.callback == "*" || self.callback.parse::<Callback>().is_ok() {
            return Ok(());
        }
        let why = format!(
            "`{}` is not a callback: `ingested`, `modified`, `excluded` or `*` is expected",
            self.callback
        );
        Err(RequestError::field("callback", why))
    }
}

/// The query of a change: `?revision=7`.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RevisionQuery {
    /// The change is refused (409) where the webhook has another revision by now; 0: where there is one.
    pub revision: Option<u64>,
}

impl WebhookOrigin {
    /// As lists show it.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Query => "query",
            Self::Set => "set",
        }
    }
}

impl fmt::Display for WebhookOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
