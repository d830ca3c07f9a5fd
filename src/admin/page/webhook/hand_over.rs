//! A text for the receiver's owner: what fails, the request that failed last as curl with its secrets replaced, the
//! remedy.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::asked::Admin;
use crate::admin::access::Access;
use crate::admin::api::{CallbackDetail, HandOver, LaneStatus};
use crate::admin::control::Control;
use crate::admin::page::frame::Nav;
use crate::admin::page::serve::show_page;
use crate::admin::page::visit::{Links, Visit};
use crate::admin::page::{show, texts as t};
use crate::admin::request_error::RequestError;
use crate::admin::respond::AdminState;
use crate::record::Callback;

#[derive(Template)]
#[template(path = "webhook_hand_over.html")]
struct View {
    links: Links,
    project: String,
    text: String,
    /// The batch that failed last.
    batch: Option<String>,
}

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new().route("/webhook/hand-over", get(show))
}

async fn show(State(admin): Admin, visit: Visit) -> Response {
    show_page(admin, visit, (Nav::Projects, t::hand_over::TITLE.to_owned()), |control, visit| {
        let project = visit.required("project")?.to_owned();
        let callback = visit.required("callback")?.parse();
        let callback = callback.map_err(|_| RequestError::NotFound(t::hand_over::NO_CALLBACK.to_owned()))?;
        let HandOver { text, webhook_id } = hand_over(control, &project, callback, &visit.access)?;
        Ok(View { links: visit.links.clone(), text, batch: webhook_id, project })
    })
    .await
}

/// The text, for the API too.
pub(in crate::admin) fn hand_over(
    control: &dyn Control,
    project: &str,
    callback: Callback,
    access: &Access,
) -> Result<HandOver, RequestError> {
    let callbacks = control.project(project, access)?.callbacks;
    let found = callbacks.into_iter().find(|detail| detail.callback == callback);
    let found = found.ok_or_else(|| RequestError::NotFound(t::hand_over::NO_CALLBACK.to_owned()))?;
    let (webhook_id, curl) = failed_request(control, &found, access)?.unzip();
    Ok(HandOver { text: text(project, &found, curl.as_deref()), webhook_id })
}

/// The batch that failed last, and its request as curl. `None`: none failed, or it is not on record any more, or the
/// caller may not see the webhook.
fn failed_request(
    control: &dyn Control,
    detail: &CallbackDetail,
    access: &Access,
) -> Result<Option<(String, String)>, RequestError> {
    let failure = detail.activity.as_ref().and_then(|activity| activity.last_failure.as_ref());
    let Some(failure) = failure else { return Ok(None) };
    match control.delivery(&failure.webhook_id, access) {
        Ok(delivery) => Ok(delivery.request.curl.map(|curl| (failure.webhook_id.clone(), curl))),
        Err(RequestError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn text(project: &str, detail: &CallbackDetail, failed: Option<&str>) -> String {
    let mut text = t::hand_over::head(project, detail.callback);
    if let Some(lane) = detail.lane.as_ref().filter(|lane| lane.cause.is_some()) {
        text.push_str(&problem(lane));
    }
    let specimen = || detail.specimen.as_ref().and_then(|specimen| specimen.curl.as_deref());
    let (title, curl) = match (failed, specimen()) {
        (Some(failed), _) => (t::hand_over::FAILED, failed),
        (None, Some(specimen)) => (t::hand_over::SPECIMEN, specimen),
        (None, None) => (t::hand_over::NOT_SHOWN, ""),
    };
    text + title + curl + "\n"
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
