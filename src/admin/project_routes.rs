//! The endpoints of projects.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, State};
use axum::response::Response;
use axum::routing::get;
use utoipa::OpenApi;

use super::access::Access;
use super::api::{HandOver, HandOverQuery, ProjectDetail, ProjectPage, ProjectQuery};
use super::extract::{Path, Query};
use super::lists::ListRequest;
use super::page::hand_over;
use super::respond::{AdminState, respond};

/// What is described of these endpoints.
#[derive(OpenApi)]
#[openapi(paths(list, show, show_hand_over))]
pub(super) struct ProjectPaths;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new()
        .route("/api/v1/projects", get(list))
        .route("/api/v1/projects/{project}", get(show))
        .route("/api/v1/projects/{project}/hand-over", get(show_hand_over))
}

/// Projects by name, with the state that matters most.
#[utoipa::path(get, path = "/api/v1/projects", params(ProjectQuery), responses((status = 200, body = ProjectPage)))]
async fn list(
    State(admin): State<Arc<AdminState>>,
    Extension(access): Extension<Access>,
    Query(query): Query<ProjectQuery>,
    list: ListRequest,
) -> Response {
    list.respond(admin, move |control| control.projects(&query, &access)).await
}

/// The three callbacks of a project, each with its webhook and its lane.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}",
    params(("project" = String, Path, description = "Its name.")),
    responses((status = 200, body = ProjectDetail))
)]
async fn show(
    State(admin): State<Arc<AdminState>>,
    Extension(access): Extension<Access>,
    Path(project): Path<String>,
) -> Response {
    respond(admin, move |control| control.project(&project, &access)).await
}

/// A text for the owner of a receiver: what fails, the request that failed last as a command, and what mends it.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/hand-over",
    params(("project" = String, Path, description = "The project."), HandOverQuery),
    responses((status = 200, body = HandOver))
)]
async fn show_hand_over(
    State(admin): State<Arc<AdminState>>,
    Extension(access): Extension<Access>,
    Path(project): Path<String>,
    Query(query): Query<HandOverQuery>,
) -> Response {
    respond(admin, move |control| hand_over(control, &project, query.callback, &access)).await
}
