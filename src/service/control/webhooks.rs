//! Webhooks on request: listed, shown, changed, exported.

use serde_json::Value;

use super::Controller;
use crate::admin::{
    Access, ApplyRequest, ApplyResult, LaneStatus, PauseRequest, PauseResult, RequestError, RotateRequest,
    RotateResult, SigningSecretList, SkipRequest, SkipResult, TestRequest, TestResult, WebhookControl,
    WebhookDetail, WebhookKey, WebhookList, WebhookOrigin, WebhookStatus,
};
use crate::service::webhooks::{SetWebhook, key_of};
use crate::settings::masked;

impl WebhookControl for Controller {
    fn webhooks(&self, access: &Access) -> Result<WebhookList, RequestError> {
        let lanes = self.lane_statuses();
        let routes = self.webhooks.routes();
        let mut webhooks: Vec<WebhookStatus> = routes
            .all()
            .filter(|webhook| access.scope.holds(&key_of(webhook).project))
            .map(|webhook| self.webhook_status(&key_of(webhook), &webhook.host(), &lanes))
            .collect();
        webhooks.sort_by(|a, b| (&a.project, &a.callback).cmp(&(&b.project, &b.callback)));
        Ok(WebhookList { webhooks })
    }

    fn webhook(&self, key: &WebhookKey, access: &Access) -> Result<WebhookDetail, RequestError> {
        access.scope.require(&key.project)?;
        let webhook = self.webhooks.find(key)?;
        let settings = self.webhooks.with(|in_force| {
            let set = in_force.set(key).map(|set| &set.settings);
            set.or(in_force.section(key)).map(masked)
        });
        let webhook = self.webhook_status(key, &webhook.host(), &self.lane_statuses());
        Ok(WebhookDetail { webhook, settings: settings.unwrap_or_default() })
    }

    fn set_webhook(
        &self,
        key: &WebhookKey,
        change: &Value,
        revision: Option<u64>,
        access: &Access,
    ) -> Result<WebhookDetail, RequestError> {
        access.scope.require(&key.project)?;
        self.webhooks.set(key, change, revision, access)?;
        self.webhook(key, access)
    }

    fn remove_webhook(
        &self,
        key: &WebhookKey,
        revision: Option<u64>,
        access: &Access,
    ) -> Result<WebhookKey, RequestError> {
        access.scope.require(&key.project)?;
        self.webhooks.remove(key, revision, access)?;
        Ok(key.clone())
    }

    fn apply_webhooks(&self, request: &ApplyRequest, access: &Access) -> Result<ApplyResult, RequestError> {
        access.scope.require_all()?;
        self.webhooks.apply(request, access)
    }

    fn signing_secrets(&self, key: &WebhookKey, access: &Access) -> Result<SigningSecretList, RequestError> {
        access.scope.require(&key.project)?;
        self.webhooks.signing_secrets(key, access)
    }

    fn rotate_secret(&self, request: &RotateRequest, access: &Access) -> Result<RotateResult, RequestError> {
        access.scope.require(&request.project)?;
        self.webhooks.rotate(request, access)
    }

    fn export_webhooks(&self, access: &Access) -> Result<String, RequestError> {
        let is_own = |set: &&SetWebhook| access.scope.holds(&set.key.project);
        self.webhooks.with(|in_force| in_force.all_set().iter().filter(is_own).map(section).collect())
    }

    fn pause(&self, request: &PauseRequest, access: &Access) -> Result<PauseResult, RequestError> {
        self.pause_lanes(request, access)
    }

    fn resume(&self, request: &PauseRequest, access: &Access) -> Result<PauseResult, RequestError> {
        self.resume_lanes(request, access)
    }

    fn skip(&self, request: &SkipRequest, access: &Access) -> Result<SkipResult, RequestError> {
        self.skip_records(request, access)
    }

    fn test_webhook(&self, request: &TestRequest, access: &Access) -> Result<TestResult, RequestError> {
        self.send_test(request, access)
    }
}

impl Controller {
    /// A webhook, with those of `lanes` that it answers for.
    fn webhook_status(&self, key: &WebhookKey, host: &str, lanes: &[LaneStatus]) -> WebhookStatus {
        let routes = self.webhooks.routes();
        let is_its_lane = |lane: &&LaneStatus| {
            routes.find(&lane.project, lane.callback).is_some_and(|webhook| key_of(webhook) == *key)
        };
        let of_set = |set: &SetWebhook| (set.revision, set.changed_at.to_rfc3339());
        let (revision, changed_at) = self.webhooks.with(|in_force| in_force.set(key).map(of_set)).unzip();
        WebhookStatus {
            project: key.project.clone(),
            callback: key.callback.clone(),
            host: host.to_owned(),
            origin: if revision.is_some() { WebhookOrigin::Set } else { WebhookOrigin::File },
            revision,
            changed_at,
            lanes: lanes.iter().filter(is_its_lane).cloned().collect(),
        }
    }
}

/// A webhook that was set, as a section of a settings file.
fn section(set: &SetWebhook) -> Result<String, RequestError> {
    let mut section = set.settings.clone();
    if let Some(fields) = section.as_object_mut() {
        fields.insert("project".to_owned(), Value::from(set.key.project.as_str()));
        fields.insert("callback".to_owned(), Value::from(set.key.callback.as_str()));
    }
    let text = toml::to_string(&serde_json::json!({ "webhook": [section] }));
    let text =
        text.map_err(|error| RequestError::Internal(format!("write the webhooks as TOML: {error}")))?;
    Ok(text + "\n")
}
