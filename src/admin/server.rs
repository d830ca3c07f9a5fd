//! The two listeners, and who may use the port.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq as _;
use tokio::net::{TcpListener, UnixListener};

use super::caller::{Caller, Peer, of_socket};
use super::respond::AdminState;
use super::routes::router;
use crate::secret::Secret;

/// Serves on a port until the future is dropped.
pub async fn serve_tcp(admin: Arc<AdminState>, listener: TcpListener) -> anyhow::Result<()> {
    let own_address = listener.local_addr().context("the admin port's address")?.ip();
    let caller = if admin.token.is_some() { Caller::Token } else { Caller::Port };
    let router = router(Arc::clone(&admin))
        .layer(Extension(caller))
        .layer(middleware::from_fn_with_state(Arc::clone(&admin), require_token))
        .layer(middleware::from_fn_with_state((admin, own_address), reject_foreign_hosts));
    axum::serve(listener, router).await.context("serve the admin port")
}

/// Serves on the socket until the future is dropped.
pub async fn serve_socket(admin: Arc<AdminState>, listener: UnixListener) -> anyhow::Result<()> {
    let router = router(admin).layer(middleware::from_fn(of_socket));
    axum::serve(listener, router.into_make_service_with_connect_info::<Peer>())
        .await
        .context("serve the control socket")
}

/// Rejects requests under a foreign host name (DNS rebinding), except those that carry the token.
async fn reject_foreign_hosts(
    State((admin, own_address)): State<(Arc<AdminState>, IpAddr)>,
    request: Request,
    next: Next,
) -> Response {
    let named = request.headers().get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or_default());
    let named = named.chain(request.uri().authority().map(Authority::as_str));
    let is_own_host = named.into_iter().all(|host| is_own(host, own_address));
    if is_own_host || admin.token.as_ref().is_some_and(|token| carries(&request, token)) {
        return next.run(request).await;
    }
    let why = "the admin port serves `localhost`, its own address, and requests that carry its token\n";
    (StatusCode::MISDIRECTED_REQUEST, why).into_response()
}

/// Whether a host, with or without a port, can only be this process.
fn is_own(host: &str, own_address: IpAddr) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    if authority.as_str().contains('@') {
        return false;
    }
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    // A literal address is not resolved, so DNS rebinding cannot use it.
    if let Ok(address) = name.parse::<IpAddr>() {
        return address.is_loopback() || address == own_address || own_address.is_unspecified();
    }
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

fn carries(request: &Request, token: &Secret) -> bool {
    let given = request.headers().get(header::AUTHORIZATION);
    let given = given.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    given.is_some_and(|given| given.ct_eq(token.expose().as_bytes()).into())
}

/// Probes need no token: they return only the readiness and its reasons.
async fn require_token(State(admin): State<Arc<AdminState>>, request: Request, next: Next) -> Response {
    let open = request.uri().path().starts_with("/-/");
    match &admin.token {
        Some(token) if !open && !carries(&request, token) => (
            StatusCode::UNAUTHORIZED,
            [(header::WWW_AUTHENTICATE, "Bearer")],
            "send `authorization: Bearer TOKEN` with the token of `admin.token`\n",
        )
            .into_response(),
        _ => next.run(request).await,
    }
}
