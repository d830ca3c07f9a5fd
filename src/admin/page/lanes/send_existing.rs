//! An `ingested` record for every live document of a project, after a question.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use axum::{Form as Fields, Router};

use super::asked::{Posted, back};
use crate::admin::api::ResyncRequest;
use crate::admin::page::form::Form;
use crate::admin::page::frame::Nav;
use crate::admin::page::serve::{Answer, answer, show_page};
use crate::admin::page::texts as t;
use crate::admin::page::times::Fact;
use crate::admin::page::visit::{Links, Visit};
use crate::admin::respond::AdminState;

#[derive(Template)]
#[template(path = "send_existing.html")]
struct SendExisting {
    links: Links,
    project: String,
    /// How many documents that are.
    count: Option<String>,
    error: Option<Fact>,
}

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new().route("/lanes/send-existing", get(ask).post(send))
}

async fn ask(State(admin): State<Arc<AdminState>>, visit: Visit) -> Response {
    show_page(admin, visit, (Nav::Projects, t::send_existing::TITLE.to_owned()), |control, visit| {
        let project = visit.required("project")?;
        let documents = control.project(project, &visit.access)?.documents;
        let count =
            documents.map(|documents| t::send_existing::count(documents.count, documents.is_estimate));
        Ok(SendExisting { links: visit.links.clone(), project: project.to_owned(), count, error: None })
    })
    .await
}

async fn send(State(admin): State<Arc<AdminState>>, visit: Visit, Fields(fields): Posted) -> Response {
    answer(admin, visit, (Nav::Projects, t::send_existing::TITLE.to_owned()), move |control, visit| {
        let project = Form::new(fields).value("project").to_owned();
        let asked = ResyncRequest { as_ingested: Some(project.clone()), ..ResyncRequest::default() };
        Ok(match control.resync(asked, &visit.access) {
            Ok(_) => Answer::To(back(visit, &project, "sending-existing", 0)),
            Err(error) => {
                let (links, why) = (visit.links.clone(), Some(error.detail().into()));
                Answer::Page(error.status(), SendExisting { links, project, count: None, error: why })
            }
        })
    })
    .await
}
