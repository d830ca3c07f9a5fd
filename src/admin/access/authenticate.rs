//! Who makes a request on the port.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::serve::IncomingStream;
use subtle::ConstantTimeEq as _;
use tokio::net::TcpListener;

use super::caller::Caller;
use super::capability::Capability;
use super::granted::Access;
use super::host::{check_host, is_loopback};
use super::options::AccessOptions;
use crate::admin::request_error::RequestError;
use crate::secret::Secret;

/// The client at the other end of a connection to the port.
#[derive(Clone, Copy, Debug)]
pub(in crate::admin) struct TcpPeer {
    address: SocketAddr,
}

impl Connected<IncomingStream<'_, TcpListener>> for TcpPeer {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self { address: *stream.remote_addr() }
    }
}

/// What requests on the port are checked with.
pub(in crate::admin) struct Gate {
    /// `admin.token`
    pub(in crate::admin) token: Option<Secret>,
    pub(in crate::admin) options: AccessOptions,
    /// The address that the port listens on.
    pub(in crate::admin) own_address: IpAddr,
}

/// Gives a request on the port its [`Access`].
pub(in crate::admin) async fn authenticate(
    State(gate): State<Arc<Gate>>,
    ConnectInfo(peer): ConnectInfo<TcpPeer>,
    mut request: Request,
    next: Next,
) -> Response {
    match gate.access(&request, peer) {
        Ok(access) => {
            request.extensions_mut().insert(access);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

impl Gate {
    fn access(&self, request: &Request, peer: TcpPeer) -> Result<Access, RequestError> {
        check_host(request, &self.options.hosts, self.own_address)?;
        let is_private = peer.address.ip().is_loopback();
        let access = match bearer(request) {
            Some(token) => self.of_token(token)?,
            None if is_private && is_loopback(request) => self.of_loopback(),
            None => Access::none(),
        };
        Ok(Access { is_private, ..access })
    }

    fn of_token(&self, given: &[u8]) -> Result<Access, RequestError> {
        let is_admin_token =
            self.token.as_ref().is_some_and(|token| given.ct_eq(token.expose().as_bytes()).into());
        if is_admin_token {
            return Ok(Access::full(Caller::AdminToken));
        }
        Err(RequestError::Unauthenticated(
            "the token is not known, or it was revoked or has expired: `sidecar tokens list` lists those that are valid"
                .to_owned(),
        ))
    }

    /// Reading is free on this machine, unless `admin.token` says that it is not.
    fn of_loopback(&self) -> Access {
        let can = if self.token.is_none() { vec![Capability::View] } else { Vec::new() };
        Access { can, ..Access::none() }
    }
}

fn bearer(request: &Request) -> Option<&[u8]> {
    let given = request.headers().get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = given.split_at_checked(BEARER.len())?;
    scheme.eq_ignore_ascii_case(BEARER).then_some(token)
}

const BEARER: &[u8] = b"Bearer ";
