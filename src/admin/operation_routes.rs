//! The endpoints for the operator: checks and settings.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, State};
use axum::response::Response;
use axum::routing::get;

use super::access::Access;
use super::respond::{AdminState, respond};

type Admin = State<Arc<AdminState>>;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new().route("/api/v1/doctor", get(doctor)).route("/api/v1/settings", get(settings))
}

async fn doctor(State(admin): Admin, Extension(access): Extension<Access>) -> Response {
    respond(admin, move |control| control.doctor(&access)).await
}

async fn settings(State(admin): Admin, Extension(access): Extension<Access>) -> Response {
    respond(admin, move |control| control.settings(&access)).await
}
