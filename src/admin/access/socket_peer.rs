//! Processes at the control socket: they may do everything.

use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::Next;
use axum::response::Response;
use axum::serve::IncomingStream;
use tokio::net::UnixListener;

use super::caller::Caller;
use super::client::Client;
use super::granted::Access;

/// The process at the other end of the control socket.
#[derive(Clone, Copy, Debug)]
pub(in crate::admin) struct SocketPeer {
    uid: Option<u32>,
}

impl Connected<IncomingStream<'_, UnixListener>> for SocketPeer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self { uid: stream.io().peer_cred().ok().map(|peer| peer.uid()) }
    }
}

/// Grants everything to requests on the socket.
pub(in crate::admin) async fn of_socket(
    ConnectInfo(peer): ConnectInfo<SocketPeer>,
    mut request: Request,
    next: Next,
) -> Response {
    let access = Access { is_private: true, ..Access::full(Caller::Socket { uid: peer.uid }) };
    request.extensions_mut().insert(access);
    request.extensions_mut().insert(Client::at_socket());
    next.run(request).await
}
