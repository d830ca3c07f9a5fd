//! A text for the receiver's owner: what fails, the request as curl with its secrets replaced, the remedy.

use std::fmt::Write as _;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use serde_json::Value;

use super::asked::Admin;
use crate::admin::api::{CallbackDetail, LaneStatus};
use crate::admin::page::frame::Nav;
use crate::admin::page::serve::show_page;
use crate::admin::page::visit::{Links, Visit};
use crate::admin::page::{show, texts as t};
use crate::admin::request_error::RequestError;
use crate::admin::respond::AdminState;
use crate::deliver::shell_quoted;
use crate::record::Callback;

#[derive(Template)]
#[template(path = "webhook_hand_over.html")]
struct HandOver {
    links: Links,
    project: String,
    text: String,
}

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new().route("/webhook/hand-over", get(hand_over))
}

async fn hand_over(State(admin): Admin, visit: Visit) -> Response {
    show_page(admin, visit, (Nav::Projects, t::hand_over::TITLE.to_owned()), |control, visit| {
        let project = visit.required("project")?.to_owned();
        let detail = control.project(&project, &visit.access)?;
        let wanted = visit.required("callback")?;
        let found = detail.callbacks.into_iter().find(|callback| callback.callback.name() == wanted);
        let found = found.ok_or_else(|| RequestError::NotFound(t::hand_over::NO_CALLBACK.to_owned()))?;
        Ok(HandOver { links: visit.links.clone(), text: text(&project, &found), project })
    })
    .await
}

fn text(project: &str, detail: &CallbackDetail) -> String {
    let mut text = t::hand_over::head(project, detail.callback);
    if let Some(lane) = detail.lane.as_ref().filter(|lane| lane.cause.is_some()) {
        text.push_str(&problem(lane));
    }
    text.push_str(t::hand_over::REQUEST);
    text.push_str(&curl(project, detail));
    text
}

fn problem(lane: &LaneStatus) -> String {
    let answer = lane.status.map_or_else(
        || lane.last_outcome.map_or("", |kind| kind.name()).to_owned(),
        |status| format!("HTTP {status}"),
    );
    t::hand_over::problem(
        &answer,
        (lane.class.map_or("", |class| class.name()), lane.cause.as_deref().unwrap_or_default()),
        lane.remedy.as_deref().unwrap_or_default(),
        (lane.failures, &lane.since_seconds.map_or_else(|| t::UNKNOWN.to_owned(), show::span)),
        lane.pending.records,
    )
}

/// The request as curl, each secret replaced by its name.
fn curl(project: &str, detail: &CallbackDetail) -> String {
    let settings = detail.webhook.as_ref().map_or(&Value::Null, |webhook| &webhook.settings);
    let url = settings["url"].as_str().unwrap_or("https://YOUR-URL");
    let mut curl = format!("curl -i {} \\\n", shell_quoted(url));
    let mut header = |name: &str, value: &str| {
        let _ = writeln!(curl, "  -H {} \\", shell_quoted(&format!("{name}: {value}")));
    };
    header("content-type", "application/json");
    header("webhook-id", "00000000-0000-7000-8000-000000000000");
    header("sidecar-project", project);
    header("sidecar-callback", detail.callback.name());
    header("sidecar-test", "1");
    for (name, _) in settings["headers"].as_object().into_iter().flatten() {
        header(name, &format!("<{name}>"));
    }
    match settings.pointer("/auth/api_key/header").and_then(Value::as_str) {
        Some(name) => header(name, &format!("<{name}>")),
        None if settings.get("auth").is_some_and(Value::is_object) => {
            header("authorization", "<authorization>");
        }
        None => {}
    }
    let body =
        if detail.callback == Callback::Modified { t::test::MODIFIED_EXAMPLE } else { t::test::DOCS_EXAMPLE };
    let _ = writeln!(curl, "  --data {}", shell_quoted(body));
    curl
}
