//! The endpoints of tokens, links and the audit log.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, State};
use axum::response::Response;
use axum::routing::{delete, get};
use utoipa::OpenApi;

use super::access::Access;
use super::api::{
    AuditPage, AuditQuery, LinkList, LinkRequest, NewLink, NewToken, Revoked, TokenList, TokenRequest,
};
use super::extract::{Json, Path, Query};
use super::lists::ListRequest;
use super::request_error::RequestError;
use super::respond::{AdminState, respond};

type Admin = State<Arc<AdminState>>;

/// What is described of these endpoints.
#[derive(OpenApi)]
#[openapi(paths(audit, links, create_link, revoke_link, tokens, create_token, revoke_token))]
pub(super) struct AccessPaths;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new()
        .route("/api/v1/audit", get(audit))
        .route("/api/v1/links", get(links).post(create_link))
        .route("/api/v1/links/{id}", delete(revoke_link))
        .route("/api/v1/tokens", get(tokens).post(create_token))
        .route("/api/v1/tokens/{name}", delete(revoke_token))
}

/// Every change over the API, the page and the commands.
#[utoipa::path(get, path = "/api/v1/audit", params(AuditQuery), responses((status = 200, body = AuditPage)))]
async fn audit(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Query(query): Query<AuditQuery>,
    list: ListRequest,
) -> Response {
    list.respond(admin, move |control| control.audit(&query, &access)).await
}

/// Links that have not ended.
#[utoipa::path(get, path = "/api/v1/links", responses((status = 200, body = LinkList)))]
async fn links(State(admin): Admin, Extension(access): Extension<Access>, list: ListRequest) -> Response {
    list.respond(admin, move |control| control.links(&access)).await
}

/// Makes a one-time link, which an application hands to its user.
///
/// Over loopback, TLS or the socket only.
#[utoipa::path(post, path = "/api/v1/links", request_body = LinkRequest, responses((status = 200, body = NewLink)))]
async fn create_link(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Json(request): Json<LinkRequest>,
) -> Result<Response, RequestError> {
    access.require_private()?;
    Ok(respond(admin, move |control| control.create_link(&request, &access)).await)
}

/// Revokes a link, and ends its session.
#[utoipa::path(
    delete,
    path = "/api/v1/links/{id}",
    params(("id" = String, Path, description = "Its id, as the list has it.")),
    responses((status = 200, body = Revoked))
)]
async fn revoke_link(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Path(id): Path<String>,
) -> Response {
    respond(admin, move |control| control.revoke_link(&id, &access)).await
}

/// Every token, without the tokens themselves.
#[utoipa::path(get, path = "/api/v1/tokens", responses((status = 200, body = TokenList)))]
async fn tokens(State(admin): Admin, Extension(access): Extension<Access>, list: ListRequest) -> Response {
    list.respond(admin, move |control| control.tokens(&access)).await
}

/// Makes a token.
///
/// Over loopback, TLS or the socket only. It cannot do more than its maker.
#[utoipa::path(post, path = "/api/v1/tokens", request_body = TokenRequest, responses((status = 200, body = NewToken)))]
async fn create_token(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Json(request): Json<TokenRequest>,
) -> Result<Response, RequestError> {
    access.require_private()?;
    Ok(respond(admin, move |control| control.create_token(&request, &access)).await)
}

/// Revokes a token at once, and ends its sessions and streams.
#[utoipa::path(
    delete,
    path = "/api/v1/tokens/{name}",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, body = Revoked))
)]
async fn revoke_token(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Path(name): Path<String>,
) -> Response {
    respond(admin, move |control| control.revoke_token(&name, &access)).await
}
