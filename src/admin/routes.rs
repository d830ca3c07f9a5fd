//! Every endpoint.

use std::sync::Arc;

use axum::{Router, middleware};

use super::access::authorize;
use super::respond::AdminState;
use super::{
    access_routes, delivery_act_routes, openapi, operation_routes, page, project_routes, record_routes,
    resend_routes, session_routes, status_routes, webhook_routes,
};

pub(super) fn router(admin: Arc<AdminState>) -> Router {
    Router::new()
        .merge(status_routes::router())
        .merge(resend_routes::router())
        .merge(access_routes::router())
        .merge(record_routes::router())
        .merge(delivery_act_routes::router())
        .merge(webhook_routes::router())
        .merge(project_routes::router())
        .merge(operation_routes::router())
        .merge(openapi::router())
        .merge(page::router())
        .merge(session_routes::router())
        .route_layer(middleware::from_fn_with_state(Arc::clone(&admin), authorize))
        .with_state(admin)
}
