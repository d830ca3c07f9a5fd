//! What waits is settled without being sent, after it was counted.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use axum::{Form as Fields, Router};

use super::asked::{Posted, back, callback};
use crate::admin::api::{SkipLane, SkipRequest};
use crate::admin::page::form::Form;
use crate::admin::page::frame::Nav;
use crate::admin::page::serve::{Answer, answer, show_page};
use crate::admin::page::times::Fact;
use crate::admin::page::visit::{Links, Visit};
use crate::admin::page::{show, texts as t};
use crate::admin::request_error::RequestError;
use crate::admin::respond::AdminState;

#[derive(Template)]
#[template(path = "skip.html")]
struct Skip {
    links: Links,
    project: String,
    records: u64,
    lanes: Vec<SkipLane>,
    /// Exactly the records that were counted: those that come meanwhile are not skipped.
    counted: String,
    error: Option<Fact>,
}

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new().route("/lanes/skip", get(ask).post(skip))
}

async fn ask(State(admin): State<Arc<AdminState>>, visit: Visit) -> Response {
    show_page(admin, visit, (Nav::Projects, t::skip::TITLE.to_owned()), |control, visit| {
        let project = visit.required("project")?.to_owned();
        let asked = SkipRequest {
            project: project.clone(),
            callback: callback(visit.query("callback"))?,
            until: Some("now".to_owned()),
            counted: None,
            dry_run: true,
        };
        let result = control.skip(&asked, &visit.access)?;
        let counted = serde_json::to_string(&result.lanes).unwrap_or_default();
        let links = visit.links.clone();
        Ok(Skip { links, project, records: result.records, lanes: result.lanes, counted, error: None })
    })
    .await
}

async fn skip(State(admin): State<Arc<AdminState>>, visit: Visit, Fields(fields): Posted) -> Response {
    answer(admin, visit, (Nav::Projects, t::skip::TITLE.to_owned()), move |control, visit| {
        let form = Form::new(fields);
        let project = form.value("project").to_owned();
        let counted: Vec<SkipLane> = serde_json::from_str(form.value("counted"))
            .map_err(|error| RequestError::field("counted", error.to_string()))?;
        let lanes = counted.clone();
        let asked =
            SkipRequest { project: project.clone(), counted: Some(counted), ..SkipRequest::default() };
        Ok(match control.skip(&asked, &visit.access) {
            Ok(result) => Answer::To(back(visit, &project, "skipped", result.records)),
            Err(error) => {
                let records = lanes.iter().map(|lane| lane.records).sum();
                let counted = form.value("counted").to_owned();
                let links = visit.links.clone();
                Answer::Page(
                    error.status(),
                    Skip { links, project, records, lanes, counted, error: Some(error.detail().into()) },
                )
            }
        })
    })
    .await
}
