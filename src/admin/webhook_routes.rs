//! The endpoints of webhooks.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::api::{
    ApplyRequest, PauseRequest, RevisionQuery, RotateRequest, SkipRequest, TestRequest, WebhookKey,
};
use super::caller::Caller;
use super::request_error::RequestError;
use super::respond::{AdminState, respond};

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

async fn list(State(admin): Admin) -> Response {
    respond(admin, |control| control.webhooks()).await
}

async fn show(State(admin): Admin, Path(key): Path<WebhookKey>) -> Response {
    respond(admin, move |control| control.webhook(&key)).await
}

async fn set(
    State(admin): Admin,
    Extension(caller): Extension<Caller>,
    Path(key): Path<WebhookKey>,
    Query(query): Query<RevisionQuery>,
    body: Bytes,
) -> Response {
    match json::<Value>(&body) {
        Ok(change) => {
            respond(admin, move |control| control.set_webhook(&key, &change, query.revision, caller)).await
        }
        Err(error) => error.into_response(),
    }
}

async fn remove(
    State(admin): Admin,
    Extension(caller): Extension<Caller>,
    Path(key): Path<WebhookKey>,
    Query(query): Query<RevisionQuery>,
) -> Response {
    respond(admin, move |control| control.remove_webhook(&key, query.revision, caller)).await
}

async fn apply(State(admin): Admin, Extension(caller): Extension<Caller>, body: Bytes) -> Response {
    match json::<ApplyRequest>(&body) {
        Ok(request) => respond(admin, move |control| control.apply_webhooks(&request, caller)).await,
        Err(error) => error.into_response(),
    }
}

async fn export(State(admin): Admin) -> Response {
    let exported = tokio::task::spawn_blocking(move || admin.control.export_webhooks()).await;
    match exported {
        Ok(Ok(text)) => text.into_response(),
        Ok(Err(error)) => error.into_response(),
        Err(_) => axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn pause(State(admin): Admin, Extension(caller): Extension<Caller>, body: Bytes) -> Response {
    match json::<PauseRequest>(&body) {
        Ok(request) => respond(admin, move |control| control.pause(&request, caller)).await,
        Err(error) => error.into_response(),
    }
}

async fn resume(State(admin): Admin, Extension(caller): Extension<Caller>, body: Bytes) -> Response {
    match json::<PauseRequest>(&body) {
        Ok(request) => respond(admin, move |control| control.resume(&request, caller)).await,
        Err(error) => error.into_response(),
    }
}

async fn skip(State(admin): Admin, Extension(caller): Extension<Caller>, body: Bytes) -> Response {
    match json::<SkipRequest>(&body) {
        Ok(request) => respond(admin, move |control| control.skip(&request, caller)).await,
        Err(error) => error.into_response(),
    }
}

async fn test(State(admin): Admin, Extension(caller): Extension<Caller>, body: Bytes) -> Response {
    match json::<TestRequest>(&body) {
        Ok(request) => respond(admin, move |control| control.test_webhook(&request, caller)).await,
        Err(error) => error.into_response(),
    }
}

async fn secret(State(admin): Admin, Extension(caller): Extension<Caller>, body: Bytes) -> Response {
    match on_socket(caller).and_then(|()| json::<WebhookKey>(&body)) {
        Ok(key) => respond(admin, move |control| control.signing_secrets(&key, caller)).await,
        Err(error) => error.into_response(),
    }
}

async fn rotate(State(admin): Admin, Extension(caller): Extension<Caller>, body: Bytes) -> Response {
    match on_socket(caller).and_then(|()| json::<RotateRequest>(&body)) {
        Ok(request) => respond(admin, move |control| control.rotate_secret(&request, caller)).await,
        Err(error) => error.into_response(),
    }
}

/// The admin port may be reached over a network, in plain text: no secret is in its responses.
fn on_socket(caller: Caller) -> Result<(), RequestError> {
    match caller {
        Caller::Socket { .. } => Ok(()),
        Caller::Port | Caller::Token => Err(RequestError::Forbidden(
            "secrets are given over the control socket only: use `sidecar webhooks secret` or `rotate` where the sidecar runs"
                .to_owned(),
        )),
    }
}

/// The body of a request. The error names the field, and repeats no value: it may be a secret.
fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, RequestError> {
    serde_json::from_slice(body).map_err(|error| {
        let at = format!("line {}, column {}", error.line(), error.column());
        let why = match error.classify() {
            serde_json::error::Category::Data => {
                format!("the body does not fit at {at}: {}", field_of(&error))
            }
            _ => format!("the body is no JSON at {at}"),
        };
        RequestError::Invalid(why)
    })
}

/// What serde says of a field, unless it repeats a value.
fn field_of(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let is_plain = text.starts_with("unknown field") || text.starts_with("missing field");
    if is_plain { text } else { "a value of another type is expected".to_owned() }
}
