//! How requests fail, and the responses to it.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// Why a request fails.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RequestError {
    /// The request is invalid.
    Invalid(String),
    /// What it names does not exist.
    NotFound(String),
    /// The state of the sidecar does not allow it.
    Conflict(String),
    /// The caller may not do it.
    Forbidden(String),
    /// The spool cannot be read or written.
    Internal(String),
}

impl IntoResponse for RequestError {
    fn into_response(self) -> Response {
        let (status, why) = match self {
            Self::Invalid(why) => (StatusCode::BAD_REQUEST, why),
            Self::NotFound(why) => (StatusCode::NOT_FOUND, why),
            Self::Conflict(why) => (StatusCode::CONFLICT, why),
            Self::Forbidden(why) => (StatusCode::FORBIDDEN, why),
            Self::Internal(why) => (StatusCode::INTERNAL_SERVER_ERROR, why),
        };
        (status, why + "\n").into_response()
    }
}
