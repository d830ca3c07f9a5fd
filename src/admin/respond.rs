//! The state that endpoints share, and how they respond.

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use prometheus_client::registry::Registry;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::access::{AccessOptions, FailedLogins};
use super::control::Control;
use super::request_error::RequestError;
use super::tail::Tail;

/// What the endpoints read and call.
pub struct AdminState {
    /// The running sidecar.
    pub control: Arc<dyn Control>,
    /// Every metric.
    pub registry: Registry,
    /// Records as they are classified.
    pub tail: Tail,
    /// Who is served on the port, and how.
    pub options: AccessOptions,
    /// A process of this machine may read without a token.
    pub is_reading_free: bool,
    pub(super) failed_logins: FailedLogins,
}

impl AdminState {
    /// With no failed login so far.
    pub fn new(
        control: Arc<dyn Control>,
        registry: Registry,
        tail: Tail,
        (options, is_reading_free): (AccessOptions, bool),
    ) -> Self {
        Self { control, registry, tail, options, is_reading_free, failed_logins: FailedLogins::new() }
    }
}

/// Calls `control` on a thread where it may block.
pub(super) async fn respond<T: Serialize + Send + 'static>(
    admin: Arc<AdminState>,
    call: impl FnOnce(&dyn Control) -> Result<T, RequestError> + Send + 'static,
) -> Response {
    match tokio::task::spawn_blocking(move || call(&*admin.control)).await {
        Ok(Ok(body)) => Json(body).into_response(),
        Ok(Err(error)) => error.into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The body of a request. The error names the field, and repeats no value: it may be a secret.
pub(super) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, RequestError> {
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
