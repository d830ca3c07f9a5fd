//! Speaking to the running sidecar: HTTP over the socket in the spool's folder.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::Exit;
use crate::admin::SOCKET_NAME;

/// Asks for `path`; the answer's head has come.
pub(super) async fn ask(spool: &Path, path: &str) -> Result<Response<Incoming>, String> {
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
    let request = Request::get(path).header("host", "sidecar").body(Empty::<Bytes>::new());
    let request = request.map_err(|error| error.to_string())?;
    sender.send_request(request).await.map_err(|error| unreachable(error.to_string()))
}

/// Asks for `path`, whole.
pub(super) async fn fetch(spool: &Path, path: &str) -> Result<(StatusCode, Bytes), String> {
    let whole = tokio::time::timeout(PATIENCE, fetch_all(spool, path)).await;
    whole.unwrap_or_else(|_| Err(format!("the sidecar does not answer within {PATIENCE:?}")))
}

async fn fetch_all(spool: &Path, path: &str) -> Result<(StatusCode, Bytes), String> {
    let answer = ask(spool, path).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await.map_err(|error| error.to_string())?;
    Ok((status, body.to_bytes()))
}

const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn unreachable(why: &str) -> Exit {
    eprintln!("{why}");
    Exit::Unreachable
}
