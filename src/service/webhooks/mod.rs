//! The webhooks in force: those of the settings file, of `webhooks.query`, and those set while the sidecar runs.
//!
//! For the same project and callback, one that is set comes before one of the query, and that before one of the
//! file. A change is checked as the settings file is, then stored, and only then in force.

mod checks;
mod in_force;
mod plan;
mod query;
mod query_watch;
mod rotation;
mod secrets;
mod tenant;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use self::checks::{check_revision, shown, without_key};
use self::in_force::{Checked, InForce};
use super::audit::{Audit, Entry};
use super::logged_warnings::LoggedWarnings;
use crate::admin::{
    Access, ApplyRequest, ApplyResult, PlannedAction, PlannedChange, RequestError, WebhookKey,
};
use crate::alert;
use crate::capture::Capture;
use crate::clock::Clock;
use crate::deliver::{Deliver, Pauses, Routes, Webhook, url_fingerprint};
use crate::settings::{InvalidSettings, Settings, WebhookQuery, merged_settings, whole_settings};
use crate::spool::{Fact, Op, Opened, Spool, SpoolError, WebhookChange};

pub(super) use self::in_force::{SetWebhook, key_of};
pub(super) use self::query_watch::{read, until_read, watch};

/// The webhooks of the running sidecar.
pub(super) struct Webhooks {
    spool: Spool,
    clock: Clock,
    audit: Arc<Audit>,
    capture: Arc<Capture>,
    deliver: Arc<Deliver>,
    /// Every reader has a receiver of this one.
    routes: watch::Sender<Arc<Routes>>,
    /// Held while a change is checked, stored and put in force.
    in_force: Mutex<InForce>,
    pauses: Mutex<Pauses>,
    warnings: Mutex<LoggedWarnings>,
    /// `webhooks.query`, as it was read last.
    query: watch::Sender<Option<WebhookQuery>>,
    /// Why capture and delivery wait for the query's first list.
    unread: watch::Sender<Option<String>>,
    /// Takes changes of webhooks, for alerts.
    observe: mpsc::UnboundedSender<alert::Event>,
}

impl Webhooks {
    /// Reads those in the spool. Where one cannot be used, nothing starts: its records would go elsewhere.
    fn read(spool: &Spool, settings: &Settings) -> Result<InForce, InvalidSettings> {
        let stored = spool.reader().and_then(|reader| reader.webhooks());
        let stored =
            stored.map_err(|error| InvalidSettings(vec![format!("read the spool's webhooks: {error}")]))?;
        InForce::new(settings, stored)
    }

    /// Delivery has the pauses that the spool holds when it returns.
    pub(super) fn start(
        in_force: InForce,
        routes: watch::Sender<Arc<Routes>>,
        opened: &Opened,
        clock: Clock,
        (capture, deliver, observe): (&Arc<Capture>, &Arc<Deliver>, mpsc::UnboundedSender<alert::Event>),
    ) -> anyhow::Result<Arc<Self>> {
        let json = opened.facts.get(&Fact::Pauses);
        let pauses = json.map_or(Ok(Pauses::default()), |json| serde_json::from_slice(json));
        let pauses = pauses.context("read the spool's pauses")?;
        deliver.pause(pauses.clone()).context("keep the pauses of lanes")?;
        let in_force = sealed_again(in_force, &opened.spool, clock)?;
        log_unused(&in_force);
        let mut warnings = LoggedWarnings::default();
        warnings.log(&in_force.routes());
        Ok(Arc::new(Self {
            spool: opened.spool.clone(),
            clock,
            audit: Arc::new(Audit::new(&opened.spool, clock)),
            capture: Arc::clone(capture),
            deliver: Arc::clone(deliver),
            routes,
            query: watch::Sender::new(in_force.sources().query.clone()),
            unread: watch::Sender::new(in_force.unread()),
            in_force: Mutex::new(in_force),
            pauses: Mutex::new(pauses),
            warnings: Mutex::new(warnings),
            observe,
        }))
    }

    /// The audit log.
    pub(super) fn audit(&self) -> &Arc<Audit> {
        &self.audit
    }

    /// The pauses that stand. To be held while they are changed.
    pub(super) fn pauses(&self) -> MutexGuard<'_, Pauses> {
        self.pauses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the settings file has now, with those in the spool. Wrong ones change nothing.
    pub(super) fn reload(&self, settings: &Settings) -> Result<(), InvalidSettings> {
        let mut in_force = self.lock();
        *in_force = in_force.with_settings(settings)?;
        log_unused(&in_force);
        self.publish(&in_force);
        self.unread.send_replace(in_force.unread());
        self.query.send_if_modified(|query| {
            let is_new = *query != in_force.sources().query;
            query.clone_from(&in_force.sources().query);
            is_new
        });
        Ok(())
    }

    /// Why capture and delivery wait: it is not known yet which records have a webhook.
    pub(super) fn unread(&self) -> watch::Receiver<Option<String>> {
        self.unread.subscribe()
    }

    /// All in force.
    pub(super) fn routes(&self) -> Arc<Routes> {
        self.routes.borrow().clone()
    }

    /// The one in force for this project and callback, as a webhook names them.
    pub(super) fn find(&self, key: &WebhookKey) -> Result<Arc<Webhook>, RequestError> {
        let routes = self.routes();
        let found = routes.all().find(|webhook| key_of(webhook) == *key).map(Arc::clone);
        found.ok_or_else(|| {
            RequestError::NotFound(format!(
                "there is no webhook for {}: `sidecar webhooks list` lists them",
                shown(key)
            ))
        })
    }

    /// Calls `read` with what is in force.
    pub(super) fn with<T>(&self, read: impl FnOnce(&InForce) -> T) -> T {
        read(&self.lock())
    }

    /// Sets what `change` has, and keeps the rest.
    pub(super) fn set(
        &self,
        key: &WebhookKey,
        change: &Value,
        revision: Option<u64>,
        access: &Access,
    ) -> Result<(), RequestError> {
        self.change((key, revision), change, access, merged_settings)
    }

    /// Sets what `whole` has, and nothing else.
    pub(super) fn replace(
        &self,
        key: &WebhookKey,
        whole: &Value,
        revision: Option<u64>,
        access: &Access,
    ) -> Result<(), RequestError> {
        self.change((key, revision), whole, access, |_, whole| whole_settings(whole))
    }

    /// Sets what `new` makes of the settings before and of those that are given. Where these are the same, nothing is
    /// changed.
    fn change(
        &self,
        (key, revision): (&WebhookKey, Option<u64>),
        given: &Value,
        access: &Access,
        new: impl Fn(&Value, &Value) -> Result<Value, InvalidSettings>,
    ) -> Result<(), RequestError> {
        let mut in_force = self.unlocked()?;
        let before = in_force.set(key);
        check_revision(key, before, revision)?;
        let nothing = json!({});
        let old = before.map_or(&nothing, |set| &set.settings);
        tenant::check_change(access, given)?;
        let settings = without_key(key, given).and_then(|given| Ok(new(old, &given)?))?;
        let class = before.map(SetWebhook::class);
        let set_by = tenant::set_by(access, class, &settings);
        let is_same = class == Some((&settings, set_by));
        let checked = in_force.check(key, settings, set_by)?;
        if is_same { Ok(()) } else { self.put(&mut in_force, checked, access) }
    }

    /// Removes one that was set.
    pub(super) fn remove(
        &self,
        key: &WebhookKey,
        revision: Option<u64>,
        access: &Access,
    ) -> Result<(), RequestError> {
        let mut in_force = self.unlocked()?;
        let before = in_force.set(key).ok_or_else(|| not_set(key))?;
        check_revision(key, Some(before), revision)?;
        self.store(&mut in_force, vec![removal(key)], Vec::new())?;
        self.changed(&access.caller, key, None);
        self.audit.flush();
        Ok(())
    }

    /// Makes those that are set equal to a list, all at once.
    pub(super) fn apply(&self, request: &ApplyRequest, access: &Access) -> Result<ApplyResult, RequestError> {
        let mut in_force = self.unlocked()?;
        let wanted = plan::wanted(&request.webhooks)?;
        let result = plan::plan(&in_force, &wanted);
        let mut checked = Vec::new();
        for (key, settings) in wanted {
            let settings = whole_settings(&settings)?;
            let set_by = tenant::set_by(access, in_force.set(&key).map(SetWebhook::class), &settings);
            checked.push(in_force.check(&key, settings, set_by)?);
        }
        if request.dry_run || result.changes.is_empty() {
            return Ok(result);
        }
        let changed: BTreeSet<WebhookKey> = result.changes.iter().map(PlannedChange::key).collect();
        checked.retain(|checked| changed.contains(&checked.key));
        let removed = result.changes.iter().filter(|change| change.action == PlannedAction::Remove);
        let removals = removed.map(|change| removal(&change.key()));
        let changes = checked.iter().map(WebhookChange::from).chain(removals).collect();
        let urls: BTreeMap<WebhookKey, Arc<Webhook>> =
            checked.iter().map(|checked| (checked.key.clone(), Arc::clone(&checked.webhook))).collect();
        self.store(&mut in_force, changes, checked)?;
        for change in &result.changes {
            let key = change.key();
            self.changed(&access.caller, &key, urls.get(&key).map(|webhook| &**webhook));
        }
        self.audit.flush();
        Ok(result)
    }

    /// Stores a webhook, and puts it in force.
    fn put(&self, in_force: &mut InForce, checked: Checked, access: &Access) -> Result<(), RequestError> {
        let (key, webhook) = (checked.key.clone(), checked.webhook.clone());
        self.store(in_force, vec![WebhookChange::from(&checked)], vec![checked])?;
        self.changed(&access.caller, &key, Some(&webhook));
        self.audit.flush();
        Ok(())
    }

    /// Stores changes, and puts them in force.
    fn store(
        &self,
        in_force: &mut InForce,
        changes: Vec<WebhookChange>,
        checked: Vec<Checked>,
    ) -> Result<(), SpoolError> {
        self.spool.apply(Op::SetWebhooks { changes, at: self.clock.wall() })?;
        let stored = self.spool.reader()?.webhooks()?;
        in_force.replace(stored, checked);
        self.publish(in_force);
        Ok(())
    }

    /// Logs a change, and raises an alert; `None`: the webhook was removed.
    fn changed(&self, by: &dyn fmt::Display, key: &WebhookKey, webhook: Option<&Webhook>) {
        let (message, what) = match webhook {
            Some(_) => ("a webhook was set", "set"),
            None => ("a webhook was removed", "removed"),
        };
        self.record(by, key, webhook, message);
        let _ = self.observe.send(alert::Event::Webhook(alert::WebhookChange {
            project: key.project.clone(),
            callback: key.callback.clone(),
            what,
            host: webhook.map(|webhook| webhook.host().to_string()).unwrap_or_default(),
            fingerprint: webhook.map(fingerprint).unwrap_or_default(),
        }));
    }

    /// Of the URL, the audit log has the host and a fingerprint.
    fn record(&self, by: &dyn fmt::Display, key: &WebhookKey, webhook: Option<&Webhook>, what: &'static str) {
        let (host, url) = (webhook.map(Webhook::host), webhook.map(fingerprint));
        let about = Entry::about(what, Some(&key.project));
        let callback = Some(key.callback.as_str());
        let entry = Entry { callback, host: host.as_deref(), url: url.as_deref(), ..about };
        self.audit.submit(by, entry);
    }

    fn publish(&self, in_force: &InForce) {
        let routes = Arc::new(in_force.routes());
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).log(&routes);
        self.routes.send_replace(routes);
        self.capture.routes_changed();
        let (in_flight_max, host_limits, lane_bytes_max, surge) = in_force.limits();
        self.deliver.routes_changed(in_flight_max, host_limits, lane_bytes_max, surge);
    }

    /// To set and remove webhooks, where `webhooks.from` allows it.
    fn unlocked(&self) -> Result<MutexGuard<'_, InForce>, RequestError> {
        let in_force = self.lock();
        in_force.sources().locked().map_or(Ok(in_force), |why| Err(RequestError::Conflict(why)))
    }

    fn lock(&self) -> MutexGuard<'_, InForce> {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn log_unused(in_force: &InForce) {
    let webhooks = in_force.all_set().len();
    if webhooks > 0 && in_force.sources().locked().is_some() {
        tracing::warn!(
            webhooks,
            "webhooks that were set by the page, the API or `sidecar webhooks` are not used: `webhooks.from` does not \
             have \"page\""
        );
    }
}

/// Encrypts secrets again that were encrypted with another key than the first, so that their key can be removed
/// from the list.
fn sealed_again(mut in_force: InForce, spool: &Spool, clock: Clock) -> anyhow::Result<InForce> {
    let changes = in_force.outdated().map_err(|refused| anyhow::anyhow!(refused.join("; ")))?;
    if changes.is_empty() {
        return Ok(in_force);
    }
    let webhooks = changes.len();
    let stored = spool.apply(Op::SetWebhooks { changes, at: clock.wall() });
    let stored = stored.and_then(|_| spool.reader()?.webhooks());
    in_force.replace(stored.context("encrypt secrets with the first of `spool.key`")?, Vec::new());
    tracing::info!(webhooks, "secrets in the spool were encrypted again, with the first of `spool.key`");
    Ok(in_force)
}

impl From<&Checked> for WebhookChange {
    fn from(checked: &Checked) -> Self {
        let WebhookKey { project, callback } = checked.key.clone();
        Self { project, callback, settings: Some(checked.stored.clone()) }
    }
}

fn removal(key: &WebhookKey) -> WebhookChange {
    let WebhookKey { project, callback } = key.clone();
    WebhookChange { project, callback, settings: None }
}

fn not_set(key: &WebhookKey) -> RequestError {
    RequestError::NotFound(format!(
        "no webhook was set for {}: `sidecar webhooks list` shows those that were; one of the settings file or of `webhooks.query` is changed there",
        shown(key)
    ))
}

/// What tells one URL from another, without showing it.
fn fingerprint(webhook: &Webhook) -> String {
    url_fingerprint(&webhook.url.uri().to_string())
}

impl From<InvalidSettings> for RequestError {
    fn from(invalid: InvalidSettings) -> Self {
        Self::of_sentences(&invalid.0)
    }
}
