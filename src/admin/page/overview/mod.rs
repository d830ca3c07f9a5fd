//! The first page: is it well, and what is to be done.

mod alerts;
mod view;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use self::alerts::{Paces, shown_failing};
use self::view::Overview;
use super::frame::Nav;
use super::serve::show_page;
use super::texts as t;
use super::visit::Visit;
use crate::admin::api::Status;
use crate::admin::control::Control;
use crate::admin::request_error::RequestError;
use crate::admin::respond::AdminState;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new().route("/", get(overview))
}

async fn overview(State(admin): State<Arc<AdminState>>, visit: Visit) -> Response {
    let title = t::nav::OVERVIEW.to_owned();
    show_page(admin, visit, (Nav::Overview, title), |control, visit| {
        let status = control.recent_status(&visit.access)?;
        let activity = control.activity(&visit.access)?;
        let paces = paces(control, &status, visit)?;
        Ok(Overview::of(&status, &activity, &paces, visit.links.clone()))
    })
    .await
}

/// How long it takes to deliver what waits in the lanes that an alert is about.
fn paces(control: &dyn Control, status: &Status, visit: &Visit) -> Result<Paces, RequestError> {
    let projects: BTreeSet<&str> = shown_failing(status).map(|lane| lane.project.as_str()).collect();
    let mut paces = Paces::new();
    for project in projects {
        for detail in control.project(project, &visit.access)?.callbacks {
            let seconds = detail.activity.and_then(|activity| activity.catches_up_in_seconds);
            paces.extend(seconds.map(|seconds| ((project.to_owned(), detail.callback), seconds)));
        }
    }
    Ok(paces)
}
