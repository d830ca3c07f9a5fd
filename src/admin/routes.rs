//! Every endpoint.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use futures_util::StreamExt as _;
use serde::Deserialize;

use super::api::{DeadLetterQuery, DeadLetterSelection, ResyncAccepted, ResyncRequest};
use super::respond::{AdminState, respond};
use super::{page, record_routes, tail, webhook_routes};
use crate::record::Callback;
use crate::replay::ReplayRequest;

pub(super) fn router(admin: Arc<AdminState>) -> Router {
    Router::new()
        .route("/-/healthy", get(|| async { "healthy\n" }))
        .route("/-/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(status))
        .route("/api/v1/tail", get(tail))
        .route("/api/v1/resync", post(start_resync))
        .route("/api/v1/replays", get(list_replays).post(start_replay))
        .route("/api/v1/replays/{no}", delete(cancel_replay))
        .route("/api/v1/dead-letters", get(list_dead_letters))
        .route("/api/v1/dead-letters/{no}", get(show_dead_letter))
        .route("/api/v1/dead-letters/redeliver", post(redeliver))
        .route("/api/v1/dead-letters/discard", post(discard))
        .merge(record_routes::router())
        .merge(webhook_routes::router())
        .merge(page::router())
        .with_state(admin)
}

async fn ready(State(admin): State<Arc<AdminState>>) -> Response {
    let readiness = admin.control.readiness();
    if readiness.ready {
        return "ready\n".into_response();
    }
    let reasons = format!("not ready: {}\n", readiness.reasons.join("; "));
    (StatusCode::SERVICE_UNAVAILABLE, reasons).into_response()
}

async fn metrics(State(admin): State<Arc<AdminState>>) -> Response {
    let refreshed = Arc::clone(&admin);
    if tokio::task::spawn_blocking(move || refreshed.control.refresh_gauges()).await.is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let mut text = String::new();
    if prometheus_client::encoding::text::encode(&mut text, &admin.registry).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response()
}

async fn status(State(admin): State<Arc<AdminState>>) -> Response {
    respond(admin, |control| Ok(control.status())).await
}

#[derive(Deserialize)]
struct TailQuery {
    project: Option<String>,
    callback: Option<String>,
}

async fn tail(State(admin): State<Arc<AdminState>>, Query(query): Query<TailQuery>) -> Response {
    let callback = match query.callback.as_deref().map(str::parse::<Callback>).transpose() {
        Ok(callback) => callback,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    };
    let lines = tail::lines(&admin.tail, query.project, callback);
    let body = Body::from_stream(lines.map(Ok::<_, Infallible>));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

async fn start_resync(State(admin): State<Arc<AdminState>>, Json(request): Json<ResyncRequest>) -> Response {
    respond(admin, move |control| Ok(ResyncAccepted { number: control.resync(request)? })).await
}

async fn start_replay(State(admin): State<Arc<AdminState>>, Json(request): Json<ReplayRequest>) -> Response {
    respond(admin, move |control| control.replay(request)).await
}

async fn list_replays(State(admin): State<Arc<AdminState>>) -> Response {
    respond(admin, |control| control.replays()).await
}

async fn cancel_replay(State(admin): State<Arc<AdminState>>, Path(no): Path<u64>) -> Response {
    respond(admin, move |control| control.cancel_replay(no)).await
}

async fn list_dead_letters(
    State(admin): State<Arc<AdminState>>,
    Query(query): Query<DeadLetterQuery>,
) -> Response {
    respond(admin, move |control| control.dead_letters(&query)).await
}

async fn show_dead_letter(State(admin): State<Arc<AdminState>>, Path(no): Path<i64>) -> Response {
    respond(admin, move |control| control.dead_letter(no)).await
}

async fn redeliver(
    State(admin): State<Arc<AdminState>>,
    Json(selection): Json<DeadLetterSelection>,
) -> Response {
    respond(admin, move |control| control.redeliver(&selection)).await
}

async fn discard(
    State(admin): State<Arc<AdminState>>,
    Json(selection): Json<DeadLetterSelection>,
) -> Response {
    respond(admin, move |control| control.discard(&selection)).await
}

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
