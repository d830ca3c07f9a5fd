//! `[webhooks]`: where webhooks come from.

use std::collections::BTreeSet;
use std::time::Duration;

use super::error::SettingErrors;
use super::raw::Raw;
use super::values::{WebhookQuery, WebhookSource, WebhookSources};

pub(super) fn webhook_sources(raw: &Raw, errors: &mut SettingErrors) -> WebhookSources {
    let refresh = raw.webhooks.refresh.0;
    if refresh < REFRESH_MIN {
        errors.note("webhooks.refresh", "at least 100ms is needed");
    }
    let from: BTreeSet<WebhookSource> =
        raw.webhooks.from.iter().filter_map(|name| source(name, errors)).collect();
    if raw.webhooks.from.is_empty() {
        errors.note("webhooks.from", "at least one of \"file\", \"query\" and \"page\" is needed");
    }
    let sql = raw.webhooks.query.trim().trim_end_matches(';').trim_end();
    if !sql.is_empty() && !from.contains(&WebhookSource::Query) {
        errors.note("webhooks.query", "`webhooks.from` does not have \"query\": add it, or remove the query");
    }
    if !raw.webhook.is_empty() && !from.contains(&WebhookSource::File) {
        errors.note(
            "webhooks.from",
            "there are [[webhook]] sections, and \"file\" is not in it: add it, or remove the sections",
        );
    }
    let query = (!sql.is_empty()).then(|| WebhookQuery { sql: sql.to_owned(), refresh });
    WebhookSources { from, query }
}

fn source(name: &str, errors: &mut SettingErrors) -> Option<WebhookSource> {
    let known = WebhookSource::ALL.into_iter().find(|(known, _)| *known == name);
    if known.is_none() {
        errors.note("webhooks.from", format!("`{name}` is not one of \"file\", \"query\" and \"page\""));
    }
    known.map(|(_, source)| source)
}

const REFRESH_MIN: Duration = Duration::from_millis(100);
