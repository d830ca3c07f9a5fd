//! The first page: is it well, and what is to be done.

mod alerts;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use self::view::Overview;
use super::frame::Nav;
use super::serve::show_page;
use super::texts as t;
use super::visit::Visit;
use crate::admin::respond::AdminState;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new().route("/", get(overview))
}

async fn overview(State(admin): State<Arc<AdminState>>, visit: Visit) -> Response {
    let title = t::nav::OVERVIEW.to_owned();
    show_page(admin, visit, (Nav::Overview, title), |control, visit| {
        let status = control.recent_status(&visit.access)?;
        let activity = control.activity(&visit.access)?;
        Ok(Overview::of(&status, &activity, visit.links.clone()))
    })
    .await
}
