//! Batches: the list with its filters and searches, one of them with its request and its attempts, and what can be
//! done about those selected.

mod act;
mod detail;
mod list;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use self::detail::Delivery;
use self::list::Deliveries;
pub(super) use self::list::pill;
use super::bulk::{Act, asked};
use super::frame::Nav;
use super::serve::show_page;
use super::texts as t;
use super::visit::Visit;
use crate::admin::respond::AdminState;

type Admin = State<Arc<AdminState>>;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new()
        .route("/deliveries", get(list))
        .route("/delivery", get(one))
        .route("/deliveries/redeliver", asked::<Deliveries>(Act::Redeliver))
        .route("/deliveries/discard", asked::<Deliveries>(Act::Discard))
        .route("/deliveries/replay", asked::<Deliveries>(Act::Replay))
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
