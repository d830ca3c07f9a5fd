//! The webhooks that `webhooks.query` gave last, as values. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::admin::WebhookKey;
use crate::deliver::Webhook;
use crate::settings::{RefusedRow, WebhookDefaults, check_columns};
use crate::source::webhook_rows::WebhookRows;
use crate::time::Timestamp;

/// What the query gave last.
#[derive(Default)]
pub(in crate::service) struct QueryList {
    /// By key.
    webhooks: BTreeMap<WebhookKey, QueryWebhook>,
    /// Rows that are no webhook. Where a key had one before, that is kept.
    refused: BTreeSet<RefusedRow>,
    /// When it was read last.
    read_at: Option<Timestamp>,
    /// Why the last try failed.
    error: Option<String>,
    /// The failures since the last success.
    failures: BTreeSet<String>,
}

/// A webhook of a row.
#[derive(Clone)]
pub(in crate::service) struct QueryWebhook {
    /// The row, as JSON. It may hold secrets.
    pub(in crate::service) row: String,
    pub(in crate::service) webhook: Arc<Webhook>,
}

/// What a read changed.
#[derive(Default)]
pub(super) struct QueryChanges {
    /// Webhooks that are new or differ, and those that are gone.
    pub(super) webhooks: Vec<(WebhookKey, Option<Arc<Webhook>>)>,
    /// Rows that were not refused before.
    pub(super) refused: Vec<RefusedRow>,
    /// It was read, and was not before.
    pub(super) is_first: bool,
    /// The try before failed.
    pub(super) recovered: bool,
}

/// A row, read.
enum ReadRow {
    Refused(RefusedRow),
    Webhook(WebhookKey, QueryWebhook),
}

impl QueryList {
    /// Takes what was read. Rows that did not change keep their webhook, and with it its token.
    pub(super) fn take(
        &mut self,
        defaults: &WebhookDefaults,
        read: WebhookRows,
        at: Timestamp,
    ) -> Result<QueryChanges, String> {
        check_columns(&read.columns)?;
        let before = std::mem::take(&mut self.webhooks);
        let known: BTreeMap<&str, &WebhookKey> =
            before.iter().map(|(key, webhook)| (webhook.row.as_str(), key)).collect();
        let mut found: BTreeMap<WebhookKey, Vec<QueryWebhook>> = BTreeMap::new();
        let mut refused = BTreeSet::new();
        for row in read.rows {
            let same = known.get(row.as_str()).and_then(|key| before.get_key_value(*key));
            let row = match same {
                Some((key, webhook)) => Some(ReadRow::Webhook(key.clone(), webhook.clone())),
                None => read_row(defaults, row),
            };
            match row {
                Some(ReadRow::Refused(row)) => drop(refused.insert(row)),
                Some(ReadRow::Webhook(key, webhook)) => found.entry(key).or_default().push(webhook),
                None => {}
            }
        }
        let mut webhooks = BTreeMap::new();
        for (key, mut rows) in found {
            match (rows.pop(), rows.is_empty()) {
                (Some(webhook), true) => drop(webhooks.insert(key, webhook)),
                _ => drop(refused.insert(duplicate(&key))),
            }
        }
        keep_refused(&mut webhooks, &refused, &before);
        let changes = QueryChanges {
            webhooks: changes(&before, &webhooks),
            refused: refused.difference(&self.refused).cloned().collect(),
            is_first: self.read_at.is_none(),
            recovered: self.error.is_some(),
        };
        *self = Self { webhooks, refused, read_at: Some(at), ..Self::default() };
        Ok(changes)
    }

    /// The last list stays. Whether it did not fail so since the last success.
    pub(super) fn failed(&mut self, why: &str) -> bool {
        self.error = Some(why.to_owned());
        self.failures.len() < FAILURES_KEPT && self.failures.insert(why.to_owned())
    }

    /// Checks the rows again, with other defaults. What they do not allow any more is kept as it was.
    pub(super) fn with_defaults(&self, defaults: &WebhookDefaults) -> Self {
        let again = |(key, old): (&WebhookKey, &QueryWebhook)| {
            let webhook = match read_row(defaults, old.row.clone()) {
                Some(ReadRow::Webhook(_, new)) if *new.webhook != *old.webhook => new,
                _ => old.clone(),
            };
            (key.clone(), webhook)
        };
        Self {
            webhooks: self.webhooks.iter().map(again).collect(),
            refused: self.refused.clone(),
            read_at: self.read_at,
            error: self.error.clone(),
            failures: self.failures.clone(),
        }
    }

    pub(super) fn webhooks(&self) -> impl Iterator<Item = &Arc<Webhook>> {
        self.webhooks.values().map(|webhook| &webhook.webhook)
    }

    pub(super) fn get(&self, key: &WebhookKey) -> Option<&QueryWebhook> {
        self.webhooks.get(key)
    }

    pub(in crate::service) fn len(&self) -> usize {
        self.webhooks.len()
    }

    pub(in crate::service) fn refused(&self) -> &BTreeSet<RefusedRow> {
        &self.refused
    }

    pub(in crate::service) fn read_at(&self) -> Option<Timestamp> {
        self.read_at
    }

    pub(in crate::service) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }
}

/// A row that became wrong changes nothing, as a change that is refused elsewhere: its records are still taken.
fn keep_refused(
    webhooks: &mut BTreeMap<WebhookKey, QueryWebhook>,
    refused: &BTreeSet<RefusedRow>,
    before: &BTreeMap<WebhookKey, QueryWebhook>,
) {
    for row in refused {
        let (Some(project), Some(callback)) = (&row.project, &row.callback) else { continue };
        let key = WebhookKey { project: project.clone(), callback: callback.clone() };
        if let Some(old) = before.get(&key)
            && !webhooks.contains_key(&key)
        {
            webhooks.insert(key, old.clone());
        }
    }
}

fn changes(
    before: &BTreeMap<WebhookKey, QueryWebhook>,
    now: &BTreeMap<WebhookKey, QueryWebhook>,
) -> Vec<(WebhookKey, Option<Arc<Webhook>>)> {
    let differs = |key: &WebhookKey, webhook: &QueryWebhook| {
        before.get(key).is_none_or(|old| old.webhook != webhook.webhook)
    };
    let new = now.iter().filter(|(key, webhook)| differs(key, webhook));
    let gone = before.keys().filter(|key| !now.contains_key(*key));
    new.map(|(key, webhook)| (key.clone(), Some(Arc::clone(&webhook.webhook))))
        .chain(gone.map(|key| (key.clone(), None)))
        .collect()
}

fn read_row(defaults: &WebhookDefaults, row: String) -> Option<ReadRow> {
    let value = serde_json::from_str(&row).ok()?;
    Some(match defaults.row(value)? {
        Ok(read) => {
            let key = WebhookKey { project: read.project, callback: read.callback };
            ReadRow::Webhook(key, QueryWebhook { row, webhook: Arc::new(read.webhook) })
        }
        Err(refused) => ReadRow::Refused(refused),
    })
}

fn duplicate(key: &WebhookKey) -> RefusedRow {
    let why = "`webhook.callback`: several rows are for this project and callback: keep one".to_owned();
    RefusedRow { project: Some(key.project.clone()), callback: Some(key.callback.clone()), why }
}

/// Texts that differ from try to try are not all logged.
const FAILURES_KEPT: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::{HeaderNames, Limits};

    fn defaults() -> WebhookDefaults {
        WebhookDefaults { limits: Limits::default(), header_names: HeaderNames::new("sidecar").unwrap() }
    }

    fn take(list: &mut QueryList, rows: &[(&str, &str)]) -> QueryChanges {
        let columns = ["project", "callback", "url"].map(str::to_owned).to_vec();
        let row = |(project, url): &(&str, &str)| {
            serde_json::json!({"project": project, "callback": "*", "url": url}).to_string()
        };
        let read = WebhookRows { columns, rows: rows.iter().map(row).collect() };
        list.take(&defaults(), read, Timestamp(1)).unwrap()
    }

    fn urls(list: &QueryList) -> Vec<String> {
        list.webhooks().map(|webhook| webhook.url.uri().to_string()).collect()
    }

    #[test]
    fn only_what_differs_is_a_change() {
        let mut list = QueryList::default();
        assert!(take(&mut list, &[("a", "https://a/"), ("b", "https://b/")]).is_first);
        let kept =
            Arc::clone(&list.webhooks[&WebhookKey { project: "a".into(), callback: "*".into() }].webhook);
        let changes = take(&mut list, &[("c", "https://c/"), ("a", "https://a/")]);
        let names: Vec<_> =
            changes.webhooks.iter().map(|(key, webhook)| (key.project.as_str(), webhook.is_some())).collect();
        assert_eq!(names, [("c", true), ("b", false)]);
        assert!(Arc::ptr_eq(&kept, list.webhooks().next().unwrap()), "with its token");
        assert!(take(&mut list, &[("a", "https://a/"), ("c", "https://c/")]).webhooks.is_empty());
    }

    #[test]
    fn a_row_that_becomes_wrong_or_double_changes_nothing() {
        let mut list = QueryList::default();
        take(&mut list, &[("a", "https://a/"), ("b", "https://b/")]);
        let changes =
            take(&mut list, &[("a", "ftp://a/"), ("b", "https://b/"), ("b", "https://other/"), ("c", "x")]);
        assert!(changes.webhooks.is_empty());
        assert_eq!(changes.refused.len(), 3);
        assert_eq!(urls(&list), ["https://a/", "https://b/"]);
        assert!(take(&mut list, &[("a", "ftp://a/"), ("b", "https://b/"), ("c", "x")]).refused.is_empty());
        take(&mut list, &[("b", "https://b/")]);
        assert_eq!(urls(&list), ["https://b/"]);
    }

    #[test]
    fn a_failure_keeps_the_list_and_is_new_once() {
        let mut list = QueryList::default();
        take(&mut list, &[("a", "https://a/")]);
        let failures = ["no table", "no table", "no answer", "no table"].map(|why| list.failed(why));
        assert_eq!(failures, [true, false, true, false]);
        assert_eq!(urls(&list), ["https://a/"]);
        assert!(take(&mut list, &[("a", "https://a/")]).recovered && list.error().is_none());
    }
}
