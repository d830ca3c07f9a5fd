//! The description of the API (OpenAPI 3.1), and the JSON schemas of the three bodies that receivers get.
//!
//! Paths, parameters and schemas come from the handlers and their types. What all operations have in common
//! (capabilities, errors, names) comes from the list of endpoints.

mod bodies;
mod common;
mod receivers;

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use utoipa::OpenApi;

use super::access_routes::AccessPaths;
use super::delivery_act_routes::DeliveryActPaths;
use super::extract::Path;
use super::operation_routes::OperationPaths;
use super::project_routes::ProjectPaths;
use super::record_routes::RecordPaths;
use super::request_error::{Problem, RequestError};
use super::resend_routes::ResendPaths;
use super::respond::AdminState;
use super::status_routes::StatusPaths;
use super::webhook_routes::WebhookPaths;
use crate::record::Callback;

pub use self::bodies::body_schema;

/// The description of the API.
pub fn openapi() -> Value {
    let mut described = Described::openapi();
    for paths in [
        StatusPaths::openapi(),
        ProjectPaths::openapi(),
        WebhookPaths::openapi(),
        RecordPaths::openapi(),
        DeliveryActPaths::openapi(),
        ResendPaths::openapi(),
        AccessPaths::openapi(),
        OperationPaths::openapi(),
    ] {
        described.merge(paths);
    }
    let mut document = serde_json::to_value(described).unwrap_or_default();
    let info = json!({
        "title": "sidecar",
        "version": env!("CARGO_PKG_VERSION"),
        "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        "description": ABOUT,
    });
    set(&mut document, "", "info", info);
    let schemes = json!({
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "A token of `sidecar tokens create`, or `admin.token`. The names beside it are the capabilities that it takes."
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "sidecar_session",
            "description": "The session of a browser that signed in, or opened a one-time link."
        },
    });
    set(&mut document, "/components", "securitySchemes", schemes);
    for callback in Callback::ALL {
        set(&mut document, "/components/schemas", bodies::name(callback), bodies::component(callback));
    }
    set(&mut document, "", "webhooks", receivers::webhooks());
    common::complete(&mut document);
    document
}

/// Sets a field of the object at `place`.
fn set(document: &mut Value, place: &str, name: &str, value: Value) {
    if let Some(fields) = document.pointer_mut(place).and_then(Value::as_object_mut) {
        fields.insert(name.to_owned(), value);
    }
}

/// What is described of the endpoints of this file.
#[derive(OpenApi)]
#[openapi(paths(document, schema), components(schemas(Problem)))]
struct Described;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new().route("/api/openapi.json", get(document)).route("/api/schemas/{file}", get(schema))
}

/// This document.
#[utoipa::path(get, path = "/api/openapi.json", responses((status = 200, body = Object)))]
async fn document(State(admin): State<Arc<AdminState>>) -> Response {
    let mut document = openapi();
    if !admin.options.base_path.is_empty() {
        set(&mut document, "", "servers", json!([{ "url": admin.options.base_path }]));
    }
    Json(document).into_response()
}

/// The JSON schema (2020-12) of the body that the webhooks of one callback get.
#[utoipa::path(
    get,
    path = "/api/schemas/{file}",
    params((
        "file" = String,
        Path,
        description = "`ingested.json`, `modified.json` or `excluded.json`.",
        pattern = "^(ingested|modified|excluded)\\.json$"
    )),
    responses((status = 200, content_type = "application/schema+json", body = Object))
)]
async fn schema(Path(file): Path<String>) -> Result<Response, RequestError> {
    let callback = file.strip_suffix(".json").and_then(|name| name.parse().ok());
    let callback: Callback = callback.ok_or_else(|| {
        RequestError::NotFound(
            "there is no such schema: `ingested.json`, `modified.json` and `excluded.json` are there"
                .to_owned(),
        )
    })?;
    Ok(([(header::CONTENT_TYPE, "application/schema+json")], Json(body_schema(callback))).into_response())
}

const ABOUT: &str = "\
The API of the running sidecar. It is served on `admin.listen`, under `admin.base_path`, and on the Unix socket `control.sock` \
in the spool's folder, which takes no token: only the user that the sidecar runs as can open it.

On loopback, reading takes no token where `admin.token` is not set. Every change takes one. An operation names the capabilities \
that it takes; a token of one project sees and changes that project alone.

Times are RFC 3339 in UTC, sizes bytes, durations seconds, and LSNs texts as Postgres writes them (`0/16B3748`).

Errors are problems (RFC 9457): `detail` is a sentence, and `field` names the field that is at fault.";
