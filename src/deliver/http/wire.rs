//! One connection to a receiver, for one request at a time: over HTTP/2 too, as requests that share
//! a connection wait for each other. Its tasks end when it is dropped.

mod pool;
mod tap;

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::tap::{StatusTap, TappedStream};
use crate::clock::Clock;
use crate::deliver::http::connector::{Connected, Peer, Socket};
use crate::deliver::http::proxy::HttpProxy;

pub use self::tap::status_in;

pub(in crate::deliver) use self::pool::{Pool, usable_until};

/// An open connection.
pub(in crate::deliver) struct HttpConnection {
    sender: RequestSender,
    tap: StatusTap,
    tasks: Tasks,
    /// Requests have an absolute target, as requests to a proxy do.
    http_proxy: Option<HttpProxy>,
    /// It has served a request before.
    pub(in crate::deliver) reused: bool,
    pub(in crate::deliver) opened_at: Instant,
    pub(in crate::deliver) peer: Peer,
}

enum RequestSender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// A request without a readable response.
#[derive(Debug)]
pub(in crate::deliver) struct NoResponse {
    pub(in crate::deliver) error: hyper::Error,
    /// The status, if it was read.
    pub(in crate::deliver) status: Option<u16>,
    /// The receiver did not process the request: it can be sent again without a duplicate.
    pub(in crate::deliver) is_untouched: bool,
}

impl HttpConnection {
    /// Speaks HTTP over a socket.
    pub(in crate::deliver) async fn over(connected: Connected, peer: Peer) -> hyper::Result<Self> {
        let tap = if connected.http2 { StatusTap::http2() } else { StatusTap::http1() };
        let tasks = Tasks::default();
        let io = TokioIo::new(TappedStream::new(connected.socket, tap.clone()));
        let sender =
            if connected.http2 { Self::http2(io, &tasks).await? } else { Self::http1(io, &tasks).await? };
        Ok(Self {
            sender,
            tap,
            tasks,
            http_proxy: connected.http_proxy,
            reused: false,
            opened_at: Clock::runtime(),
            peer,
        })
    }

    async fn http1(io: TokioIo<TappedStream<Socket>>, tasks: &Tasks) -> hyper::Result<RequestSender> {
        // The parser is lenient, as the status decides.
        let (sender, connection) = http1::Builder::new()
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .ignore_invalid_headers_in_responses(true)
            .max_headers(HEADERS_MAX)
            .handshake(io)
            .await?;
        tasks.spawn(async move { drop(connection.await) });
        Ok(RequestSender::Http1(sender))
    }

    async fn http2(io: TokioIo<TappedStream<Socket>>, tasks: &Tasks) -> hyper::Result<RequestSender> {
        let (sender, connection) = http2::Builder::new(tasks.clone())
            .timer(TokioTimer::new())
            .max_header_list_size(HEADER_BYTES_MAX)
            // A lost peer is detected within one attempt.
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .handshake(io)
            .await?;
        tasks.spawn(async move { drop(connection.await) });
        Ok(RequestSender::Http2(sender))
    }

    /// Sends a request with an absolute target, and waits for the head of its response.
    pub(in crate::deliver) async fn send(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, NoResponse> {
        self.tap.begin();
        let sent = match &mut self.sender {
            RequestSender::Http1(sender) => {
                target(&mut request, self.http_proxy.as_ref());
                sender.try_send_request(request).await
            }
            RequestSender::Http2(sender) => sender.try_send_request(request).await,
        };
        sent.map_err(|error| self.unanswered(error))
    }

    /// The status of a response whose head is incomplete.
    pub(in crate::deliver) fn status(&self) -> Option<u16> {
        self.tap.status()
    }

    /// When the first byte of the response was received.
    pub(in crate::deliver) fn answered_at(&self) -> Option<Instant> {
        self.tap.answered_at()
    }

    /// Whether it was closed.
    fn is_closed(&self) -> bool {
        match &self.sender {
            RequestSender::Http1(sender) => sender.is_closed(),
            RequestSender::Http2(sender) => sender.is_closed(),
        }
    }

    /// After a response was read to its end: whether the connection can be reused.
    pub(in crate::deliver) async fn is_free(&mut self) -> bool {
        // A receiver that responds early may never read the rest of the request.
        let ready = async {
            match &mut self.sender {
                RequestSender::Http1(sender) => sender.ready().await.is_ok(),
                RequestSender::Http2(sender) => sender.ready().await.is_ok(),
            }
        };
        tokio::time::timeout(FREE_WITHIN, ready).await.unwrap_or(false)
    }

    fn unanswered(&self, error: TrySendError<Request<Full<Bytes>>>) -> NoResponse {
        let status = self.tap.status();
        let unsent = error.message().is_some();
        let error = error.into_error();
        // A connection that was closed while idle, or dropped by a device in between, ends at the next
        // request without a byte. If the request did arrive, the receiver sees the same batch id twice.
        let broke_off = error.is_closed() || error.is_canceled() || error.is_incomplete_message();
        let stale = self.reused && !self.tap.any() && (broke_off || is_io(&error));
        let is_untouched = status.is_none() && (unsent || stale || is_refused(&error));
        NoResponse { error, status, is_untouched }
    }
}

impl Drop for HttpConnection {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

/// The target in the form that the peer expects. HTTP/1 has the host in a header.
fn target(request: &mut Request<Full<Bytes>>, http_proxy: Option<&HttpProxy>) {
    let uri = request.uri().clone();
    let default_port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    let host = match (uri.host().unwrap_or_default(), uri.port_u16()) {
        (host, Some(port)) if port != default_port => format!("{host}:{port}"),
        (host, _) => host.to_owned(),
    };
    if let Ok(host) = HeaderValue::from_str(&host) {
        request.headers_mut().insert(HOST, host);
    }
    match http_proxy {
        None => {
            let path = uri.path_and_query().cloned();
            *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
        }
        Some(HttpProxy { authorization }) => {
            let headers = request.headers_mut();
            headers.extend(authorization.clone().map(|value| (hyper::header::PROXY_AUTHORIZATION, value)));
        }
    }
}

fn is_io(error: &hyper::Error) -> bool {
    causes(error).any(|cause| cause.is::<std::io::Error>() || is_h2(cause, h2::Error::is_io))
}

/// Whether the receiver reports that it did not process the request: it refused the stream, or sent GOAWAY
/// with a lower last stream. <https://www.rfc-editor.org/rfc/rfc9113#section-8.7>
fn is_refused(error: &hyper::Error) -> bool {
    let says_so = |error: &h2::Error| {
        error.is_remote() && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM))
    };
    causes(error).any(|cause| is_h2(cause, says_so))
}

fn is_h2(error: &(dyn std::error::Error + 'static), is: impl Fn(&h2::Error) -> bool) -> bool {
    error.downcast_ref::<h2::Error>().is_some_and(is)
}

/// An error and its sources.
pub(in crate::deliver) fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// The tasks of one connection.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl Tasks {
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// They hold each other: nothing but this ends them.
    fn abort(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, future: F) {
        self.spawn(future);
    }
}

const HEADERS_MAX: usize = 1_024;
const HEADER_BYTES_MAX: u32 = 1024 * 1024;
const PING: Duration = Duration::from_secs(5);
const FREE_WITHIN: Duration = Duration::from_millis(50);
