//! What `sidecar doctor` finds about `webhooks.query`.

use std::sync::Arc;

use crate::amount::count;
use crate::deliver::{Routes, Webhook};
use crate::settings::{RefusedRow, Settings, check_columns};
use crate::source::preflight::{Finding, Severity};
use crate::source::webhook_rows::WebhookTable;

/// Findings about the query, and the webhooks that it and the settings file give.
pub async fn of_query(settings: &Settings) -> (Option<Finding>, Routes) {
    let Some(query) = &settings.webhook_sources.query else { return (None, settings.routes.clone()) };
    let read = WebhookTable::default().read(&settings.conninfo, &query.sql).await;
    let read = read.map_err(|error| error.to_string());
    match read.and_then(|read| check_columns(&read.columns).map(|()| read.rows)) {
        Ok(rows) => {
            let values = rows.iter().filter_map(|row| serde_json::from_str(row).ok());
            let (webhooks, refused): (Vec<_>, Vec<_>) =
                values.filter_map(|row| settings.webhook_defaults.row(row)).partition(Result::is_ok);
            let webhooks: Vec<Arc<Webhook>> =
                webhooks.into_iter().flatten().map(|row| Arc::new(row.webhook)).collect();
            let refused = refused.into_iter().filter_map(Result::err).collect();
            (Some(of_rows(webhooks.len(), refused)), Routes::over(webhooks, &settings.routes))
        }
        Err(why) => {
            let explanation = "`sidecar run` waits for its first list before it reads and sends. The role of `postgres.url` needs\n\
                               SELECT on the table.";
            let title = format!("`webhooks.query`: {why}");
            (Some(finding(Severity::Warning, title, explanation.to_owned())), settings.routes.clone())
        }
    }
}

fn of_rows(webhooks: usize, mut refused: Vec<RefusedRow>) -> Finding {
    let title = format!("`webhooks.query` gives {}", count(webhooks as u64, "webhook", "webhooks"));
    if refused.is_empty() {
        return finding(Severity::Ok, title, String::new());
    }
    refused.sort_unstable();
    let name = |part: &Option<String>| part.as_deref().unwrap_or("?").escape_debug().to_string();
    let shown = refused.iter().take(REFUSED_SHOWN);
    let lines: Vec<String> = shown
        .map(|RefusedRow { project, callback, why }| format!("{}/{}: {why}", name(project), name(callback)))
        .collect();
    let title = format!("{title}, and {} refused", count(refused.len() as u64, "row is", "rows are"));
    finding(Severity::Warning, title, lines.join("\n"))
}

fn finding(severity: Severity, title: String, explanation: String) -> Finding {
    Finding { severity, title, explanation, fix_sql: None }
}

const REFUSED_SHOWN: usize = 20;
