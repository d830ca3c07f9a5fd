//! Whether a request may reach its handler: decided in this one place, for every endpoint.

use axum::extract::{Extension, MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::endpoints::{Endpoint, Reach};
use super::granted::Access;
use crate::admin::request_error::RequestError;

/// Refuses what the caller of a request was not granted.
pub(in crate::admin) async fn authorize(
    path: MatchedPath,
    Extension(access): Extension<Access>,
    request: Request,
    next: Next,
) -> Response {
    match allowed(&access, request.method().as_str(), path.as_str()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

fn allowed(access: &Access, method: &str, path: &str) -> Result<(), RequestError> {
    let Some(endpoint) = Endpoint::find(method, path) else {
        return Err(RequestError::Internal(format!("{method} {path} is missing in the list of endpoints")));
    };
    endpoint.needs.iter().try_for_each(|capability| access.require(*capability))?;
    if endpoint.reach == Reach::Operator && !endpoint.needs.is_empty() {
        access.scope.require_all()?;
    }
    Ok(())
}
