//! The web page: what the API gives, as HTML that is complete without a script.
//!
//! A page is a function from what [`Control`] returns to a view, which is a template. A page knows no more than an
//! endpoint of the API: it calls the same methods.
//!
//! ```text
//! request ──▶ visit (links, theme, live?) ──▶ page (Control ──▶ view ──▶ template) ──▶ frame (navigation, title)
//!                                                                                      │
//!                                                    live: the same page again, whenever it differs
//! ```
//!
//! Links are relative, so that the page works under any path. Elements with `data-live` are replaced by the script
//! as the page changes; without the script the page is what it was when it was loaded.

mod assets;
mod frame;
mod live;
mod overview;
mod parts;
mod show;
mod texts;
mod visit;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};

use self::frame::Nav;
use self::visit::Visit;
use super::control::Control;
use super::request_error::RequestError;
use super::respond::AdminState;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new().merge(assets::router()).merge(overview::router())
}

/// Answers with the page that `view` makes: once, or to the script as a stream of its versions.
async fn show_page<V: Template>(
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

/// Calls `control` on a thread where it may block.
async fn call<T: Send + 'static>(
    admin: Arc<AdminState>,
    call: impl FnOnce(&dyn Control) -> Result<T, RequestError> + Send + 'static,
) -> Result<T, RequestError> {
    let called = tokio::task::spawn_blocking(move || call(&*admin.control)).await;
    called.unwrap_or_else(|error| Err(RequestError::Internal(format!("the page was not made: {error}"))))
}

fn rendered(template: &impl Template) -> Result<String, RequestError> {
    template.render().map_err(|error| RequestError::Internal(format!("the page was not made: {error}")))
}

/// A page is never kept by a cache: it shows what is now, and to one visitor only.
fn page(status: StatusCode, html: String) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Html(html)).into_response()
}
