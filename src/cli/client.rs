//! The client of the running sidecar: HTTP over the socket in the spool's folder.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::exit::Exit;
use super::output::{print, print_error};
use crate::admin::{Problem, SOCKET_NAME, connect_socket, pretty_json};

/// GETs `path`. Returns once the head of the response is read; the body may be a stream.
pub(super) async fn get(spool: &Path, path: &str) -> Result<Response<Incoming>, String> {
    send(spool, Method::GET, path, Bytes::new()).await
}

/// Sends a request with `body`, JSON or empty. Returns once the head of the response is read.
pub(super) async fn send(
    spool: &Path,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<Response<Incoming>, String> {
    let socket = spool.join(SOCKET_NAME);
    let unreachable = |why: String| {
        format!(
            "no sidecar responds on {}: {why}\n  start one with `sidecar run`, or name its settings file with --config",
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

/// GETs `path`. Returns the status and the whole body.
pub(super) async fn fetch(spool: &Path, path: &str) -> Result<(StatusCode, Bytes), String> {
    call(spool, Method::GET, path, Bytes::new()).await
}

/// Sends a request with `body`, JSON or empty. Returns the status and the whole body.
pub(super) async fn call(
    spool: &Path,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<(StatusCode, Bytes), String> {
    call_within(spool, method, path, body, TIMEOUT).await
}

async fn call_within(
    spool: &Path,
    method: Method,
    path: &str,
    body: Bytes,
    timeout: Duration,
) -> Result<(StatusCode, Bytes), String> {
    let response = async {
        let response = send(spool, method, path, body).await?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| error.to_string())?;
        Ok((status, body.to_bytes()))
    };
    let response = tokio::time::timeout(timeout, response).await;
    response.unwrap_or_else(|_| Err(format!("the sidecar does not respond within {timeout:?}")))
}

/// Sends `body` and parses the response as JSON. An error is printed and returned as an exit status.
pub(super) async fn json<T: DeserializeOwned>(
    spool: &Path,
    method: Method,
    path: &str,
    body: &impl Serialize,
    timeout: Duration,
) -> Result<T, Exit> {
    let response = text(spool, method, path, body, timeout).await?;
    parse(response.as_bytes())
}

/// Parses the body of a response. It cannot be parsed where the sidecar is of another version.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Exit> {
    serde_json::from_slice(body).map_err(|error| {
        print_error(format!(
            "cannot parse the sidecar's response: {error}\n  the running sidecar may be of another version"
        ));
        Exit::Failed
    })
}

/// GETs `path`, and prints the response as JSON where `json` says so; otherwise parses it.
pub(super) async fn print_json_or_parse<T: DeserializeOwned>(
    spool: &Path,
    path: &str,
    json: bool,
) -> Result<Option<T>, Exit> {
    let response = text(spool, Method::GET, path, &serde_json::json!({}), TIMEOUT).await?;
    if json {
        print(format_args!("{}\n", pretty_json(&response)));
        return Ok(None);
    }
    parse(response.as_bytes()).map(Some)
}

/// Sends `body` and returns the response as text. An error is printed and returned as an exit status.
pub(super) async fn text(
    spool: &Path,
    method: Method,
    path: &str,
    body: &impl Serialize,
    timeout: Duration,
) -> Result<String, Exit> {
    let body = serde_json::to_vec(body).unwrap_or_default();
    let response = call_within(spool, method, path, body.into(), timeout).await;
    let (status, body) = response.map_err(|why| unreachable(&why))?;
    if !status.is_success() {
        print_error(why(&body));
        return Err(if status == StatusCode::BAD_REQUEST { Exit::Usage } else { Exit::Failed });
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// The query of a path: parameters without a value are left out.
pub(super) fn query(parameters: &impl Serialize) -> String {
    serde_urlencoded::to_string(parameters).unwrap_or_default()
}

/// A part of a path, or a value of a query.
pub(super) fn encoded(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, NON_ALPHANUMERIC)
}

/// Why a request failed: the `detail` of a problem, or the whole body.
pub(super) fn why(body: &[u8]) -> String {
    let problem = serde_json::from_slice::<Problem>(body);
    problem.map_or_else(|_| String::from_utf8_lossy(body).into_owned(), |problem| problem.detail)
}

/// Prints why the running sidecar cannot be reached.
pub(super) fn unreachable(why: &str) -> Exit {
    print_error(why);
    Exit::Unreachable
}

/// For a response, unless the caller sets another limit.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);
