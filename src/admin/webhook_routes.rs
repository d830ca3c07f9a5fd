//! The endpoints of webhooks.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::Value;
use utoipa::{IntoParams, OpenApi};

use super::access::Access;
use super::api::{
    ApplyRequest, ApplyResult, PauseRequest, PauseResult, RevisionQuery, RotateRequest, RotateResult,
    SigningSecretList, SkipRequest, SkipResult, TestRequest, TestResult, WebhookChange, WebhookDetail,
    WebhookKey, WebhookList,
};
use super::extract::{Json, Path, Query};
use super::lists::ListRequest;
use super::request_error::RequestError;
use super::respond::{AdminState, call, respond};

type Admin = State<Arc<AdminState>>;

/// What is described of these endpoints.
#[derive(OpenApi)]
#[openapi(paths(list, show, set, replace, remove, apply, export, pause, resume, rotate, secret, skip, test))]
pub(super) struct WebhookPaths;

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
        .route("/api/v1/webhooks/{project}/{callback}", get(show).patch(set).put(replace).delete(remove))
}

/// The webhooks in force.
#[utoipa::path(get, path = "/api/v1/webhooks", responses((status = 200, body = WebhookList)))]
async fn list(State(admin): Admin, Extension(access): Extension<Access>, list: ListRequest) -> Response {
    list.respond(admin, move |control| control.webhooks(&access)).await
}

/// One webhook, with its settings. Secrets are masked.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks/{project}/{callback}",
    params(WebhookKey),
    responses((
        status = 200,
        body = WebhookDetail,
        headers(("etag" = String, description = "Its revision; `\"0\"` where it was not set."))
    ))
)]
async fn show(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Path(key): Path<WebhookKey>,
) -> Result<Response, RequestError> {
    Ok(with_etag(call(admin, move |control| control.webhook(&key, &access)).await?))
}

/// Sets what the body has, and keeps the rest.
///
/// A field that is absent stays, and one that is `null` is removed. The same request twice has the effect of one.
#[utoipa::path(
    patch,
    path = "/api/v1/webhooks/{project}/{callback}",
    params(
        WebhookKey,
        RevisionQuery,
        IfMatch
    ),
    request_body = WebhookChange,
    responses((
        status = 200,
        body = WebhookDetail,
        headers(("etag" = String, description = "Its new revision."))
    ))
)]
async fn set(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Path(key): Path<WebhookKey>,
    Query(query): Query<RevisionQuery>,
    headers: HeaderMap,
    Json(change): Json<Value>,
) -> Result<Response, RequestError> {
    let expected = Expected::of(&headers, &query)?;
    let set =
        call(admin, move |control| control.set_webhook(&key, &change, expected.revision, &access)).await;
    Ok(with_etag(set.map_err(|error| expected.refused(error))?))
}

/// Sets what the body has, and nothing else: it replaces the whole webhook.
///
/// A field that is absent has its default. Secrets are not kept: without `secret`, requests are not signed; without `auth`
/// and `headers`, they carry none. A mask is refused as a value. The same request twice has the effect of one.
#[utoipa::path(
    put,
    path = "/api/v1/webhooks/{project}/{callback}",
    params(
        WebhookKey,
        RevisionQuery,
        IfMatch
    ),
    request_body(content = WebhookChange, description = "All that is to be set; `url` is required."),
    responses((
        status = 200,
        body = WebhookDetail,
        headers(("etag" = String, description = "Its revision: a new one where it was another before."))
    ))
)]
async fn replace(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Path(key): Path<WebhookKey>,
    Query(query): Query<RevisionQuery>,
    headers: HeaderMap,
    Json(whole): Json<Value>,
) -> Result<Response, RequestError> {
    let expected = Expected::of(&headers, &query)?;
    let replaced =
        call(admin, move |control| control.replace_webhook(&key, &whole, expected.revision, &access)).await;
    Ok(with_etag(replaced.map_err(|error| expected.refused(error))?))
}

/// Removes a webhook that was set.
#[utoipa::path(
    delete,
    path = "/api/v1/webhooks/{project}/{callback}",
    params(
        WebhookKey,
        RevisionQuery,
        IfMatch
    ),
    responses((status = 200, body = WebhookKey))
)]
async fn remove(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Path(key): Path<WebhookKey>,
    Query(query): Query<RevisionQuery>,
    headers: HeaderMap,
) -> Result<Response, RequestError> {
    let expected = Expected::of(&headers, &query)?;
    let removed = call(admin, move |control| control.remove_webhook(&key, expected.revision, &access)).await;
    Ok(axum::Json(removed.map_err(|error| expected.refused(error))?).into_response())
}

/// Makes the webhooks that are set equal to a list, all at once or not at all.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/apply",
    request_body = ApplyRequest,
    responses((status = 200, body = ApplyResult))
)]
async fn apply(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Json(request): Json<ApplyRequest>,
) -> Response {
    respond(admin, move |control| control.apply_webhooks(&request, &access)).await
}

/// The webhooks that are set, as the text of a settings file, with their URLs in full.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks/export",
    responses((status = 200, content_type = "text/plain", body = String))
)]
async fn export(State(admin): Admin, Extension(access): Extension<Access>) -> Result<Response, RequestError> {
    Ok(call(admin, move |control| control.export_webhooks(&access)).await?.into_response())
}

/// Pauses lanes: their records wait.
///
/// Returns when no request is in flight any more, or after a while.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/pause",
    request_body = PauseRequest,
    responses((status = 200, body = PauseResult))
)]
async fn pause(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Json(request): Json<PauseRequest>,
) -> Response {
    respond(admin, move |control| control.pause(&request, &access)).await
}

/// Ends pauses.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/resume",
    request_body = PauseRequest,
    responses((status = 200, body = PauseResult))
)]
async fn resume(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Json(request): Json<PauseRequest>,
) -> Response {
    respond(admin, move |control| control.resume(&request, &access)).await
}

/// Settles what waits without sending it.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/skip",
    request_body = SkipRequest,
    responses((status = 200, body = SkipResult))
)]
async fn skip(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Json(request): Json<SkipRequest>,
) -> Response {
    respond(admin, move |control| control.skip(&request, &access)).await
}

/// Makes one request that is no attempt of a batch.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/test",
    request_body = TestRequest,
    responses((status = 200, body = TestResult))
)]
async fn test(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Json(request): Json<TestRequest>,
) -> Response {
    respond(admin, move |control| control.test_webhook(&request, &access)).await
}

/// What the receiver of a webhook verifies signatures with.
///
/// Over loopback, TLS or the socket only.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/secret",
    request_body = WebhookKey,
    responses((status = 200, body = SigningSecretList))
)]
async fn secret(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Json(key): Json<WebhookKey>,
) -> Result<Response, RequestError> {
    access.require_secret()?;
    key.check()?;
    Ok(respond(admin, move |control| control.signing_secrets(&key, &access)).await)
}

/// Gives a webhook that was set a new signing secret.
///
/// Over loopback, TLS or the socket only.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/rotate",
    request_body = RotateRequest,
    responses((status = 200, body = RotateResult))
)]
async fn rotate(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Json(request): Json<RotateRequest>,
) -> Result<Response, RequestError> {
    access.require_secret()?;
    request.key().check()?;
    Ok(respond(admin, move |control| control.rotate_secret(&request, &access)).await)
}

/// The version that a change is based on.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
struct IfMatch {
    /// The `etag` that the change is based on, in place of `revision`: where the webhook has another by now, the change is
    /// refused (412).
    #[param(rename = "if-match", required = false, pattern = "^\"[0-9]{1,19}\"$", example = "\"7\"")]
    tag: String,
}

impl IfMatch {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let tag = headers.get(header::IF_MATCH)?.to_str().unwrap_or_default();
        Some(Self { tag: tag.trim().to_owned() })
    }
}

/// The revision that a change is based on.
#[derive(Clone, Copy)]
struct Expected {
    revision: Option<u64>,
    by_header: bool,
}

impl Expected {
    /// `if-match`, or else `revision` of the query.
    fn of(headers: &HeaderMap, query: &RevisionQuery) -> Result<Self, RequestError> {
        let Some(IfMatch { tag }) = IfMatch::of(headers) else {
            return Ok(Self { revision: query.revision, by_header: false });
        };
        let quoted = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
        match quoted.and_then(|tag| tag.parse().ok()) {
            Some(revision) => Ok(Self { revision: Some(revision), by_header: true }),
            None => Err(RequestError::field(
                "if-match",
                "one `etag` of this webhook is expected, as in `\"7\"`, and `\"0\"` where none was set",
            )),
        }
    }

    /// The error of a change that came second. <https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1>
    fn refused(self, error: RequestError) -> RequestError {
        match error {
            RequestError::Changed(why) if self.by_header => RequestError::PreconditionFailed(why),
            other => other,
        }
    }
}

fn with_etag(detail: WebhookDetail) -> Response {
    let etag = format!("\"{}\"", detail.webhook.revision.unwrap_or_default());
    ([(header::ETAG, etag)], axum::Json(detail)).into_response()
}
