//! What was given up: the list, one of them, and what can be done about it.

mod act;
mod letter;
mod list;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use self::act::Act;
use self::letter::Letter;
use self::list::List;
use super::confirm::Confirm;
use super::frame::Nav;
use super::serve::{Answer, answer, show_page};
use super::texts as t;
use super::visit::Visit;
use crate::admin::respond::AdminState;

type Admin = State<Arc<AdminState>>;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new()
        .route("/dead-letters", get(list))
        .route("/dead-letter", get(letter))
        .route("/dead-letters/redeliver", get(confirm_redelivery).post(redeliver))
        .route("/dead-letters/discard", get(confirm_discard).post(discard))
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

async fn confirm_redelivery(State(admin): Admin, visit: Visit) -> Response {
    confirm(admin, visit, Act::Redeliver).await
}

async fn confirm_discard(State(admin): Admin, visit: Visit) -> Response {
    confirm(admin, visit, Act::Discard).await
}

async fn redeliver(State(admin): Admin, visit: Visit) -> Response {
    act(admin, visit, Act::Redeliver).await
}

async fn discard(State(admin): Admin, visit: Visit) -> Response {
    act(admin, visit, Act::Discard).await
}

async fn confirm(admin: Arc<AdminState>, visit: Visit, act: Act) -> Response {
    answer(admin, visit, (Nav::DeadLetters, act.name().to_owned()), move |control, visit| {
        Ok(Answer::Page(StatusCode::OK, act.confirm(control, visit)?))
    })
    .await
}

async fn act(admin: Arc<AdminState>, visit: Visit, act: Act) -> Response {
    answer(admin, visit, (Nav::DeadLetters, act.name().to_owned()), move |control, visit| {
        let link = act.carry_out(control, visit)?;
        Ok(Answer::<Confirm>::To(link))
    })
    .await
}
