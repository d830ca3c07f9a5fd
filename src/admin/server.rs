//! The routes, and the two listeners they are served on.

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
use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::broadcast;

use super::replays::Again;
use super::resync::ResyncAsked;
use super::status::{Readiness, Status};
use crate::record::Callback;

/// What the routes answer from.
pub struct Admin {
    /// Whether all is well, without a question to the loops or the disk: probes ask often.
    pub readiness: Box<dyn Fn() -> Readiness + Send + Sync>,
    /// Makes the status of this moment.
    pub status: Box<dyn Fn() -> Status + Send + Sync>,
    /// Brings gauges up to date before they are shown.
    pub refresh: Box<dyn Fn() + Send + Sync>,
    /// Asks for a resync, and says its number, or why there can be none.
    pub resync: Box<dyn Fn(ResyncAsked) -> Result<u64, String> + Send + Sync>,
    /// Replays and dead letters.
    pub again: Arc<dyn Again>,
    /// Every figure.
    pub registry: Registry,
    /// Records as they are classified.
    pub tail: Tail,
    /// Asked for on the port, where it is set; never on the socket.
    pub token: Option<String>,
}

/// Where records are shown as they are classified. Costs nothing while nobody looks.
pub type Tail = broadcast::Sender<Arc<TailLine>>;

/// One record, as `sidecar tail` shows it.
#[derive(Debug)]
pub struct TailLine {
    /// Whose.
    pub project: String,
    /// For which callback.
    pub callback: Callback,
    /// One line of JSON, its newline included.
    pub json: String,
}

/// Serves on a port until the future is dropped.
pub async fn serve_tcp(admin: Arc<Admin>, listener: TcpListener) -> anyhow::Result<()> {
    let listens_at = listener.local_addr().context("the admin port's address")?.ip();
    let router = routes(Arc::clone(&admin))
        .layer(middleware::from_fn_with_state(Arc::clone(&admin), ask_for_token))
        .layer(middleware::from_fn_with_state((admin, listens_at), refuse_foreign_hosts));
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
        .with_state(admin)
}

async fn ready(State(admin): State<Arc<Admin>>) -> Response {
    let readiness = (admin.readiness)();
    if readiness.ready {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", readiness.reasons.join("; ")))
        .into_response()
}

/// A status asks the loops and the disk, and so may wait: not where sockets are served.
async fn status(State(admin): State<Arc<Admin>>) -> Response {
    match tokio::task::spawn_blocking(move || (admin.status)()).await {
        Ok(status) => Json(status).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    let refreshed = Arc::clone(&admin);
    if tokio::task::spawn_blocking(move || (refreshed.refresh)()).await.is_err() {
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

/// A page whose name was made to lead here (DNS rebinding) asks under that name. One that knows the token
/// may use any.
async fn refuse_foreign_hosts(
    State((admin, listens_at)): State<(Arc<Admin>, IpAddr)>,
    request: Request,
    next: Next,
) -> Response {
    let named = request.headers().get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or_default());
    let named = named.chain(request.uri().authority().map(Authority::as_str));
    let is_ours = named.into_iter().all(|host| is_own(host, listens_at));
    if is_ours || admin.token.as_ref().is_some_and(|token| bears(&request, token)) {
        return next.run(request).await;
    }
    let why = "the admin port answers under `localhost` and its own address, or to who bears its token\n";
    (StatusCode::MISDIRECTED_REQUEST, why).into_response()
}

/// Whether a host, with or without a port, can only mean us.
fn is_own(host: &str, listens_at: IpAddr) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    if authority.as_str().contains('@') {
        return false;
    }
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    // An address was looked up nowhere: no name leads a page to it.
    if let Ok(address) = name.parse::<IpAddr>() {
        return address.is_loopback() || address == listens_at || listens_at.is_unspecified();
    }
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

fn bears(request: &Request, token: &str) -> bool {
    let given = request.headers().get(header::AUTHORIZATION);
    let given = given.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    given.is_some_and(|given| given.ct_eq(token.as_bytes()).into())
}

/// Probes are answered without a token: they tell nothing but yes or no and why.
async fn ask_for_token(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    let open = request.uri().path().starts_with("/-/");
    match &admin.token {
        Some(token) if !open && !bears(&request, token) => (
            StatusCode::UNAUTHORIZED,
            [(header::WWW_AUTHENTICATE, "Bearer")],
            "send `authorization: Bearer TOKEN` with the token of `admin.token`\n",
        )
            .into_response(),
        _ => next.run(request).await,
    }
}

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
