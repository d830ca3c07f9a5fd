//! Whether a request may reach its handler: decided in this one place, for every endpoint.

use std::sync::Arc;

use axum::extract::{Extension, MatchedPath, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::endpoints::{Endpoint, Reach};
use super::granted::Access;
use crate::admin::request_error::{Problem, RequestError};
use crate::admin::respond::AdminState;

/// Refuses what the caller of a request was not granted. A browser that shows a page is led to the sign-in.
pub(in crate::admin) async fn authorize(
    State(admin): State<Arc<AdminState>>,
    path: MatchedPath,
    Extension(access): Extension<Access>,
    request: Request,
    next: Next,
) -> Response {
    let (method, path) = (request.method().as_str(), path.as_str());
    let Some(endpoint) = Endpoint::find(method, path) else { return unlisted(method, path) };
    match allowed(&access, endpoint) {
        Ok(()) => next.run(request).await,
        Err(RequestError::Unauthenticated(_)) if is_page(&request) => {
            let asked = request.uri().path_and_query().map_or("/", |asked| asked.as_str());
            let asked = utf8_percent_encode(asked, NON_ALPHANUMERIC);
            Redirect::to(&format!("{}/sign-in?next={asked}", admin.options.base_path)).into_response()
        }
        Err(error) => error.into_response(),
    }
}

/// A path that no endpoint has cannot be reached: the router knows none.
fn unlisted(method: &str, path: &str) -> Response {
    let methods = Endpoint::methods(path);
    if methods.is_empty() {
        let why = format!("{method} {path} is missing in the list of endpoints");
        return RequestError::Internal(why).into_response();
    }
    let allowed = methods.join(", ");
    let why = format!("{path} does not take {method}: use {allowed}");
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, why);
    ([(header::ALLOW, allowed)], problem).into_response()
}

fn allowed(access: &Access, endpoint: &Endpoint) -> Result<(), RequestError> {
    endpoint.needs.iter().try_for_each(|capability| access.require(*capability))?;
    if endpoint.reach == Reach::Operator {
        access.scope.require_all()?;
    }
    Ok(())
}

fn is_page(request: &Request) -> bool {
    let accepted = request.headers().get(header::ACCEPT).and_then(|accepted| accepted.to_str().ok());
    let is_html = accepted.is_some_and(|accepted| accepted.contains("text/html"));
    is_html && request.method() == Method::GET && !request.uri().path().starts_with("/api/")
}
