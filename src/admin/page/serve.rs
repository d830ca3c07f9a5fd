//! How a page is answered: once, or as a stream of its versions.

use std::sync::Arc;

use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};

use super::frame::{self, Nav};
use super::live;
use super::render::{call, rendered};
use super::visit::Visit;
use crate::admin::control::Control;
use crate::admin::request_error::RequestError;
use crate::admin::respond::AdminState;

/// Answers with the page that `view` makes: once, or to the script as a stream of its versions.
pub(super) async fn show_page<V: Template>(
    admin: Arc<AdminState>,
    visit: Visit,
    (nav, title): (Nav, String),
    view: impl Fn(&dyn Control, &Visit) -> Result<V, RequestError> + Send + Sync + 'static,
) -> Response {
    let render = move |control: &dyn Control, visit: &Visit| {
        let content = rendered(&view(control, visit)?)?;
        frame::page(control, visit, (nav, &title), &content)
    };
    if visit.is_live {
        return live::stream(admin, visit, render);
    }
    match call(admin, move |control| render(control, &visit)).await {
        Ok(html) => page(StatusCode::OK, html),
        Err(error) => error.into_response(),
    }
}

/// A page is never kept by a cache: it shows what is now, and to one visitor only.
fn page(status: StatusCode, html: String) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Html(html)).into_response()
}
