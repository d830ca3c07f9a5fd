//! Which webhook a page is about.

use std::sync::Arc;

use axum::extract::State;

use crate::admin::access::Access;
use crate::admin::api::{WebhookDetail, WebhookKey};
use crate::admin::control::Control;
use crate::admin::page::visit::Visit;
use crate::admin::request_error::RequestError;
use crate::admin::respond::AdminState;

pub(super) type Admin = State<Arc<AdminState>>;
/// A form as it was sent.
pub(super) type Posted = axum::Form<Vec<(String, String)>>;

/// The webhook that the page is about.
pub(super) fn key(visit: &Visit) -> Result<WebhookKey, RequestError> {
    let (project, callback) = (visit.required("project")?, visit.required("callback")?);
    visit.access.scope.require(project)?;
    Ok(WebhookKey { project: project.to_owned(), callback: callback.to_owned() })
}

/// The webhook as it is in force; `None`: there is none for exactly this project and callback.
pub(super) fn stored(
    control: &dyn Control,
    key: &WebhookKey,
    access: &Access,
) -> Result<Option<WebhookDetail>, RequestError> {
    match control.webhook(key, access) {
        Ok(detail) => Ok(Some(detail)),
        Err(RequestError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The page of the project, which says what was done.
pub(super) fn back(key: &WebhookKey, visit: &Visit, done: &str) -> String {
    visit.links.with("project", &[("project", &key.project), ("done", done)])
}
