//! Who makes a request: named in the audit lines of changes.

use std::fmt;

use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::Next;
use axum::response::Response;
use axum::serve::IncomingStream;
use tokio::net::UnixListener;

/// Who makes a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Caller {
    /// A client of the admin port, on an address where it needs no token.
    Port,
    /// A process at the control socket, with its user.
    Socket {
        /// The user; `None` where the system does not say.
        uid: Option<u32>,
    },
    /// A client of the admin port with the token.
    Token,
}

/// The process at the other end of the control socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    uid: Option<u32>,
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self { uid: stream.io().peer_cred().ok().map(|peer| peer.uid()) }
    }
}

/// Adds the caller to requests on the socket.
pub(super) async fn of_socket(
    ConnectInfo(peer): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    request.extensions_mut().insert(Caller::Socket { uid: peer.uid });
    next.run(request).await
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port => f.write_str("admin port"),
            Self::Socket { uid: Some(uid) } => write!(f, "uid {uid}"),
            Self::Socket { uid: None } => f.write_str("control socket"),
            Self::Token => f.write_str("admin token"),
        }
    }
}
