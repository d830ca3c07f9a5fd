//! The two listeners.

use std::sync::Arc;

use anyhow::Context as _;
use axum::{Router, middleware};
use tokio::net::UnixListener;

use super::access::{Gate, SocketPeer, TcpPeer, authenticate, of_socket};
use super::base_path::under;
use super::headers::{SecurityHeaders, security_headers};
use super::listener::AdminListener;
use super::problems::problems;
use super::respond::AdminState;
use super::routes::router;

/// Serves on a port until the future is dropped.
pub async fn serve_tcp(admin: Arc<AdminState>, listener: AdminListener) -> anyhow::Result<()> {
    let own_address = listener.address().context("the admin port's address")?.ip();
    let headers = Arc::new(SecurityHeaders::new(&admin.options.frame_ancestors));
    let gate = Arc::new(Gate { admin: Arc::clone(&admin), own_address });
    let base_path = admin.options.base_path.clone();
    let router: Router = router(admin)
        .layer(middleware::from_fn_with_state(gate, authenticate))
        .layer(middleware::from_fn(problems))
        .layer(middleware::from_fn_with_state(headers, security_headers));
    let service = under(&base_path, router).into_make_service_with_connect_info::<TcpPeer>();
    axum::serve(listener, service).await.context("serve the admin port")
}

/// Serves on the socket until the future is dropped.
pub async fn serve_socket(admin: Arc<AdminState>, listener: UnixListener) -> anyhow::Result<()> {
    let router = router(admin).layer(middleware::from_fn(of_socket)).layer(middleware::from_fn(problems));
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketPeer>())
        .await
        .context("serve the control socket")
}
