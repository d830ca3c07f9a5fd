//! Pauses and resumes: of a callback, of a project, of a host, of all.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Form as Fields, Router};

use super::asked::{Posted, back, callback};
use crate::admin::api::PauseRequest;
use crate::admin::page::form::Form;
use crate::admin::page::frame::Nav;
use crate::admin::page::serve::{Answer, answer, show_page};
use crate::admin::page::texts as t;
use crate::admin::page::visit::{Links, Visit};
use crate::admin::request_error::RequestError;
use crate::admin::respond::AdminState;

#[derive(Template)]
#[template(path = "pause.html")]
struct Pause {
    links: Links,
    form: Form,
}

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new().route("/lanes/pause", get(ask).post(pause)).route("/lanes/resume", post(resume))
}

async fn ask(State(admin): State<Arc<AdminState>>, visit: Visit) -> Response {
    show_page(admin, visit, (Nav::Projects, t::pause::TITLE.to_owned()), |_, visit| {
        Ok(Pause { links: visit.links.clone(), form: Form::default() })
    })
    .await
}

async fn pause(State(admin): State<Arc<AdminState>>, visit: Visit, Fields(fields): Posted) -> Response {
    change(admin, visit, Form::new(fields), false).await
}

async fn resume(State(admin): State<Arc<AdminState>>, visit: Visit, Fields(fields): Posted) -> Response {
    change(admin, visit, Form::new(fields), true).await
}

async fn change(admin: Arc<AdminState>, visit: Visit, form: Form, resumes: bool) -> Response {
    answer(admin, visit, (Nav::Projects, t::pause::TITLE.to_owned()), move |control, visit| {
        let asked = request(&form);
        let project = asked.as_ref().ok().and_then(|asked| asked.project.clone());
        let done = asked.and_then(|asked| {
            if resumes { control.resume(&asked, &visit.access) } else { control.pause(&asked, &visit.access) }
        });
        match done {
            Ok(result) => {
                let what = match (resumes, result.still_paused.is_empty()) {
                    (false, _) => "paused",
                    (true, true) => "resumed",
                    (true, false) => "still-paused",
                };
                let count = result.lanes.to_string();
                Ok(Answer::To(match project {
                    Some(project) => back(visit, &project, what, result.lanes),
                    None => visit.links.with("projects", &[("done", what), ("count", &count)]),
                }))
            }
            Err(error) => {
                let form = form.refused(&error, |field| {
                    Some(field.to_owned()).filter(|field| field == "host" || field == "project")
                });
                Ok(Answer::Page(error.status(), Pause { links: visit.links.clone(), form }))
            }
        }
    })
    .await
}

fn request(form: &Form) -> Result<PauseRequest, RequestError> {
    let given = |name: &str| form.given(name).map(str::to_owned);
    Ok(PauseRequest {
        project: given("project"),
        callback: callback(form.given("callback"))?,
        host: given("host"),
        all: form.has("all", "1"),
        reason: given("reason"),
    })
}
