//! Reads `webhooks.query` every few seconds, on a session of its own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Webhooks;
use super::in_force::{InForce, QueryFailure};
use super::query::QueryChanges;
use crate::clock::Clock;
use crate::settings::{InvalidSettings, RefusedRow, Settings, WebhookQuery};
use crate::source::Conninfo;
use crate::source::webhook_rows::{WebhookRows, WebhookTable};
use crate::spool::Spool;

/// As audit lines name it.
struct ByQuery;

/// Reads the webhooks in the spool, and the query before anything is captured or sent, so that a restart is no change
/// of webhooks. Where that takes too long, capture and delivery wait for the first list.
pub(in crate::service) async fn read(
    spool: &Spool,
    settings: &Settings,
    clock: Clock,
) -> Result<(InForce, WebhookTable), InvalidSettings> {
    let (mut in_force, mut table) = (Webhooks::read(spool, settings)?, WebhookTable::default());
    let Some(WebhookQuery { sql, .. }) = &settings.webhook_sources.query else {
        return Ok((in_force, table));
    };
    let read = tokio::time::timeout(FIRST_READ, table.read(&settings.conninfo, sql)).await;
    let Ok(read) = read else { return Ok((in_force, table)) };
    match in_force.take_rows(sql, read.map_err(|error| error.to_string()), clock.wall()) {
        Some(Ok(changes)) => log_changes(&changes, in_force.query().len()),
        Some(Err(failure)) => log_failure(&failure, &in_force),
        None => {}
    }
    Ok((in_force, table))
}

/// Reads for ever.
pub(in crate::service) async fn watch(webhooks: Arc<Webhooks>, mut table: WebhookTable, conninfo: Conninfo) {
    let mut queries = webhooks.query.subscribe();
    loop {
        let query = queries.borrow_and_update().clone();
        let wait = match query {
            None => {
                table = WebhookTable::default();
                None
            }
            Some(WebhookQuery { sql, refresh }) => {
                let read = table.read(&conninfo, &sql).await.map_err(|error| error.to_string());
                let webhooks = Arc::clone(&webhooks);
                // It waits for a lock that is held while a change is written to the disk.
                let taken = tokio::task::spawn_blocking(move || webhooks.take_rows(&sql, read)).await;
                if let Err(error) = taken {
                    tracing::error!("take the rows of `webhooks.query`: {error}");
                }
                Some(refresh)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
            changed = queries.changed() => if changed.is_err() {
                return;
            }
        }
    }
}

impl Webhooks {
    fn take_rows(&self, sql: &str, read: Result<WebhookRows, String>) {
        let mut in_force = self.lock();
        let Some(taken) = in_force.take_rows(sql, read, self.clock.wall()) else { return };
        match taken {
            Ok(changes) => {
                log_changes(&changes, in_force.query().len());
                if !changes.webhooks.is_empty() {
                    self.publish(&in_force);
                    self.announce(&changes);
                }
            }
            Err(failure) => log_failure(&failure, &in_force),
        }
        self.unread.send_replace(in_force.unread());
    }

    /// Logs the changes, and raises alerts. The first list is none.
    fn announce(&self, changes: &QueryChanges) {
        if changes.is_first {
            return;
        }
        for (key, webhook) in changes.webhooks.iter().take(NAMED_MAX) {
            self.changed(&ByQuery, key, webhook.as_deref());
        }
        self.audit.flush();
        let more = changes.webhooks.len().saturating_sub(NAMED_MAX);
        if more > 0 {
            tracing::info!(target: "sidecar::audit", webhooks = more, by = %ByQuery, "more webhooks were set or removed");
        }
    }
}

/// Waits until it is known which records have a webhook. `false`: the process stops before.
pub(in crate::service) async fn until_read(
    mut unread: watch::Receiver<Option<String>>,
    mut stop: watch::Receiver<bool>,
    mut waits: impl FnMut(String),
) -> bool {
    loop {
        match unread.borrow_and_update().clone() {
            None => return !*stop.borrow(),
            Some(why) => waits(why),
        }
        tokio::select! {
            changed = unread.changed() => if changed.is_err() {
                return false;
            },
            _ = stop.wait_for(|stop| *stop) => return false,
        }
    }
}

fn log_changes(changes: &QueryChanges, webhooks: usize) {
    if changes.is_first || changes.recovered {
        tracing::info!(webhooks, "`webhooks.query` was read");
    }
    for RefusedRow { project, callback, why } in changes.refused.iter().take(NAMED_MAX) {
        tracing::warn!(project, callback, "a row of `webhooks.query` is refused, and changes nothing: {why}");
    }
    let more = changes.refused.len().saturating_sub(NAMED_MAX);
    if more > 0 {
        tracing::warn!(rows = more, "more rows of `webhooks.query` are refused: see `sidecar status --json`");
    }
}

fn log_failure(failure: &QueryFailure, in_force: &InForce) {
    let QueryFailure { why, is_new } = failure;
    if !is_new {
        tracing::debug!("again: `webhooks.query`: {why}");
    } else if in_force.unread().is_some() {
        tracing::warn!("`webhooks.query`: {why}; there is no earlier list, and a start waits for the first");
    } else {
        tracing::warn!("`webhooks.query`: {why}; the webhooks of its last list stay in force");
    }
}

impl fmt::Display for ByQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("webhooks.query")
    }
}

/// What the start waits for.
const FIRST_READ: Duration = Duration::from_secs(3);
/// Changes and refusals of one read that are logged by name.
const NAMED_MAX: usize = 20;
