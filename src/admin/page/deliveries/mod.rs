//! Batches: the list with its filters and searches, one of them with its request and its attempts, and what can be
//! done about those selected.

mod act;
mod detail;
mod list;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use self::act::Act;
use self::detail::Delivery;
use self::list::Deliveries;
pub(super) use self::list::pill;
use super::confirm::Confirm;
use super::frame::Nav;
use super::serve::{Answer, answer, show_page};
use super::texts as t;
use super::visit::Visit;
use crate::admin::respond::AdminState;

type Admin = State<Arc<AdminState>>;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new()
        .route("/deliveries", get(list))
        .route("/delivery", get(one))
        .route("/deliveries/redeliver", get(confirm_redelivery).post(redeliver))
        .route("/deliveries/discard", get(confirm_discard).post(discard))
        .route("/deliveries/replay", get(confirm_replay).post(replay))
}

async fn list(State(admin): Admin, visit: Visit) -> Response {
    show_page(admin, visit, (Nav::Deliveries, t::nav::DELIVERIES.to_owned()), |control, visit| {
        Ok(Deliveries::of(control.deliveries(&Deliveries::query(visit), &visit.access)?, visit))
    })
    .await
}

async fn one(State(admin): Admin, visit: Visit) -> Response {
    show_page(admin, visit, (Nav::Deliveries, t::deliveries::ONE.to_owned()), |control, visit| {
        let id = visit.query("id").unwrap_or_default();
        Ok(Delivery::of(&control.delivery(id, &visit.access)?, visit))
    })
    .await
}

async fn confirm_redelivery(State(admin): Admin, visit: Visit) -> Response {
    confirm(admin, visit, Act::Redeliver).await
}

async fn confirm_discard(State(admin): Admin, visit: Visit) -> Response {
    confirm(admin, visit, Act::Discard).await
}

async fn confirm_replay(State(admin): Admin, visit: Visit) -> Response {
    confirm(admin, visit, Act::Replay).await
}

async fn redeliver(State(admin): Admin, visit: Visit) -> Response {
    act(admin, visit, Act::Redeliver).await
}

async fn discard(State(admin): Admin, visit: Visit) -> Response {
    act(admin, visit, Act::Discard).await
}

async fn replay(State(admin): Admin, visit: Visit) -> Response {
    act(admin, visit, Act::Replay).await
}

async fn confirm(admin: Arc<AdminState>, visit: Visit, act: Act) -> Response {
    answer(admin, visit, (Nav::Deliveries, act.name().to_owned()), move |control, visit| {
        Ok(Answer::Page(StatusCode::OK, act.confirm(control, visit)?))
    })
    .await
}

async fn act(admin: Arc<AdminState>, visit: Visit, act: Act) -> Response {
    answer(admin, visit, (Nav::Deliveries, act.name().to_owned()), move |control, visit| {
        Ok(Answer::<Confirm>::To(act.carry_out(control, visit)?))
    })
    .await
}
