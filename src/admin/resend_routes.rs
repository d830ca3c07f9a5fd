//! The endpoints of what is sent again: replays and dead letters.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, State};
use axum::response::Response;
use axum::routing::{delete, get, post};
use utoipa::OpenApi;

use super::access::Access;
use super::api::{
    DeadLetterCounts, DeadLetterDetail, DeadLetterFilter, DeadLetterPage, DeadLetterQuery,
    DeadLetterSelection, ReplayList, ReplayStatus, ReplaySummary,
};
use super::extract::{Json, Path, Query};
use super::lists::ListRequest;
use super::respond::{AdminState, respond};
use crate::replay::ReplayRequest;

type Admin = State<Arc<AdminState>>;

/// What is described of these endpoints.
#[derive(OpenApi)]
#[openapi(paths(
    list_replays,
    start_replay,
    cancel_replay,
    list_dead_letters,
    show_dead_letter,
    redeliver,
    discard
))]
pub(super) struct ResendPaths;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new()
        .route("/api/v1/replays", get(list_replays).post(start_replay))
        .route("/api/v1/replays/{no}", delete(cancel_replay))
        .route("/api/v1/dead-letters", get(list_dead_letters))
        .route("/api/v1/dead-letters/{no}", get(show_dead_letter))
        .route("/api/v1/dead-letters/redeliver", post(redeliver))
        .route("/api/v1/dead-letters/discard", post(discard))
}

/// The range that can be replayed, and every replay on record.
#[utoipa::path(get, path = "/api/v1/replays", responses((status = 200, body = ReplayList)))]
async fn list_replays(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    list: ListRequest,
) -> Response {
    list.respond(admin, move |control| control.replays(&access)).await
}

/// Sends settled records again; a dry run only counts them.
#[utoipa::path(
    post,
    path = "/api/v1/replays",
    request_body = ReplayRequest,
    responses((status = 200, body = ReplaySummary))
)]
async fn start_replay(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Json(request): Json<ReplayRequest>,
) -> Response {
    respond(admin, move |control| control.replay(request, &access)).await
}

/// Stops a replay: its remaining records are not sent.
#[utoipa::path(
    delete,
    path = "/api/v1/replays/{no}",
    params(("no" = u64, Path, description = "Its number.")),
    responses((status = 200, body = ReplayStatus))
)]
async fn cancel_replay(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Path(no): Path<u64>,
) -> Response {
    respond(admin, move |control| control.cancel_replay(no, &access)).await
}

/// Batches that were given up.
#[utoipa::path(
    get,
    path = "/api/v1/dead-letters",
    params(DeadLetterFilter, DeadLetterQuery),
    responses((status = 200, body = DeadLetterPage))
)]
async fn list_dead_letters(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Query(query): Query<DeadLetterQuery>,
    list: ListRequest,
) -> Response {
    list.respond(admin, move |control| control.dead_letters(&query, &access)).await
}

/// One dead letter, with its first records and its attempts.
#[utoipa::path(
    get,
    path = "/api/v1/dead-letters/{no}",
    params(("no" = i64, Path, description = "Its number.")),
    responses((status = 200, body = DeadLetterDetail))
)]
async fn show_dead_letter(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Path(no): Path<i64>,
) -> Response {
    respond(admin, move |control| control.dead_letter(no, &access)).await
}

/// Makes one more attempt for each selected dead letter.
///
/// More than 1,000 are a job.
#[utoipa::path(
    post,
    path = "/api/v1/dead-letters/redeliver",
    request_body = DeadLetterSelection,
    responses((status = 200, body = DeadLetterCounts))
)]
async fn redeliver(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Json(selection): Json<DeadLetterSelection>,
) -> Response {
    respond(admin, move |control| control.redeliver(&selection, &access)).await
}

/// Drops the selected dead letters: they cannot be sent again.
///
/// More than 1,000 are a job.
#[utoipa::path(
    post,
    path = "/api/v1/dead-letters/discard",
    request_body = DeadLetterSelection,
    responses((status = 200, body = DeadLetterCounts))
)]
async fn discard(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Json(selection): Json<DeadLetterSelection>,
) -> Response {
    respond(admin, move |control| control.discard(&selection, &access)).await
}
