//! The state that endpoints share, and how they respond.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use prometheus_client::registry::Registry;
use serde::Serialize;

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
pub(super) async fn call<T: Send + 'static>(
    admin: Arc<AdminState>,
    call: impl FnOnce(&dyn Control) -> Result<T, RequestError> + Send + 'static,
) -> Result<T, RequestError> {
    let called = tokio::task::spawn_blocking(move || call(&*admin.control)).await;
    called.unwrap_or_else(|error| {
        Err(RequestError::Internal(format!("the request was not carried out: {error}")))
    })
}

/// The same, as a JSON response.
pub(super) async fn respond<T: Serialize + Send + 'static>(
    admin: Arc<AdminState>,
    call_control: impl FnOnce(&dyn Control) -> Result<T, RequestError> + Send + 'static,
) -> Response {
    call(admin, call_control)
        .await
        .map_or_else(RequestError::into_response, |body| Json(body).into_response())
}
