//! A text for the receiver's owner: what fails, the request that failed last as curl with its secrets replaced, the
//! remedy.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::asked::Admin;
use crate::admin::api::{CallbackDetail, LaneStatus};
use crate::admin::control::Control;
use crate::admin::page::frame::Nav;
use crate::admin::page::serve::show_page;
use crate::admin::page::visit::{Links, Visit};
use crate::admin::page::{show, texts as t};
use crate::admin::request_error::RequestError;
use crate::admin::respond::AdminState;

#[derive(Template)]
#[template(path = "webhook_hand_over.html")]
struct HandOver {
    links: Links,
    project: String,
    text: String,
    /// The batch that failed last.
    batch: Option<String>,
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
        let failed = failed_request(control, visit, &found)?;
        let (batch, curl) = failed.unzip();
        let text = text(&project, &found, curl.as_deref());
        Ok(HandOver { links: visit.links.clone(), text, batch, project })
    })
    .await
}

/// The batch that failed last, and its request as curl. `None`: none failed, or it is not on record any more, or the
/// visitor may not see the webhook.
fn failed_request(
    control: &dyn Control,
    visit: &Visit,
    detail: &CallbackDetail,
) -> Result<Option<(String, String)>, RequestError> {
    let failure = detail.activity.as_ref().and_then(|activity| activity.last_failure.as_ref());
    let Some(failure) = failure else { return Ok(None) };
    match control.delivery(&failure.webhook_id, &visit.access) {
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
