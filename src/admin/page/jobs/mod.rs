//! Jobs: those since the start, one with its progress, and its cancel.

mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use self::view::{Job, Jobs};
use super::confirm::Confirm;
use super::frame::Nav;
use super::serve::{Answer, answer, show_page};
use super::texts as t;
use super::visit::Visit;
use crate::admin::access::Capability;
use crate::admin::respond::AdminState;

type Admin = State<Arc<AdminState>>;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new()
        .route("/jobs", get(list))
        .route("/job", get(one))
        .route("/job/cancel", get(confirm_cancel).post(cancel))
}

async fn list(State(admin): Admin, visit: Visit) -> Response {
    show_page(admin, visit, (Nav::Jobs, t::nav::JOBS.to_owned()), |control, visit| {
        Ok(Jobs::of(&control.jobs(&visit.access), visit))
    })
    .await
}

async fn one(State(admin): Admin, visit: Visit) -> Response {
    let no = visit.number("no").unwrap_or(0);
    show_page(admin, visit, (Nav::Jobs, t::jobs::title(no)), move |control, visit| {
        Ok(Job::of(&control.job(no, &visit.access)?, visit))
    })
    .await
}

async fn confirm_cancel(State(admin): Admin, visit: Visit) -> Response {
    let no = visit.number("no").unwrap_or(0);
    answer(admin, visit, (Nav::Jobs, t::jobs::title(no)), move |control, visit| {
        let job = control.job(no, &visit.access)?;
        let confirm = Confirm {
            title: t::jobs::cancel(no),
            sentences: vec![t::jobs::CANCEL_WHAT.to_owned()],
            facts: vec![
                (t::jobs::WHAT, t::jobs::what(&job.what).to_owned().into()),
                (t::jobs::PROGRESS, t::jobs::progress(job.done, job.total).into()),
            ],
            button: t::jobs::CANCEL.to_owned(),
            is_danger: true,
            is_allowed: visit.can(Capability::SendAgain),
            is_possible: true,
            back: visit.links.by("job", "no", &no.to_string()),
        };
        Ok(Answer::Page(StatusCode::OK, confirm))
    })
    .await
}

async fn cancel(State(admin): Admin, visit: Visit) -> Response {
    let no = visit.number("no").unwrap_or(0);
    answer(admin, visit, (Nav::Jobs, t::jobs::title(no)), move |control, visit| {
        control.cancel_job(no, &visit.access)?;
        let link = visit.links.with("job", &[("no", &no.to_string()), ("done", "job-cancelled")]);
        Ok(Answer::<Confirm>::To(link))
    })
    .await
}
