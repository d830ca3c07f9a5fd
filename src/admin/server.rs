//! The routes, and the two listeners that serve them.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::extract::{Query, Request, State};
use axum::http::uri::Authority;
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use http_body_util::StreamBody;
use hyper::body::Frame;
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::broadcast;

use super::control::{Control, RequestError};
use crate::record::Callback;

/// What the routes are served from.
pub struct Admin {
    /// The running sidecar.
    pub control: Arc<dyn Control>,
    /// Every metric.
    pub registry: Registry,
    /// Records as they are classified.
    pub tail: Tail,
    /// The bearer token that the port requires, where one is set. The socket requires none.
    pub token: Option<String>,
}

/// Records as they are classified. Without a subscriber nothing is sent.
pub type Tail = broadcast::Sender<Arc<TailLine>>;

/// One record, as `sidecar tail` prints it.
#[derive(Debug)]
pub struct TailLine {
    /// The project.
    pub project: String,
    /// The callback.
    pub callback: Callback,
    /// One line of JSON, with its newline.
    pub json: String,
}

/// Serves on a port until the future is dropped.
pub async fn serve_tcp(admin: Arc<Admin>, listener: TcpListener) -> anyhow::Result<()> {
    let listens_at = listener.local_addr().context("the admin port's address")?.ip();
    let router = routes(Arc::clone(&admin))
        .layer(middleware::from_fn_with_state(Arc::clone(&admin), require_token))
        .layer(middleware::from_fn_with_state((admin, listens_at), reject_foreign_hosts));
    axum::serve(listener, router).await.context("serve the admin port")
}

/// Serves on the socket until the future is dropped.
pub async fn serve_socket(admin: Arc<Admin>, listener: UnixListener) -> anyhow::Result<()> {
    axum::serve(listener, routes(admin)).await.context("serve the control socket")
}

fn routes(admin: Arc<Admin>) -> Router {
    Router::new()
        .route("/-/healthy", get(|| async { "healthy\n" }))
        .route("/-/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(status))
        .route("/api/v1/tail", get(tail))
        .merge(super::resync::routes())
        .merge(super::replays::routes())
        .merge(super::dead_letters::routes())
        .with_state(admin)
}

async fn ready(State(admin): State<Arc<Admin>>) -> Response {
    let readiness = admin.control.readiness();
    if readiness.ready {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", readiness.reasons.join("; ")))
        .into_response()
}

async fn status(State(admin): State<Arc<Admin>>) -> Response {
    respond(admin, |control| Ok(control.status())).await
}

/// Calls `control` on a thread where it may block.
pub(super) async fn respond<T: Serialize + Send + 'static>(
    admin: Arc<Admin>,
    call: impl FnOnce(&dyn Control) -> Result<T, RequestError> + Send + 'static,
) -> Response {
    match tokio::task::spawn_blocking(move || call(&*admin.control)).await {
        Ok(Ok(body)) => Json(body).into_response(),
        Ok(Err(error)) => error.into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    let refreshed = Arc::clone(&admin);
    if tokio::task::spawn_blocking(move || refreshed.control.refresh_gauges()).await.is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let mut text = String::new();
    if prometheus_client::encoding::text::encode(&mut text, &admin.registry).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response()
}

#[derive(Deserialize)]
struct TailQuery {
    project: Option<String>,
    callback: Option<String>,
}

async fn tail(State(admin): State<Arc<Admin>>, Query(query): Query<TailQuery>) -> Response {
    let callback = match query.callback.as_deref().map(str::parse::<Callback>).transpose() {
        Ok(callback) => callback,
        Err(refused) => return (StatusCode::BAD_REQUEST, format!("{refused}\n")).into_response(),
    };
    let lines = futures_util::stream::unfold(admin.tail.subscribe(), move |mut lines| {
        let project = query.project.clone();
        async move {
            loop {
                match lines.recv().await {
                    Ok(line) if project.as_ref().is_some_and(|wanted| *wanted != line.project) => {}
                    Ok(line) if callback.is_some_and(|wanted| wanted != line.callback) => {}
                    Ok(line) => {
                        return Some((
                            Ok::<_, Infallible>(Frame::data(Bytes::from(line.json.clone()))),
                            lines,
                        ));
                    }
                    Err(broadcast::error::RecvError::Lagged(missed)) => {
                        let line = format!("{{\"not_shown\":{missed}}}\n");
                        return Some((Ok(Frame::data(Bytes::from(line))), lines));
                    }
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        }
    });
    let body = axum::body::Body::new(StreamBody::new(lines));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

/// Rejects requests under a foreign host name (DNS rebinding), except those that carry the token.
async fn reject_foreign_hosts(
    State((admin, listens_at)): State<(Arc<Admin>, IpAddr)>,
    request: Request,
    next: Next,
) -> Response {
    let named = request.headers().get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or_default());
    let named = named.chain(request.uri().authority().map(Authority::as_str));
    let is_own_host = named.into_iter().all(|host| is_own(host, listens_at));
    if is_own_host || admin.token.as_ref().is_some_and(|token| carries(&request, token)) {
        return next.run(request).await;
    }
    let why = "the admin port serves `localhost`, its own address, and requests that carry its token\n";
    (StatusCode::MISDIRECTED_REQUEST, why).into_response()
}

/// Whether a host, with or without a port, can only be this process.
fn is_own(host: &str, listens_at: IpAddr) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    if authority.as_str().contains('@') {
        return false;
    }
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    // A literal address is not resolved, so DNS rebinding cannot use it.
    if let Ok(address) = name.parse::<IpAddr>() {
        return address.is_loopback() || address == listens_at || listens_at.is_unspecified();
    }
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

fn carries(request: &Request, token: &str) -> bool {
    let given = request.headers().get(header::AUTHORIZATION);
    let given = given.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    given.is_some_and(|given| given.ct_eq(token.as_bytes()).into())
}

/// Probes need no token: they return only the readiness and its reasons.
async fn require_token(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
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

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
