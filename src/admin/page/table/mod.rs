//! The table of documents: the first start and resyncs, as they go, and the form that starts one.

mod resync;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use self::view::Table;
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
        .route("/table", get(table))
        .route("/table/resync", get(confirm).post(start))
        .route("/table/cancel", get(confirm_cancel).post(cancel))
}

async fn table(State(admin): Admin, visit: Visit) -> Response {
    show_page(admin, visit, title(), |control, visit| {
        Ok(Table::of(&*control.recent_status(&visit.access)?, visit))
    })
    .await
}

async fn confirm(State(admin): Admin, visit: Visit) -> Response {
    answer(admin, visit, title(), |control, visit| {
        let request = resync::request(visit)?;
        let documents = control.recent_status(&visit.access)?.spool.shadow_documents;
        let (name, what) = resync::described(visit);
        let confirm = Confirm {
            title: name.to_owned(),
            sentences: vec![what.to_owned(), t::table::about(documents)],
            facts: resync::options(&request),
            button: name.to_owned(),
            is_danger: request.force || request.adopt || request.learn,
            is_allowed: visit.can(Capability::Manage),
            is_possible: true,
            back: visit.links.to("table"),
        };
        Ok(Answer::Page(StatusCode::OK, confirm))
    })
    .await
}

async fn start(State(admin): Admin, visit: Visit) -> Response {
    answer(admin, visit, title(), |control, visit| {
        control.resync(resync::request(visit)?, &visit.access)?;
        Ok(Answer::<Confirm>::To(visit.links.by("table", "done", "resync")))
    })
    .await
}

async fn confirm_cancel(State(admin): Admin, visit: Visit) -> Response {
    answer(admin, visit, title(), |control, visit| {
        let status = control.recent_status(&visit.access)?;
        let is_possible = status.source.resync.as_ref().is_some_and(|resync| resync.cancellable);
        let what = if is_possible { t::resync::CANCEL_WHAT } else { t::table::NONE_TO_CANCEL };
        let confirm = Confirm {
            title: t::resync::CANCEL.to_owned(),
            sentences: vec![what.to_owned()],
            facts: Vec::new(),
            button: t::resync::CANCEL.to_owned(),
            is_danger: true,
            is_allowed: visit.can(Capability::Manage),
            is_possible,
            back: visit.links.to("table"),
        };
        Ok(Answer::Page(StatusCode::OK, confirm))
    })
    .await
}

async fn cancel(State(admin): Admin, visit: Visit) -> Response {
    answer(admin, visit, title(), |control, visit| {
        control.cancel_resync(&visit.access)?;
        Ok(Answer::<Confirm>::To(visit.links.by("table", "done", "resync-cancelled")))
    })
    .await
}

fn title() -> (Nav, String) {
    (Nav::Table, t::nav::TABLE.to_owned())
}
