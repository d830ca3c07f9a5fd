//! Webhooks as rows.

use rusqlite::{Connection, Row, params};

use super::error::failed;
use super::row_bytes::RowBytes;
use super::store::Store;
use crate::spool::error::SpoolError;
use crate::spool::ops::Done;
use crate::spool::stored_webhook::{StoredWebhook, WebhookChange};
use crate::time::Timestamp;

impl StoredWebhook {
    pub(super) fn row_bytes(&self) -> RowBytes {
        let Self { project, callback, settings, revision, changed_at } = self;
        RowBytes::of("webhook")
            .text(project)
            .text(callback)
            .text(settings)
            .number(*revision)
            .signed(changed_at.0)
    }
}

impl Store {
    /// Sets and removes webhooks. Each that is set gets the next revision.
    pub(super) fn set_webhooks(
        &mut self,
        changes: &[WebhookChange],
        at: Timestamp,
    ) -> Result<Done, SpoolError> {
        for WebhookChange { project, callback, settings } in changes {
            self.execute(
                "DELETE FROM webhook WHERE project = ?1 AND callback = ?2",
                params![project, callback],
            )?;
            let Some(settings) = settings else { continue };
            let last: i64 =
                self.one("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'webhook'", [])?;
            let webhook = StoredWebhook {
                project: project.clone(),
                callback: callback.clone(),
                settings: settings.clone(),
                revision: last.cast_unsigned() + 1,
                changed_at: at,
            };
            self.execute(
                "INSERT INTO webhook (revision, project, callback, settings, changed_at, sum) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    webhook.revision.cast_signed(),
                    project,
                    callback,
                    settings,
                    at.0,
                    webhook.row_bytes().sum()
                ],
            )?;
        }
        Ok(Done::Ok)
    }
}

/// All webhooks, by project and callback.
pub(super) fn all_webhooks(connection: &Connection) -> Result<Vec<StoredWebhook>, SpoolError> {
    let sql = "SELECT project, callback, settings, revision, changed_at, sum FROM webhook ORDER BY project, callback";
    let mut found = connection.prepare_cached(sql).map_err(failed)?;
    let rows = found.query_map([], read_webhook).and_then(Iterator::collect::<Result<Option<Vec<_>>, _>>);
    rows.map_err(failed)?.ok_or_else(|| SpoolError::Damaged("a webhook".into()))
}

fn read_webhook(row: &Row<'_>) -> rusqlite::Result<Option<StoredWebhook>> {
    let webhook = StoredWebhook {
        project: row.get(0)?,
        callback: row.get(1)?,
        settings: row.get(2)?,
        revision: row.get::<_, i64>(3)?.cast_unsigned(),
        changed_at: Timestamp(row.get(4)?),
    };
    let sum: i64 = row.get(5)?;
    Ok((webhook.row_bytes().sum() == sum).then_some(webhook))
}
