//! The endpoints for the operator: checks and settings.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, State};
use axum::response::Response;
use axum::routing::get;
use utoipa::OpenApi;

use super::access::Access;
use super::api::{DoctorReport, SettingList};
use super::lists::ListRequest;
use super::respond::AdminState;

type Admin = State<Arc<AdminState>>;

/// What is described of these endpoints.
#[derive(OpenApi)]
#[openapi(paths(doctor, settings))]
pub(super) struct OperationPaths;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new().route("/api/v1/doctor", get(doctor)).route("/api/v1/settings", get(settings))
}

/// Checks server, table, disk and webhooks.
///
/// It makes a new connection to Postgres and takes at most 20 seconds.
#[utoipa::path(get, path = "/api/v1/doctor", responses((status = 200, body = DoctorReport)))]
async fn doctor(State(admin): Admin, Extension(access): Extension<Access>, list: ListRequest) -> Response {
    list.respond(admin, move |control| control.doctor(&access)).await
}

/// The effective settings, without secrets.
#[utoipa::path(get, path = "/api/v1/settings", responses((status = 200, body = SettingList)))]
async fn settings(State(admin): Admin, Extension(access): Extension<Access>, list: ListRequest) -> Response {
    list.respond(admin, move |control| control.settings(&access)).await
}
