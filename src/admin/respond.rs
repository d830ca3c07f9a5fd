//! The state that endpoints share, and how they respond.

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use prometheus_client::registry::Registry;
use serde::Serialize;

use super::control::Control;
use super::request_error::RequestError;
use super::tail::Tail;
use crate::secret::Secret;

/// What the endpoints read and call.
pub struct AdminState {
    /// The running sidecar.
    pub control: Arc<dyn Control>,
    /// Every metric.
    pub registry: Registry,
    /// Records as they are classified.
    pub tail: Tail,
    /// The bearer token that the port requires, where one is set. The socket requires none.
    pub token: Option<Secret>,
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
