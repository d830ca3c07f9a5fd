//! Speaking to the running sidecar: HTTP over the socket in the spool's folder.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::exit::Exit;
use super::output::print_error;
use crate::admin::{SOCKET_NAME, connect_socket};

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
    let stream = connect_socket(spool).await.map_err(|error| unreachable(error.to_string()))?;
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
    call_within(spool, method, path, body, PATIENCE).await
}

async fn call_within(
    spool: &Path,
    method: Method,
    path: &str,
    body: Bytes,
    patience: Duration,
) -> Result<(StatusCode, Bytes), String> {
    let whole = async {
        let answer = send(spool, method, path, body).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|error| error.to_string())?;
        Ok((status, body.to_bytes()))
    };
    let whole = tokio::time::timeout(patience, whole).await;
    whole.unwrap_or_else(|_| Err(format!("the sidecar does not answer within {patience:?}")))
}

/// Sends `body`, and reads the answer as JSON. An unwelcome answer is said, and is an exit status.
pub(super) async fn json<T: DeserializeOwned>(
    spool: &Path,
    method: Method,
    path: &str,
    body: &impl Serialize,
    patience: Duration,
) -> Result<T, Exit> {
    let answer = text(spool, method, path, body, patience).await?;
    read(answer.as_bytes())
}

/// Reads an answer. One that is not as expected comes from another version.
pub(super) fn read<T: DeserializeOwned>(answer: &[u8]) -> Result<T, Exit> {
    serde_json::from_slice(answer).map_err(|error| {
        print_error(format!(
            "the sidecar's answer is not as expected, perhaps it is of another version: {error}"
        ));
        Exit::Failed
    })
}

/// The same, as the text that came.
pub(super) async fn text(
    spool: &Path,
    method: Method,
    path: &str,
    body: &impl Serialize,
    patience: Duration,
) -> Result<String, Exit> {
    let body = serde_json::to_vec(body).unwrap_or_default();
    let answered = call_within(spool, method, path, body.into(), patience).await;
    let (status, answer) = answered.map_err(|why| unreachable(&why))?;
    if !status.is_success() {
        print_error(String::from_utf8_lossy(&answer));
        return Err(if status == StatusCode::BAD_REQUEST { Exit::Usage } else { Exit::Failed });
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

pub(super) const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn unreachable(why: &str) -> Exit {
    print_error(why);
    Exit::Unreachable
}
