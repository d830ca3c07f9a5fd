//! What the routes of webhooks call on the running sidecar.

use serde_json::Value;

use super::access::Access;
use super::api::{
    ApplyRequest, ApplyResult, PauseRequest, PauseResult, RotateRequest, RotateResult, SigningSecretList,
    SkipRequest, SkipResult, TestRequest, TestResult, WebhookDetail, WebhookKey, WebhookList,
};
use super::request_error::RequestError;

/// Webhooks of the running sidecar. Each method may wait for the disk, and some for receivers.
/// Each keeps to the projects of its [`Access`].
pub trait WebhookControl: Send + Sync {
    /// Those in force.
    fn webhooks(&self, access: &Access) -> Result<WebhookList, RequestError>;
    /// One of those in force.
    fn webhook(&self, key: &WebhookKey, access: &Access) -> Result<WebhookDetail, RequestError>;
    /// Sets what `change` has, and keeps the rest.
    fn set_webhook(
        &self,
        key: &WebhookKey,
        change: &Value,
        revision: Option<u64>,
        access: &Access,
    ) -> Result<WebhookDetail, RequestError>;
    /// Sets what `whole` has, and nothing else.
    fn replace_webhook(
        &self,
        key: &WebhookKey,
        whole: &Value,
        revision: Option<u64>,
        access: &Access,
    ) -> Result<WebhookDetail, RequestError>;
    /// Removes one that was set.
    fn remove_webhook(
        &self,
        key: &WebhookKey,
        revision: Option<u64>,
        access: &Access,
    ) -> Result<WebhookKey, RequestError>;
    /// Makes the webhooks that are set equal to a list.
    fn apply_webhooks(&self, request: &ApplyRequest, access: &Access) -> Result<ApplyResult, RequestError>;
    /// What the receiver of a webhook verifies signatures with.
    fn signing_secrets(&self, key: &WebhookKey, access: &Access) -> Result<SigningSecretList, RequestError>;
    /// Gives a webhook that was set a new signing secret.
    fn rotate_secret(&self, request: &RotateRequest, access: &Access) -> Result<RotateResult, RequestError>;
    /// The webhooks that are set, as the text of a settings file.
    fn export_webhooks(&self, access: &Access) -> Result<String, RequestError>;
    /// Pauses lanes. Returns when no request is in flight any more, or after a while.
    fn pause(&self, request: &PauseRequest, access: &Access) -> Result<PauseResult, RequestError>;
    /// Ends pauses.
    fn resume(&self, request: &PauseRequest, access: &Access) -> Result<PauseResult, RequestError>;
    /// Settles what waits without sending it.
    fn skip(&self, request: &SkipRequest, access: &Access) -> Result<SkipResult, RequestError>;
    /// Makes one request that is no attempt of a batch.
    fn test_webhook(&self, request: &TestRequest, access: &Access) -> Result<TestResult, RequestError>;
}
