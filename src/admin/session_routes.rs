//! How a browser signs in: with a token, or with a one-time link. Both are exchanged for a cookie.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Form, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::access::{COOKIE, Client, cookie};
use super::access_control::NewSession;
use super::page::{LinkPage, SignInPage, link_page, sign_in_page};
use super::request_error::RequestError;
use super::respond::AdminState;

type Admin = State<Arc<AdminState>>;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new()
        .route("/link", get(show_link).post(use_link))
        .route("/sign-in", get(show_sign_in).post(sign_in))
        .route("/sign-out", post(sign_out))
}

#[derive(Deserialize)]
struct SignInQuery {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
struct SignInForm {
    token: String,
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
struct LinkForm {
    #[serde(default)]
    key: String,
}

async fn show_sign_in(Query(query): Query<SignInQuery>) -> Response {
    Html(sign_in_page(&SignInPage { next: &query.next, error: None })).into_response()
}

async fn sign_in(
    State(admin): Admin,
    Extension(client): Extension<Client>,
    Form(form): Form<SignInForm>,
) -> Response {
    let next = form.next.clone();
    let token = form.token.trim().to_owned();
    let begun = begin(&admin, &client, move |admin| admin.control.sign_in(&token)).await;
    match begun {
        Ok(session) => signed_in(&admin, &client, &session, &next),
        Err(error) => {
            let page = sign_in_page(&SignInPage { next: &form.next, error: Some(&error.detail()) });
            refused(&error, page)
        }
    }
}

/// Shows a button: what only opens links, such as the preview of a chat, does not use them up.
async fn show_link(Query(form): Query<LinkForm>) -> Response {
    Html(link_page(&LinkPage { key: &form.key, error: None })).into_response()
}

async fn use_link(
    State(admin): Admin,
    Extension(client): Extension<Client>,
    Form(form): Form<LinkForm>,
) -> Response {
    let key = form.key;
    let begun = begin(&admin, &client, move |admin| admin.control.use_link(&key)).await;
    match begun {
        Ok(session) => signed_in(&admin, &client, &session, "/"),
        Err(error) => refused(&error, link_page(&LinkPage { key: "", error: Some(&error.detail()) })),
    }
}

async fn sign_out(State(admin): Admin, Extension(client): Extension<Client>, headers: HeaderMap) -> Response {
    if let Some(cookie) = cookie(&headers).map(str::to_owned) {
        let admin = Arc::clone(&admin);
        match tokio::task::spawn_blocking(move || admin.control.sign_out(&cookie)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.into_response(),
            Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
    let mut response = Redirect::to(&format!("{}/sign-in", admin.options.base_path)).into_response();
    set_cookie(&mut response, &admin, &client, "", 0);
    response
}

/// Begins a session, unless the client failed too often.
async fn begin(
    admin: &Arc<AdminState>,
    client: &Client,
    begin: impl FnOnce(&AdminState) -> Result<Option<NewSession>, RequestError> + Send + 'static,
) -> Result<NewSession, RequestError> {
    admin.failed_logins.check(client.address)?;
    let called = Arc::clone(admin);
    let begun = tokio::task::spawn_blocking(move || begin(&called)).await;
    let begun = begun.unwrap_or_else(|error| Err(RequestError::Internal(error.to_string())))?;
    begun.ok_or_else(|| {
        admin.failed_logins.failed(client.address);
        RequestError::Unauthenticated(NOT_VALID.to_owned())
    })
}

fn signed_in(admin: &AdminState, client: &Client, session: &NewSession, next: &str) -> Response {
    // A path of ours: `//host` and `/\host` would be other sites.
    let is_ours = next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\r', '\n']);
    let next = if is_ours { next } else { "/" };
    let mut response = Redirect::to(&format!("{}{next}", admin.options.base_path)).into_response();
    set_cookie(&mut response, admin, client, session.secret.expose(), session.lasts.as_secs());
    response
}

/// In a frame of another site, a cookie is sent only where it says so, and over https.
fn set_cookie(response: &mut Response, admin: &AdminState, client: &Client, value: &str, seconds: u64) {
    let path = if admin.options.base_path.is_empty() { "/" } else { &admin.options.base_path };
    let site = match (admin.options.frame_ancestors.is_empty(), client.is_https) {
        (false, _) => "SameSite=None; Secure; Partitioned",
        (true, true) => "SameSite=Strict; Secure",
        (true, false) => "SameSite=Strict",
    };
    let cookie = format!("{COOKIE}={value}; Path={path}; Max-Age={seconds}; HttpOnly; {site}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

fn refused(error: &RequestError, page: String) -> Response {
    (error.status(), Html(page)).into_response()
}

const NOT_VALID: &str = "It is not valid: it is unknown, was used or revoked, or has ended.";
