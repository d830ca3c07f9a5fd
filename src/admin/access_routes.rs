//! The endpoints of tokens, links and the audit log.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get};

use super::access::Access;
use super::api::{AuditQuery, LinkRequest, TokenRequest};
use super::respond::{AdminState, json, respond};

type Admin = State<Arc<AdminState>>;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new()
        .route("/api/v1/audit", get(audit))
        .route("/api/v1/links", get(links).post(create_link))
        .route("/api/v1/links/{id}", delete(revoke_link))
        .route("/api/v1/tokens", get(tokens).post(create_token))
        .route("/api/v1/tokens/{name}", delete(revoke_token))
}

async fn audit(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Query(query): Query<AuditQuery>,
) -> Response {
    respond(admin, move |control| control.audit(&query, &access)).await
}

async fn links(State(admin): Admin, Extension(access): Extension<Access>) -> Response {
    respond(admin, move |control| control.links(&access)).await
}

async fn create_link(State(admin): Admin, Extension(access): Extension<Access>, body: Bytes) -> Response {
    match access.require_private().and_then(|()| json::<LinkRequest>(&body)) {
        Ok(request) => respond(admin, move |control| control.create_link(&request, &access)).await,
        Err(error) => error.into_response(),
    }
}

async fn revoke_link(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Path(id): Path<String>,
) -> Response {
    respond(admin, move |control| control.revoke_link(&id, &access)).await
}

async fn tokens(State(admin): Admin, Extension(access): Extension<Access>) -> Response {
    respond(admin, move |control| control.tokens(&access)).await
}

async fn create_token(State(admin): Admin, Extension(access): Extension<Access>, body: Bytes) -> Response {
    match access.require_private().and_then(|()| json::<TokenRequest>(&body)) {
        Ok(request) => respond(admin, move |control| control.create_token(&request, &access)).await,
        Err(error) => error.into_response(),
    }
}

async fn revoke_token(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Path(name): Path<String>,
) -> Response {
    respond(admin, move |control| control.revoke_token(&name, &access)).await
}
