//! How a page is answered: once, as a stream of its versions, or by sending the visitor on.

use std::sync::Arc;

use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};

use super::frame::{self, Nav};
use super::live;
use super::render::rendered;
use super::texts as t;
use super::times::Fact;
use super::visit::{Links, Visit};
use crate::admin::control::Control;
use crate::admin::request_error::RequestError;
use crate::admin::respond::{AdminState, call};

/// What a form leads to.
pub(super) enum Answer<V> {
    /// A page: the form again, or a result.
    Page(StatusCode, V),
    /// Another page, by its link. Loading that again does not send the form again.
    To(String),
}

/// Answers with the page that `view` makes: once, or to the script as a stream of its versions.
pub(super) async fn show_page<V: Template>(
    admin: Arc<AdminState>,
    visit: Visit,
    (nav, title): (Nav, String),
    view: impl Fn(&dyn Control, &Visit) -> Result<V, RequestError> + Send + Sync + 'static,
) -> Response {
    if visit.is_live {
        return live::stream(admin, visit, move |control, visit| {
            visit.check_scope()?;
            let content = rendered(&view(control, visit)?)?;
            frame::page(control, visit, (nav, &title), &content)
        });
    }
    let once =
        move |control: &dyn Control, visit: &Visit| Ok(Answer::Page(StatusCode::OK, view(control, visit)?));
    answer(admin, visit, (nav, title), once).await
}

/// Does what a form asks for.
pub(super) async fn answer<V: Template>(
    admin: Arc<AdminState>,
    visit: Visit,
    (nav, title): (Nav, String),
    view: impl FnOnce(&dyn Control, &Visit) -> Result<Answer<V>, RequestError> + Send + 'static,
) -> Response {
    let answered = call(admin, move |control| {
        let answered = visit.check_scope().and_then(|()| view(control, &visit));
        let (status, content) = match answered {
            Ok(Answer::To(link)) => return Ok(Err(link)),
            Ok(Answer::Page(status, view)) => (status, rendered(&view)?),
            Err(error) => (error.status(), rendered(&Failed::of(&error, &visit.links))?),
        };
        Ok(Ok((status, frame::page(control, &visit, (nav, &title), &content)?)))
    });
    match answered.await {
        // A page is never kept by a cache: it shows what is now, and to one visitor only.
        Ok(Ok((status, html))) => (status, [(header::CACHE_CONTROL, "no-store")], Html(html)).into_response(),
        Ok(Err(link)) => (StatusCode::SEE_OTHER, [(header::LOCATION, link)]).into_response(),
        Err(error) => error.into_response(),
    }
}

/// Why there is no such page, and where to go from here.
#[derive(Template)]
#[template(path = "failed.html")]
struct Failed {
    title: String,
    detail: Fact,
    back: String,
}

impl Failed {
    fn of(error: &RequestError, links: &Links) -> Self {
        let title = error.status().canonical_reason().unwrap_or(t::FAILED).to_owned();
        Self { title, detail: error.detail().into(), back: links.to("projects") }
    }
}
