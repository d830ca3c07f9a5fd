//! What is asked of lanes: pause, resume, skip, recover, send what exists. Each question says what would happen,
//! and how much it is about, before anything does.

mod asked;
mod pause;
mod recover;
mod send_existing;
mod skip;

use std::sync::Arc;

use axum::Router;

use crate::admin::respond::AdminState;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new()
        .merge(pause::router())
        .merge(recover::router())
        .merge(send_existing::router())
        .merge(skip::router())
}
