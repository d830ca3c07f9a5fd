//! Speaking to the running sidecar: HTTP over the socket in the spool's folder.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::Exit;
use crate::admin::SOCKET_NAME;

/// Asks for `path`; the answer's head has come.
pub(super) async fn ask(spool: &Path, path: &str) -> Result<Response<Incoming>, String> {
    send(spool, Method::GET, path, Bytes::new()).await
}

/// Sends `body`, JSON or nothing; the answer's head has come.
pub(super) async fn send(
    spool: &Path,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<Response<Incoming>, String> {
    let socket = spool.join(SOCKET_NAME);
    let unreachable = |why: String| {
        format!(
            "no sidecar answers on {}: {why}\n  start one with `sidecar run`, or name its settings with --config",
            socket.display()
        )
    };
    let stream = UnixStream::connect(&socket).await.map_err(|error| unreachable(error.to_string()))?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| unreachable(error.to_string()))?;
    tokio::spawn(connection);
    let request = Request::builder().method(method).uri(path).header("host", "sidecar");
    let request = request.header("content-type", "application/json").body(Full::new(body));
    let request = request.map_err(|error| error.to_string())?;
    sender.send_request(request).await.map_err(|error| unreachable(error.to_string()))
}

/// Asks for `path`, whole.
pub(super) async fn fetch(spool: &Path, path: &str) -> Result<(StatusCode, Bytes), String> {
    call(spool, Method::GET, path, Bytes::new()).await
}

/// Sends `body`, JSON or nothing, and waits for the whole answer.
pub(super) async fn call(
    spool: &Path,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<(StatusCode, Bytes), String> {
    let whole = async {
        let answer = send(spool, method, path, body).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|error| error.to_string())?;
        Ok((status, body.to_bytes()))
    };
    let whole = tokio::time::timeout(PATIENCE, whole).await;
    whole.unwrap_or_else(|_| Err(format!("the sidecar does not answer within {PATIENCE:?}")))
}

const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn unreachable(why: &str) -> Exit {
    eprintln!("{why}");
    Exit::Unreachable
}
