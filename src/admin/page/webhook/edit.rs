//! The form of a webhook, and the question before it is removed. Pure.

use askama::Template;
use serde_json::Value;

use super::change::auth_kind;
use crate::admin::access::Capability;
use crate::admin::api::{WebhookDetail, WebhookKey, WebhookOrigin};
use crate::admin::page::form::Form;
use crate::admin::page::texts as t;
use crate::admin::page::times::Fact;
use crate::admin::page::visit::{Links, Visit};

#[derive(Template)]
#[template(path = "webhook.html")]
#[allow(clippy::struct_excessive_bools, reason = "each shows or hides one part of the form")]
pub(super) struct Edit {
    links: Links,
    key: WebhookKey,
    title: String,
    form: Form,
    /// Where a URL is not in the form, as it refers to elsewhere.
    url_reference: Option<String>,
    /// Names of the headers that are stored.
    headers: Vec<String>,
    auth_before: Option<&'static str>,
    has_secret: bool,
    is_stored: bool,
    is_of_file: bool,
    /// Why it cannot be changed here.
    locked: Option<String>,
    takes_properties: bool,
    can_manage: bool,
    can_rotate: bool,
}

impl Edit {
    pub(super) fn of(key: WebhookKey, stored: Option<&WebhookDetail>, form: Form, visit: &Visit) -> Self {
        let nothing = Value::Null;
        let settings = stored.map_or(&nothing, |stored| &stored.settings);
        let url = &settings["url"];
        let headers = settings["headers"].as_object().into_iter().flatten().map(|(name, _)| name.clone());
        let can = |capability| visit.access.can.contains(&capability);
        let has_secret = !settings["secret"].is_null();
        Self {
            links: visit.links.clone(),
            title: t::webhook::title(&key.project, &key.callback),
            form,
            url_reference: url.is_object().then(|| url.to_string()),
            headers: headers.collect(),
            auth_before: auth_kind(&settings["auth"]),
            has_secret,
            is_stored: stored.is_some(),
            is_of_file: stored.is_some_and(|stored| stored.webhook.origin != WebhookOrigin::Set),
            locked: stored.and_then(|stored| stored.locked.clone()),
            takes_properties: matches!(key.callback.as_str(), "modified" | "*"),
            can_manage: can(Capability::Manage) && stored.is_none_or(|stored| stored.locked.is_none()),
            can_rotate: has_secret && can(Capability::Secret),
            key,
        }
    }

    /// Whether the box of a property is checked: without a filter, all are.
    fn takes(&self, property: &str) -> bool {
        self.form.all("properties").next().is_none() || self.form.has("properties", property)
    }

    fn is_auth(&self, kind: &str) -> bool {
        self.form.value("auth") == kind
    }
}

#[derive(Template)]
#[template(path = "webhook_remove.html")]
pub(super) struct Remove {
    links: Links,
    key: WebhookKey,
    title: String,
    host: String,
    revision: u64,
    error: Option<Fact>,
}

impl Remove {
    pub(super) fn of(key: WebhookKey, stored: &WebhookDetail, error: Option<Fact>, visit: &Visit) -> Self {
        Self {
            links: visit.links.clone(),
            title: t::webhook::title(&key.project, &key.callback),
            host: stored.webhook.host.clone(),
            revision: stored.webhook.revision.unwrap_or(0),
            error,
            key,
        }
    }
}
