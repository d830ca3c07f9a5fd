//! `/api/v1/webhooks/test`, `apply` and `export`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::dead_letters::AttemptSteps;
use super::webhooks::WebhookKey;
use crate::outcome::OutcomeKind;
use crate::record::Callback;

/// The body of `POST /api/v1/webhooks/test`.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TestRequest {
    /// The project.
    pub project: String,
    /// The callback.
    pub callback: Callback,
    /// What is sent; by default an empty list.
    #[serde(default)]
    pub body: TestBody,
}

/// What a test sends.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TestBody {
    /// An empty list.
    #[default]
    Empty,
    /// The last batch that was cut of the lane.
    Last,
    /// One record of each shape.
    Specimen,
    /// This text.
    Text(String),
}

/// The response to a test.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct TestResult {
    /// Whether the receiver answered 2xx.
    pub delivered: bool,
    /// The host and port of the URL.
    pub host: String,
    /// The `webhook-id` of the request.
    pub id: String,
    /// Bytes of the body.
    pub bytes: u64,
    /// The status of the answer.
    pub status: Option<u16>,
    /// `delivered`, or the word for what went wrong.
    pub outcome: OutcomeKind,
    /// The error, or the beginning of the answer's body.
    pub detail: Option<String>,
    /// How long its steps took.
    pub steps: AttemptSteps,
    /// How long it took.
    pub took_seconds: f64,
    /// The lane is paused.
    pub paused: bool,
}

/// The body of `POST /api/v1/webhooks/apply`.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplyRequest {
    /// All webhooks that are to be set, each with the keys of a `[[webhook]]` section. Others are removed.
    pub webhooks: Vec<Value>,
    /// Only compare.
    #[serde(default)]
    pub dry_run: bool,
}

/// The response to `apply`: what was changed, or, by a dry run, would be.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ApplyResult {
    /// In the order of projects and callbacks. Webhooks that stay as they are are not listed.
    pub changes: Vec<PlannedChange>,
    /// Webhooks that stay as they are.
    pub unchanged: u64,
}

/// One change.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct PlannedChange {
    /// What is done.
    pub action: PlannedAction,
    /// The project, or `*`.
    pub project: String,
    /// The callback, or `*`.
    pub callback: String,
    /// The fields that differ.
    pub fields: Vec<String>,
    /// The place of the one that it comes before, or, where it is removed, that is in force then:
    /// `sidecar.toml, line 41`, or `webhooks.query`.
    #[serde(default)]
    pub over: Option<String>,
}

impl PlannedChange {
    /// The webhook that it is of.
    pub fn key(&self) -> WebhookKey {
        WebhookKey { project: self.project.clone(), callback: self.callback.clone() }
    }
}

/// What is done to a webhook.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PlannedAction {
    /// It is new.
    Add,
    /// It differs.
    Change,
    /// It is not among those to be set.
    Remove,
}
