//! The endpoints of projects.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Path, Query, State};
use axum::response::Response;
use axum::routing::get;

use super::access::Access;
use super::api::ProjectQuery;
use super::respond::{AdminState, respond};

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new().route("/api/v1/projects", get(list)).route("/api/v1/projects/{project}", get(show))
}

async fn list(
    State(admin): State<Arc<AdminState>>,
    Extension(access): Extension<Access>,
    Query(query): Query<ProjectQuery>,
) -> Response {
    respond(admin, move |control| control.projects(&query, &access)).await
}

async fn show(
    State(admin): State<Arc<AdminState>>,
    Extension(access): Extension<Access>,
    Path(project): Path<String>,
) -> Response {
    respond(admin, move |control| control.project(&project, &access)).await
}
