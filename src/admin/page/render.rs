//! Templates and the control, as pages call them.

use std::sync::Arc;

use askama::Template;

use crate::admin::control::Control;
use crate::admin::request_error::RequestError;
use crate::admin::respond::AdminState;

/// Calls `control` on a thread where it may block.
pub(super) async fn call<T: Send + 'static>(
    admin: Arc<AdminState>,
    call: impl FnOnce(&dyn Control) -> Result<T, RequestError> + Send + 'static,
) -> Result<T, RequestError> {
    let called = tokio::task::spawn_blocking(move || call(&*admin.control)).await;
    called.unwrap_or_else(|error| Err(RequestError::Internal(format!("the page was not made: {error}"))))
}

/// The text of a template.
pub(super) fn rendered(template: &impl Template) -> Result<String, RequestError> {
    template.render().map_err(|error| RequestError::Internal(format!("the page was not made: {error}")))
}
