//! What was given up: the list, one of them, and what can be done about it.

mod act;
mod letter;
mod list;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use self::letter::Letter;
use self::list::List;
use super::bulk::{Act, asked};
use super::frame::Nav;
use super::serve::show_page;
use super::texts as t;
use super::visit::Visit;
use crate::admin::respond::AdminState;

type Admin = State<Arc<AdminState>>;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new()
        .route("/dead-letters", get(list))
        .route("/dead-letter", get(letter))
        .route("/dead-letters/redeliver", asked::<List>(Act::Redeliver))
        .route("/dead-letters/discard", asked::<List>(Act::Discard))
}

async fn list(State(admin): Admin, visit: Visit) -> Response {
    let title = (Nav::DeadLetters, t::nav::DEAD_LETTERS.to_owned());
    show_page(admin, visit, title, |control, visit| {
        Ok(List::of(&control.dead_letters(&List::query(visit), &visit.access)?, visit))
    })
    .await
}

async fn letter(State(admin): Admin, visit: Visit) -> Response {
    let no = visit.query("no").and_then(|no| no.parse().ok()).unwrap_or(0);
    show_page(admin, visit, (Nav::DeadLetters, t::dead_letters::title(no)), move |control, visit| {
        Ok(Letter::of(&control.dead_letter(no, &visit.access)?, visit))
    })
    .await
}
