//! The two listeners.

use std::sync::Arc;

use anyhow::Context as _;
use axum::middleware;
use tokio::net::{TcpListener, UnixListener};

use super::access::{Gate, SocketPeer, TcpPeer, authenticate, of_socket};
use super::problems::problems;
use super::respond::AdminState;
use super::routes::router;

/// Serves on a port until the future is dropped.
pub async fn serve_tcp(admin: Arc<AdminState>, listener: TcpListener) -> anyhow::Result<()> {
    let own_address = listener.local_addr().context("the admin port's address")?.ip();
    let gate = Gate { token: admin.token.clone(), options: admin.options.clone(), own_address };
    let router = router(admin)
        .layer(middleware::from_fn_with_state(Arc::new(gate), authenticate))
        .layer(middleware::from_fn(problems));
    axum::serve(listener, router.into_make_service_with_connect_info::<TcpPeer>())
        .await
        .context("serve the admin port")
}

/// Serves on the socket until the future is dropped.
pub async fn serve_socket(admin: Arc<AdminState>, listener: UnixListener) -> anyhow::Result<()> {
    let router = router(admin).layer(middleware::from_fn(of_socket)).layer(middleware::from_fn(problems));
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketPeer>())
        .await
        .context("serve the control socket")
}
