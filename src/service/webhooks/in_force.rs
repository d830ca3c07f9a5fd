//! The webhooks of all origins, as values.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::query::{QueryChanges, QueryList};
use super::secrets::{Unsealed, seal, unseal};
use super::tenant::{marked, take_mark};
use crate::admin::{WebhookKey, WebhookOrigin};
use crate::deliver::{HostLimits, Routes, SetBy, SurgeLimit, Webhook};
use crate::record::Callback;
use crate::settings::{
    InvalidSettings, RefusedRow, Settings, WebhookDefaults, WebhookSection, WebhookSections, WebhookSource,
    WebhookSources,
};
use crate::source::webhook_rows::WebhookRows;
use crate::spool::{SpoolKeys, StoredWebhook, WebhookChange};
use crate::time::Timestamp;

/// What is in force: the settings file's part as it was read last, the query's list, and those that were set.
pub(in crate::service) struct InForce {
    file: Routes,
    sections: WebhookSections,
    defaults: WebhookDefaults,
    limits: (usize, HostLimits, u64, Option<SurgeLimit>),
    /// `spool.key`
    keys: SpoolKeys,
    /// By key. Without "page" in `webhooks.from`, they are not used.
    set: Vec<SetWebhook>,
    sources: WebhookSources,
    query: QueryList,
}

/// A webhook that was set.
pub(in crate::service) struct SetWebhook {
    pub(in crate::service) key: WebhookKey,
    /// With the keys of a `[[webhook]]` section, but for project and callback.
    pub(in crate::service) settings: Value,
    pub(in crate::service) webhook: Arc<Webhook>,
    pub(in crate::service) revision: u64,
    pub(in crate::service) changed_at: Timestamp,
    /// In the spool, a secret of it is encrypted with another key than the first.
    pub(super) is_outdated: bool,
}

impl SetWebhook {
    /// Its settings, and whose they are.
    pub(super) fn class(&self) -> (&Value, SetBy) {
        (&self.settings, self.webhook.set_by)
    }
}

/// A read of the query failed.
pub(super) struct QueryFailure {
    pub(super) why: String,
    /// It did not fail so since the last success.
    pub(super) is_new: bool,
}

/// A change that was checked.
pub(super) struct Checked {
    pub(super) key: WebhookKey,
    pub(super) settings: Value,
    /// The settings as they are stored.
    pub(super) stored: String,
    pub(super) webhook: Arc<Webhook>,
}

impl InForce {
    /// Every one must be valid with these settings.
    pub(super) fn new(settings: &Settings, stored: Vec<StoredWebhook>) -> Result<Self, InvalidSettings> {
        let mut in_force = Self {
            file: settings.routes.clone(),
            sections: settings.webhook_sections.clone(),
            defaults: settings.webhook_defaults.clone(),
            limits: (
                settings.in_flight_max,
                settings.host_limits.clone(),
                settings.lane_bytes_max,
                settings.surge,
            ),
            keys: settings.spool_keys.clone(),
            set: Vec::new(),
            sources: settings.webhook_sources.clone(),
            query: QueryList::default(),
        };
        let set: Vec<_> = stored.into_iter().map(|stored| in_force.read(stored)).collect();
        let (set, wrong): (Vec<_>, Vec<_>) = set.into_iter().partition(Result::is_ok);
        in_force.set = set.into_iter().flatten().collect();
        let wrong: Vec<String> =
            wrong.into_iter().filter_map(Result::err).flat_map(|invalid| invalid.0).collect();
        if wrong.is_empty() { Ok(in_force) } else { Err(InvalidSettings(wrong)) }
    }

    /// The same with the settings file as it is now.
    pub(super) fn with_settings(&self, settings: &Settings) -> Result<Self, InvalidSettings> {
        let stored = self.set.iter().map(|set| StoredWebhook {
            project: set.key.project.clone(),
            callback: set.key.callback.clone(),
            settings: marked(&set.settings, set.webhook.set_by).to_string(),
            revision: set.revision,
            changed_at: set.changed_at,
        });
        let new = Self::new(settings, stored.collect())?;
        // The list of another query is in force until that was read.
        let query = match &new.sources.query {
            Some(_) => self.query.with_defaults(&new.defaults),
            None => QueryList::default(),
        };
        Ok(Self { query, ..new })
    }

    fn read(&self, stored: StoredWebhook) -> Result<SetWebhook, InvalidSettings> {
        let StoredWebhook { project, callback, settings, revision, changed_at } = stored;
        let of = format!(
            "the webhook of project `{project}`, callback `{callback}`, which was set by `sidecar webhooks`"
        );
        let key = WebhookKey { project, callback };
        let within = |why: String| format!("{of}: {why}");
        let settings: Value = serde_json::from_str(&settings)
            .map_err(|error| InvalidSettings(vec![within(error.to_string())]))?;
        let unsealed = unseal(settings, &key, &self.keys);
        let Unsealed { mut settings, is_outdated } =
            unsealed.map_err(|why| InvalidSettings(vec![within(why.to_string())]))?;
        let set_by = take_mark(&mut settings);
        let webhook = self.webhook(&key, &settings);
        let webhook =
            webhook.map_err(|invalid| InvalidSettings(invalid.0.into_iter().map(within).collect()))?;
        let webhook = Arc::new(self.owned(webhook, set_by));
        Ok(SetWebhook { key, settings, webhook, revision, changed_at, is_outdated })
    }

    /// The webhook as that of who set it.
    pub(super) fn owned(&self, webhook: Webhook, set_by: SetBy) -> Webhook {
        match set_by {
            SetBy::Operator => webhook,
            SetBy::Tenant => webhook.of_tenant(&self.defaults.limits),
        }
    }

    /// Checks settings as those of a webhook.
    pub(super) fn webhook(&self, key: &WebhookKey, settings: &Value) -> Result<Webhook, InvalidSettings> {
        let mut section = settings.clone();
        if let Some(fields) = section.as_object_mut() {
            fields.insert("project".to_owned(), json!(key.project));
            fields.insert("callback".to_owned(), json!(key.callback));
        }
        self.defaults.check(&section)
    }

    /// What is stored now. `checked` has what was changed.
    pub(super) fn replace(&mut self, stored: Vec<StoredWebhook>, checked: Vec<Checked>) {
        let old = std::mem::take(&mut self.set).into_iter();
        let mut known: BTreeMap<WebhookKey, (Value, Arc<Webhook>)> =
            old.map(|old| (old.key, (old.settings, old.webhook))).collect();
        known.extend(checked.into_iter().map(|new| (new.key, (new.settings, new.webhook))));
        self.set = stored
            .into_iter()
            .filter_map(|stored| {
                let StoredWebhook { project, callback, revision, changed_at, .. } = stored;
                let key = WebhookKey { project, callback };
                let (settings, webhook) = known.remove(&key)?;
                Some(SetWebhook { key, settings, webhook, revision, changed_at, is_outdated: false })
            })
            .collect();
    }

    /// Those that were set; for other projects and callbacks those of the query, then those of the file.
    pub(in crate::service) fn routes(&self) -> Routes {
        let set = self.set.iter().filter(|_| self.uses_page()).map(|set| &set.webhook);
        Routes::over(set.chain(self.query.webhooks()).map(Arc::clone).collect(), &self.file)
    }

    /// Takes what the query gave. `None`: it is no longer the query of the settings.
    pub(super) fn take_rows(
        &mut self,
        sql: &str,
        read: Result<WebhookRows, String>,
        at: Timestamp,
    ) -> Option<Result<QueryChanges, QueryFailure>> {
        self.sources.query.as_ref().filter(|query| query.sql == sql)?;
        let taken = read.and_then(|read| self.query.take(&self.defaults, read, at));
        Some(taken.map_err(|why| QueryFailure { is_new: self.query.failed(&why), why }))
    }

    /// Why records cannot be taken yet: the query was never read, and nobody knows which have a webhook.
    pub(super) fn unread(&self) -> Option<String> {
        self.sources.query.as_ref().filter(|_| self.query.read_at().is_none())?;
        Some(match self.query.error() {
            Some(why) => format!("`webhooks.query` was not read yet: {why}"),
            None => "`webhooks.query` was not read yet".to_owned(),
        })
    }

    /// Where the webhook in force for a key comes from.
    pub(in crate::service) fn origin(&self, key: &WebhookKey) -> WebhookOrigin {
        match (self.set(key), self.query.get(key)) {
            (Some(_), _) => WebhookOrigin::Set,
            (None, Some(_)) => WebhookOrigin::Query,
            (None, None) => WebhookOrigin::File,
        }
    }

    /// The place of the one that is in force for a key where none is set; `None`: there is none.
    pub(in crate::service) fn place_below(&self, key: &WebhookKey) -> Option<String> {
        if self.query.get(key).is_some() {
            return Some("webhooks.query".to_owned());
        }
        self.section(key).map(|section| section.place.clone())
    }

    /// Why a row of the query for this key is refused.
    pub(in crate::service) fn refused(&self, key: &WebhookKey) -> Option<&str> {
        let is_its = |row: &&RefusedRow| {
            row.project.as_deref() == Some(&key.project) && row.callback.as_deref() == Some(&key.callback)
        };
        self.query.refused().iter().find(is_its).map(|row| row.why.as_str())
    }

    pub(in crate::service) fn sources(&self) -> &WebhookSources {
        &self.sources
    }

    pub(in crate::service) fn query(&self) -> &QueryList {
        &self.query
    }

    /// The settings of the one in force for a key. They may hold secrets.
    pub(in crate::service) fn settings_of(&self, key: &WebhookKey) -> Option<Value> {
        if let Some(set) = self.set(key) {
            return Some(set.settings.clone());
        }
        if let Some(of_query) = self.query.get(key) {
            return serde_json::from_str(&of_query.row).ok();
        }
        self.section(key).map(|section| section.settings.clone())
    }

    fn uses_page(&self) -> bool {
        self.sources.from.contains(&WebhookSource::Page)
    }

    /// Those whose secrets are encrypted with another key than the first, as they are to be stored.
    pub(super) fn outdated(&self) -> Result<Vec<WebhookChange>, Vec<String>> {
        let outdated = self.set.iter().filter(|set| set.is_outdated);
        let change = |set: &SetWebhook| {
            let WebhookKey { project, callback } = set.key.clone();
            let settings = marked(&set.settings, set.webhook.set_by);
            let settings = Some(seal(&settings, &set.key, &self.keys)?);
            Ok(WebhookChange { project, callback, settings })
        };
        outdated.map(change).collect()
    }

    /// The keys that secrets are stored with.
    pub(super) fn keys(&self) -> &SpoolKeys {
        &self.keys
    }

    pub(super) fn limits(&self) -> (usize, HostLimits, u64, Option<SurgeLimit>) {
        self.limits.clone()
    }

    /// One that was set, and is used.
    pub(in crate::service) fn set(&self, key: &WebhookKey) -> Option<&SetWebhook> {
        if !self.uses_page() {
            return None;
        }
        let at = self.set.binary_search_by(|set| set.key.cmp(key)).ok()?;
        self.set.get(at)
    }

    /// All that were set, by project and callback, whether they are used or not.
    pub(in crate::service) fn all_set(&self) -> &[SetWebhook] {
        &self.set
    }

    /// One of the file, as written.
    fn section(&self, key: &WebhookKey) -> Option<&WebhookSection> {
        self.sections.0.iter().find(|section| {
            let is =
                |field: &str, value: &str| section.settings.get(field).is_some_and(|found| found == value);
            is("project", &key.project) && is("callback", &key.callback)
        })
    }
}

/// The key of a webhook.
pub(in crate::service) fn key_of(webhook: &Arc<Webhook>) -> WebhookKey {
    WebhookKey {
        project: webhook.project.clone().unwrap_or_else(|| "*".to_owned()),
        callback: webhook.callback.map_or("*", Callback::name).to_owned(),
    }
}
