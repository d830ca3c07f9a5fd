//! Webhooks on request: listed, shown, changed, exported.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::Controller;
use crate::admin::{
    Access, ApplyRequest, ApplyResult, LaneStatus, OriginCounts, PauseRequest, PauseResult, RequestError,
    RotateRequest, RotateResult, SigningSecretList, SkipRequest, SkipResult, TestRequest, TestResult,
    WebhookControl, WebhookDetail, WebhookKey, WebhookList, WebhookOrigin, WebhookStatus,
};
use crate::deliver::{Routes, Webhook};
use crate::service::webhooks::{SetWebhook, key_of};
use crate::settings::masked;

impl WebhookControl for Controller {
    fn webhooks(&self, access: &Access) -> Result<WebhookList, RequestError> {
        let routes = self.webhooks.routes();
        let mut lanes = lanes_by_webhook(&routes, self.lane_statuses());
        let mut webhooks: Vec<WebhookStatus> = routes
            .all()
            .filter(|webhook| access.scope.holds(&key_of(webhook).project))
            .map(|webhook| {
                let key = key_of(webhook);
                let lanes = lanes.remove(&key).unwrap_or_default();
                self.webhook_status(&key, webhook, lanes)
            })
            .collect();
        webhooks.sort_by(|a, b| (&a.project, &a.callback).cmp(&(&b.project, &b.callback)));
        Ok(WebhookList { webhooks, sources: self.webhook_sources(&access.scope) })
    }

    fn webhook(&self, key: &WebhookKey, access: &Access) -> Result<WebhookDetail, RequestError> {
        access.scope.require(&key.project)?;
        let webhook = self.webhooks.find(key)?;
        let lanes = lanes_by_webhook(&self.webhooks.routes(), self.lane_statuses()).remove(key);
        Ok(self.webhook_detail(key, &webhook, lanes.unwrap_or_default()))
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

    fn replace_webhook(
        &self,
        key: &WebhookKey,
        whole: &Value,
        revision: Option<u64>,
        access: &Access,
    ) -> Result<WebhookDetail, RequestError> {
        access.scope.require(&key.project)?;
        self.webhooks.replace(key, whole, revision, access)?;
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
        let set: Result<String, RequestError> =
            self.webhooks.with(|in_force| in_force.all_set().iter().filter(is_own).map(section).collect());
        let OriginCounts { file, query, .. } = self.webhook_sources(&access.scope).counts;
        let mut text = set?;
        for (webhooks, place) in [(file, "[[webhook]] of the settings"), (query, "`webhooks.query`")] {
            if webhooks > 0 {
                let _ = writeln!(text, "# Not exported: {webhooks} of {place}.");
            }
        }
        Ok(text)
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
    /// A webhook with its settings, without its secrets.
    pub(super) fn webhook_detail(
        &self,
        key: &WebhookKey,
        webhook: &Webhook,
        lanes: Vec<LaneStatus>,
    ) -> WebhookDetail {
        let (settings, refused, locked) = self.webhooks.with(|in_force| {
            let settings = in_force.settings_of(key).as_ref().map(masked);
            (settings, in_force.refused(key).map(str::to_owned), in_force.sources().locked())
        });
        let webhook = self.webhook_status(key, webhook, lanes);
        WebhookDetail { webhook, settings: settings.unwrap_or_default(), locked, refused }
    }

    /// A webhook, with the lanes that it answers for.
    fn webhook_status(&self, key: &WebhookKey, webhook: &Webhook, lanes: Vec<LaneStatus>) -> WebhookStatus {
        let of_set = |set: &SetWebhook| (set.revision, set.changed_at.to_rfc3339());
        let (origin, set_in, set) = self.webhooks.with(|in_force| {
            let origin = in_force.origin(key);
            let set_in = in_force.place_below(key).filter(|_| origin != WebhookOrigin::Set);
            (origin, set_in, in_force.set(key).map(of_set))
        });
        let (revision, changed_at) = set.unzip();
        WebhookStatus {
            project: key.project.clone(),
            callback: key.callback.clone(),
            host: webhook.host().to_string(),
            origin,
            set_in,
            revision,
            changed_at,
            lanes,
        }
    }
}

/// The lanes that each webhook answers for.
fn lanes_by_webhook(routes: &Routes, lanes: Vec<LaneStatus>) -> BTreeMap<WebhookKey, Vec<LaneStatus>> {
    let mut by_webhook: BTreeMap<WebhookKey, Vec<LaneStatus>> = BTreeMap::new();
    for lane in lanes {
        if let Some(webhook) = routes.find(&lane.project, lane.callback) {
            by_webhook.entry(key_of(webhook)).or_default().push(lane);
        }
    }
    by_webhook
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
    Ok(format!("# Set at {}, revision {}.\n{text}\n", set.changed_at.to_rfc3339(), set.revision))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::record::Callback;

    fn lane(project: usize, callback: Callback) -> LaneStatus {
        let text = format!(
            r#"{{"project": "p{project}", "callback": "{callback}", "state": "idle", "failures": 0, "pending":
            {{"records": 0, "bytes": 0, "oldest_seconds": null}}, "next_attempt_in_seconds": null,
            "last_outcome": null, "reason": null}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn thirty_thousand_lanes_are_found_by_their_webhooks_in_a_moment() {
        let of = |project: usize, callback| Webhook {
            project: Some(format!("p{project}")),
            callback: Some(callback),
            ..Webhook::new(hyper::Uri::from_static("http://h/").into())
        };
        let each = || (0..10_000).flat_map(|project| Callback::ALL.map(|callback| (project, callback)));
        let routes = Routes::new(each().map(|(project, callback)| of(project, callback)).collect()).unwrap();
        let lanes: Vec<LaneStatus> = each().map(|(project, callback)| lane(project, callback)).collect();
        let before = Clock::now();
        let by_webhook = lanes_by_webhook(&routes, lanes);
        let took = Clock::now().since(before);
        assert_eq!(by_webhook.len(), 30_000);
        assert!(by_webhook.values().all(|lanes| lanes.len() == 1));
        // A loop over all webhooks for each lane takes minutes.
        assert!(took.as_millis() < 1_000, "{took:?}");
    }
}
