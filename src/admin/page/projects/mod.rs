//! The list of projects, and the page of one with its three callbacks.

mod card;
mod list;
mod project;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use self::list::Projects;
use self::project::Project;
use super::frame::Nav;
use super::serve::show_page;
use super::texts as t;
use super::visit::Visit;
use crate::admin::respond::AdminState;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new().route("/projects", get(list)).route("/project", get(project))
}

async fn list(State(admin): State<Arc<AdminState>>, visit: Visit) -> Response {
    show_page(admin, visit, (Nav::Projects, t::nav::PROJECTS.to_owned()), |control, visit| {
        let page = control.projects(&Projects::query(visit), &visit.access)?;
        Ok(Projects::of(page, visit))
    })
    .await
}

async fn project(State(admin): State<Arc<AdminState>>, visit: Visit) -> Response {
    let project = visit.query("project").filter(|project| visit.access.scope.holds(project));
    let title = project.unwrap_or(t::nav::PROJECTS).to_owned();
    show_page(admin, visit, (Nav::Projects, title), |control, visit| {
        let detail = control.project(visit.required("project")?, &visit.access)?;
        Ok(Project::of(detail, visit))
    })
    .await
}
