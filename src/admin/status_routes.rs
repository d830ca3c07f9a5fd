//! The endpoints of the sidecar as a whole: probes, metrics, status, the stream of records, resync.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use futures_util::StreamExt as _;
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi};

use super::access::Access;
use super::api::{Activity, ResyncAccepted, ResyncRequest, Status};
use super::extract::{Json, Query};
use super::request_error::RequestError;
use super::respond::{AdminState, call, respond};
use crate::record::Callback;

type Admin = State<Arc<AdminState>>;

/// What is described of these endpoints.
#[derive(OpenApi)]
#[openapi(paths(healthy, ready, metrics, status, activity, tail, start_resync, cancel_resync))]
pub(super) struct StatusPaths;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new()
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(status))
        .route("/api/v1/activity", get(activity))
        .route("/api/v1/tail", get(tail))
        .route("/api/v1/resync", post(start_resync).delete(cancel_resync))
}

/// Whether the process answers.
#[utoipa::path(get, path = "/-/healthy", responses((status = 200, content_type = "text/plain", body = String)))]
async fn healthy() -> &'static str {
    "healthy\n"
}

/// Whether the sidecar is ready.
///
/// It is where the first start has finished, replication is connected and moves, and the spool is writable.
#[utoipa::path(
    get,
    path = "/-/ready",
    responses(
        (status = 200, content_type = "text/plain", body = String),
        (status = 503, description = "It is not; the reasons.", content_type = "text/plain", body = String)
    )
)]
async fn ready(State(admin): Admin) -> Response {
    let readiness = admin.control.readiness();
    if readiness.ready {
        return "ready\n".into_response();
    }
    let reasons = format!("not ready: {}\n", readiness.reasons.join("; "));
    (StatusCode::SERVICE_UNAVAILABLE, reasons).into_response()
}

/// Every metric, as Prometheus reads it.
#[utoipa::path(
    get,
    path = "/metrics",
    responses((status = 200, content_type = "application/openmetrics-text", body = String))
)]
async fn metrics(State(admin): Admin) -> Result<Response, RequestError> {
    let refresh = |control: &dyn super::Control| {
        control.refresh_gauges();
        Ok(())
    };
    call(Arc::clone(&admin), refresh).await?;
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &admin.registry)
        .map_err(|error| RequestError::Internal(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response())
}

/// The state of the whole sidecar.
#[utoipa::path(get, path = "/api/v1/status", responses((status = 200, body = Status)))]
async fn status(State(admin): Admin, Extension(access): Extension<Access>) -> Response {
    respond(admin, move |control| control.status(&access)).await
}

/// What was done in the last hour, in intervals of ten seconds.
#[utoipa::path(get, path = "/api/v1/activity", responses((status = 200, body = Activity)))]
async fn activity(State(admin): Admin, Extension(access): Extension<Access>) -> Response {
    respond(admin, move |control| control.activity(&access)).await
}

/// Which records the stream has.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TailQuery {
    /// Only of this project.
    project: Option<String>,
    /// Only of this callback.
    callback: Option<Callback>,
}

/// Records as they are classified, with or without a webhook: a stream without an end.
///
/// A client that is too slow misses records, and gets their number as `{"not_shown": 5}`.
#[utoipa::path(
    get,
    path = "/api/v1/tail",
    params(TailQuery),
    responses((status = 200, content_type = "application/x-ndjson", body = String))
)]
async fn tail(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Query(query): Query<TailQuery>,
) -> Result<Response, RequestError> {
    let project = access.scope.narrowed(query.project.as_deref())?;
    let lines = admin.tail.lines(project, query.callback);
    let body = Body::from_stream(lines.map(Ok::<_, Infallible>));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// Starts a comparison of the table with the shadow.
///
/// With a token of one project, `as_ingested` of that project is allowed alone; all else takes `manage`.
#[utoipa::path(
    post,
    path = "/api/v1/resync",
    request_body = ResyncRequest,
    responses((status = 200, body = ResyncAccepted))
)]
async fn start_resync(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Json(request): Json<ResyncRequest>,
) -> Response {
    respond(admin, move |control| Ok(ResyncAccepted { number: control.resync(request, &access)? })).await
}

/// Ends the resync that runs, where it was requested: records that it has made are sent.
#[utoipa::path(delete, path = "/api/v1/resync", responses((status = 200, body = ResyncAccepted)))]
async fn cancel_resync(State(admin): Admin, Extension(access): Extension<Access>) -> Response {
    respond(admin, move |control| Ok(ResyncAccepted { number: control.cancel_resync(&access)? })).await
}

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
