//! Every endpoint.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Extension, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Router, middleware};
use futures_util::StreamExt as _;
use serde::Deserialize;

use super::access::{Access, authorize};
use super::api::{DeadLetterQuery, DeadLetterSelection, ResyncAccepted, ResyncRequest};
use super::request_error::RequestError;
use super::respond::{AdminState, json, respond};
use super::{
    access_routes, operation_routes, page, project_routes, record_routes, session_routes, tail,
    webhook_routes,
};
use crate::record::Callback;
use crate::replay::ReplayRequest;

type Admin = State<Arc<AdminState>>;

pub(super) fn router(admin: Arc<AdminState>) -> Router {
    Router::new()
        .route("/-/healthy", get(|| async { "healthy\n" }))
        .route("/-/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(status))
        .route("/api/v1/activity", get(activity))
        .route("/api/v1/tail", get(tail))
        .route("/api/v1/resync", post(start_resync).delete(cancel_resync))
        .route("/api/v1/replays", get(list_replays).post(start_replay))
        .route("/api/v1/replays/{no}", delete(cancel_replay))
        .route("/api/v1/dead-letters", get(list_dead_letters))
        .route("/api/v1/dead-letters/{no}", get(show_dead_letter))
        .route("/api/v1/dead-letters/redeliver", post(redeliver))
        .route("/api/v1/dead-letters/discard", post(discard))
        .merge(access_routes::router())
        .merge(record_routes::router())
        .merge(webhook_routes::router())
        .merge(project_routes::router())
        .merge(operation_routes::router())
        .merge(page::router())
        .merge(session_routes::router())
        .route_layer(middleware::from_fn_with_state(Arc::clone(&admin), authorize))
        .with_state(admin)
}

async fn ready(State(admin): Admin) -> Response {
    let readiness = admin.control.readiness();
    if readiness.ready {
        return "ready\n".into_response();
    }
    let reasons = format!("not ready: {}\n", readiness.reasons.join("; "));
    (StatusCode::SERVICE_UNAVAILABLE, reasons).into_response()
}

async fn metrics(State(admin): Admin) -> Response {
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

async fn status(State(admin): Admin, Extension(access): Extension<Access>) -> Response {
    respond(admin, move |control| control.status(&access)).await
}

async fn activity(State(admin): Admin, Extension(access): Extension<Access>) -> Response {
    respond(admin, move |control| control.activity(&access)).await
}

#[derive(Deserialize)]
struct TailQuery {
    project: Option<String>,
    callback: Option<String>,
}

async fn tail(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Query(query): Query<TailQuery>,
) -> Response {
    let callback = query.callback.as_deref().map(str::parse::<Callback>).transpose();
    let callback = callback.map_err(|error| RequestError::field("callback", error.to_string()));
    let project = access.scope.narrowed(query.project.as_deref());
    match project.and_then(|project| Ok((project, callback?))) {
        Ok((project, callback)) => {
            let lines = tail::lines(&admin.tail, project, callback);
            let body = Body::from_stream(lines.map(Ok::<_, Infallible>));
            ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
        }
        Err(error) => error.into_response(),
    }
}

async fn start_resync(State(admin): Admin, Extension(access): Extension<Access>, body: Bytes) -> Response {
    match json::<ResyncRequest>(&body) {
        Ok(request) => {
            respond(admin, move |control| Ok(ResyncAccepted { number: control.resync(request, &access)? }))
                .await
        }
        Err(error) => error.into_response(),
    }
}

async fn cancel_resync(State(admin): Admin, Extension(access): Extension<Access>) -> Response {
    respond(admin, move |control| Ok(ResyncAccepted { number: control.cancel_resync(&access)? })).await
}

async fn start_replay(State(admin): Admin, Extension(access): Extension<Access>, body: Bytes) -> Response {
    match json::<ReplayRequest>(&body) {
        Ok(request) => respond(admin, move |control| control.replay(request, &access)).await,
        Err(error) => error.into_response(),
    }
}

async fn list_replays(State(admin): Admin, Extension(access): Extension<Access>) -> Response {
    respond(admin, move |control| control.replays(&access)).await
}

async fn cancel_replay(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Path(no): Path<u64>,
) -> Response {
    respond(admin, move |control| control.cancel_replay(no, &access)).await
}

async fn list_dead_letters(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Query(query): Query<DeadLetterQuery>,
) -> Response {
    respond(admin, move |control| control.dead_letters(&query, &access)).await
}

async fn show_dead_letter(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Path(no): Path<i64>,
) -> Response {
    respond(admin, move |control| control.dead_letter(no, &access)).await
}

async fn redeliver(State(admin): Admin, Extension(access): Extension<Access>, body: Bytes) -> Response {
    match json::<DeadLetterSelection>(&body) {
        Ok(selection) => respond(admin, move |control| control.redeliver(&selection, &access)).await,
        Err(error) => error.into_response(),
    }
}

async fn discard(State(admin): Admin, Extension(access): Extension<Access>, body: Bytes) -> Response {
    match json::<DeadLetterSelection>(&body) {
        Ok(selection) => respond(admin, move |control| control.discard(&selection, &access)).await,
        Err(error) => error.into_response(),
    }
}

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
