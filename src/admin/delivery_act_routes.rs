//! The endpoints that act on batches: selected by id, or by the filter of their list.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, State};
use axum::response::Response;
use axum::routing::post;
use utoipa::OpenApi;

use super::access::Access;
use super::api::{DeliveryCounts, DeliverySelection};
use super::extract::Json;
use super::respond::{AdminState, respond};

type Admin = State<Arc<AdminState>>;

/// What is described of these endpoints.
#[derive(OpenApi)]
#[openapi(paths(redeliver_deliveries, discard_deliveries, replay_deliveries))]
pub(super) struct DeliveryActPaths;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new()
        .route("/api/v1/deliveries/redeliver", post(redeliver_deliveries))
        .route("/api/v1/deliveries/discard", post(discard_deliveries))
        .route("/api/v1/deliveries/replay", post(replay_deliveries))
}

/// Makes one more attempt for each selected batch that is a dead letter.
///
/// More than 1,000 are a job.
#[utoipa::path(
    post,
    path = "/api/v1/deliveries/redeliver",
    request_body = DeliverySelection,
    responses((status = 200, body = DeliveryCounts))
)]
async fn redeliver_deliveries(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Json(selection): Json<DeliverySelection>,
) -> Response {
    respond(admin, move |control| control.redeliver_deliveries(&selection, &access)).await
}

/// Drops the selected batches that are dead letters: they cannot be sent again.
///
/// More than 1,000 are a job.
#[utoipa::path(
    post,
    path = "/api/v1/deliveries/discard",
    request_body = DeliverySelection,
    responses((status = 200, body = DeliveryCounts))
)]
async fn discard_deliveries(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Json(selection): Json<DeliverySelection>,
) -> Response {
    respond(admin, move |control| control.discard_deliveries(&selection, &access)).await
}

/// Sends the records of the selected batches that are settled again, as a replay.
#[utoipa::path(
    post,
    path = "/api/v1/deliveries/replay",
    request_body = DeliverySelection,
    responses((status = 200, body = DeliveryCounts))
)]
async fn replay_deliveries(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Json(selection): Json<DeliverySelection>,
) -> Response {
    respond(admin, move |control| control.replay_deliveries(&selection, &access)).await
}
