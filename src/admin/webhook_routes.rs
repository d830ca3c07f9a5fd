//! The endpoints of webhooks.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::Value;

use super::access::Access;
use super::api::{
    ApplyRequest, PauseRequest, RevisionQuery, RotateRequest, SkipRequest, TestRequest, WebhookKey,
};
use super::respond::{AdminState, json, respond};

type Admin = State<Arc<AdminState>>;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new()
        .route("/api/v1/webhooks", get(list))
        .route("/api/v1/webhooks/apply", post(apply))
        .route("/api/v1/webhooks/export", get(export))
        .route("/api/v1/webhooks/pause", post(pause))
        .route("/api/v1/webhooks/resume", post(resume))
        .route("/api/v1/webhooks/rotate", post(rotate))
        .route("/api/v1/webhooks/secret", post(secret))
        .route("/api/v1/webhooks/skip", post(skip))
        .route("/api/v1/webhooks/test", post(test))
        .route("/api/v1/webhooks/{project}/{callback}", get(show).patch(set).delete(remove))
}

async fn list(State(admin): Admin, Extension(access): Extension<Access>) -> Response {
    respond(admin, move |control| control.webhooks(&access)).await
}

async fn show(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Path(key): Path<WebhookKey>,
) -> Response {
    respond(admin, move |control| control.webhook(&key, &access)).await
}

async fn set(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Path(key): Path<WebhookKey>,
    Query(query): Query<RevisionQuery>,
    body: Bytes,
) -> Response {
    match json::<Value>(&body) {
        Ok(change) => {
            respond(admin, move |control| control.set_webhook(&key, &change, query.revision, &access)).await
        }
        Err(error) => error.into_response(),
    }
}

async fn remove(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Path(key): Path<WebhookKey>,
    Query(query): Query<RevisionQuery>,
) -> Response {
    respond(admin, move |control| control.remove_webhook(&key, query.revision, &access)).await
}

async fn apply(State(admin): Admin, Extension(access): Extension<Access>, body: Bytes) -> Response {
    match json::<ApplyRequest>(&body) {
        Ok(request) => respond(admin, move |control| control.apply_webhooks(&request, &access)).await,
        Err(error) => error.into_response(),
    }
}

async fn export(State(admin): Admin, Extension(access): Extension<Access>) -> Response {
    let exported = tokio::task::spawn_blocking(move || admin.control.export_webhooks(&access)).await;
    match exported {
        Ok(Ok(text)) => text.into_response(),
        Ok(Err(error)) => error.into_response(),
        Err(_) => axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn pause(State(admin): Admin, Extension(access): Extension<Access>, body: Bytes) -> Response {
    match json::<PauseRequest>(&body) {
        Ok(request) => respond(admin, move |control| control.pause(&request, &access)).await,
        Err(error) => error.into_response(),
    }
}

async fn resume(State(admin): Admin, Extension(access): Extension<Access>, body: Bytes) -> Response {
    match json::<PauseRequest>(&body) {
        Ok(request) => respond(admin, move |control| control.resume(&request, &access)).await,
        Err(error) => error.into_response(),
    }
}

async fn skip(State(admin): Admin, Extension(access): Extension<Access>, body: Bytes) -> Response {
    match json::<SkipRequest>(&body) {
        Ok(request) => respond(admin, move |control| control.skip(&request, &access)).await,
        Err(error) => error.into_response(),
    }
}

async fn test(State(admin): Admin, Extension(access): Extension<Access>, body: Bytes) -> Response {
    match json::<TestRequest>(&body) {
        Ok(request) => respond(admin, move |control| control.test_webhook(&request, &access)).await,
        Err(error) => error.into_response(),
    }
}

async fn secret(State(admin): Admin, Extension(access): Extension<Access>, body: Bytes) -> Response {
    match access.require_secret().and_then(|()| json::<WebhookKey>(&body)) {
        Ok(key) => respond(admin, move |control| control.signing_secrets(&key, &access)).await,
        Err(error) => error.into_response(),
    }
}

async fn rotate(State(admin): Admin, Extension(access): Extension<Access>, body: Bytes) -> Response {
    match access.require_secret().and_then(|()| json::<RotateRequest>(&body)) {
        Ok(request) => respond(admin, move |control| control.rotate_secret(&request, &access)).await,
        Err(error) => error.into_response(),
    }
}
