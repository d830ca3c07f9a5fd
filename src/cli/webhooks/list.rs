//! `sidecar webhooks list`.

use std::path::Path;
use std::time::Duration;

use hyper::Method;
use serde_json::json;

use crate::admin::{LaneStatus, WebhookList, WebhookStatus, plain, pretty_json};
use crate::cli::client;
use crate::cli::exit::Exit;
use crate::cli::output::{print, table};

pub(super) async fn list(spool: &Path, json: bool) -> Result<Exit, Exit> {
    let response = client::text(spool, Method::GET, "/api/v1/webhooks", &json!({}), client::TIMEOUT).await?;
    if json {
        print(format_args!("{}\n", pretty_json(&response)));
        return Ok(Exit::Done);
    }
    let list: WebhookList = client::parse(response.as_bytes())?;
    let mut table = table([
        "project",
        "callback",
        "host",
        "origin",
        "state",
        "pending",
        "since",
        "next attempt",
        "reason",
    ]);
    for webhook in &list.webhooks {
        if webhook.lanes.is_empty() {
            table.add_row(row(webhook, None));
        }
        for lane in &webhook.lanes {
            table.add_row(row(webhook, Some(lane)));
        }
    }
    print(format_args!("{table}\n"));
    Ok(Exit::Done)
}

fn row(webhook: &WebhookStatus, lane: Option<&LaneStatus>) -> [String; 9] {
    let none = || "-".to_owned();
    let seconds = |seconds: Option<f64>| {
        seconds.map_or_else(none, |some| {
            format!(
                "{:?}",
                Duration::from_secs(Duration::try_from_secs_f64(some).unwrap_or_default().as_secs())
            )
        })
    };
    [
        plain(lane.map_or(&webhook.project, |lane| &lane.project)),
        lane.map_or_else(|| plain(&webhook.callback), |lane| lane.callback.to_string()),
        plain(&webhook.host),
        webhook.set_in.as_deref().map_or_else(|| webhook.origin.to_string(), plain),
        lane.map_or_else(none, |lane| lane.state.to_string()),
        lane.map_or_else(none, |lane| lane.pending.records.to_string()),
        seconds(lane.and_then(|lane| lane.since_seconds)),
        seconds(lane.and_then(|lane| lane.next_attempt_in_seconds)),
        lane.and_then(|lane| lane.reason.as_deref().or(lane.remedy.as_deref())).map_or_else(none, plain),
    ]
}
