//! One attempt on the wire: a request in, how it ended out.
//!
//! One pool of connections for all webhooks; one deadline over the whole exchange; redirects are
//! answers like others; of a body no more is read than is allowed.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, RETRY_AFTER};
use hyper::{Method, Request, Response, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::client::legacy::{Client as Pool, Error as PoolError};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tower_service::Service;

use super::egress::{Denied, Egress};
use super::retry::{DELIVERED, Outcome};
use crate::clock::Clock;
use crate::metrics::{Metrics, ReusedLabel, Truth};
use crate::moment::Moment;

/// Makes requests.
#[derive(Clone)]
pub struct Client {
    tls: ClientConfig,
    egress: Arc<Egress>,
    metrics: Metrics,
    /// One pool for each `connect_timeout` that a webhook has: the connector's only setting.
    pools: Arc<Mutex<HashMap<Duration, Pool<HttpsConnector<Guarded>, Full<Bytes>>>>>,
}

/// One request.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) url: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) response_bytes_max: u64,
}

impl Client {
    /// Trusts the system's roots, and those of `ca_file`.
    pub fn new(egress: Egress, ca_file: Option<&std::path::Path>, metrics: Metrics) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = ca_file {
            let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            for certificate in read.with_context(|| format!("read `egress.ca_file` {}", path.display()))? {
                roots
                    .add(certificate)
                    .with_context(|| format!("trust `egress.ca_file` {}", path.display()))?;
            }
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("choose TLS versions")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls, egress: Arc::new(egress), metrics, pools: Arc::default() })
    }

    /// Makes one attempt. It is exactly one request on the wire: a pooled connection that is found
    /// closed before a byte was written is replaced, and does not count.
    pub(super) async fn attempt(&self, ask: Ask) -> Outcome {
        let bytes_max = ask.response_bytes_max;
        let timeout = ask.timeout;
        let exchange = async {
            let pool = self.pool(ask.connect_timeout);
            let mut request = Request::new(Full::new(ask.body));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = ask.url;
            *request.headers_mut() = ask.headers;
            match pool.request(request).await {
                Ok(answer) => self.read(answer, bytes_max).await,
                Err(error) => failed(&error),
            }
        };
        tokio::time::timeout(timeout, exchange)
            .await
            .unwrap_or_else(|_| unsent("timeout", format!("no whole answer within {timeout:?}")))
    }

    async fn read(&self, answer: Response<Incoming>, bytes_max: u64) -> Outcome {
        let reused =
            answer.extensions().get::<Fresh>().is_some_and(|fresh| fresh.0.swap(true, Ordering::Relaxed));
        self.metrics.http_connections.get_or_create(&ReusedLabel { reused: Truth(reused) }).inc();
        let status = answer.status();
        let retry_after = answer
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| retry_after(value.to_str().ok()?, Clock::now()));
        let mut body = answer.into_body();
        let mut kept = BytesMut::new();
        let mut read = 0_u64;
        // A success is one only when its answer has come whole, or as far as it is read.
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                return Outcome {
                    status: Some(status.as_u16()),
                    word: "reset",
                    detail: Some("the answer broke off".into()),
                    retry_after,
                };
            };
            let Some(data) = frame.data_ref() else { continue };
            read += data.len() as u64;
            kept.extend_from_slice(
                data.get(..data.len().min(DETAIL_BYTES.saturating_sub(kept.len()))).unwrap_or_default(),
            );
            if read >= bytes_max {
                break;
            }
        }
        let word = match status.as_u16() {
            200..=299 => DELIVERED,
            300..=399 => "redirect",
            _ => "status",
        };
        let detail = (word != DELIVERED).then(|| String::from_utf8_lossy(&kept).into_owned());
        Outcome { status: Some(status.as_u16()), word, detail, retry_after }
    }

    fn pool(&self, connect_timeout: Duration) -> Pool<HttpsConnector<Guarded>, Full<Bytes>> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools
            .entry(connect_timeout)
            .or_insert_with(|| {
                let guarded = Guarded { egress: Arc::clone(&self.egress), timeout: connect_timeout };
                let connector = hyper_rustls::HttpsConnectorBuilder::new()
                    .with_tls_config(self.tls.clone())
                    .https_or_http()
                    .enable_http1()
                    .enable_http2()
                    .wrap_connector(guarded);
                Pool::builder(TokioExecutor::new())
                    .pool_idle_timeout(POOL_IDLE)
                    .pool_timer(hyper_util::rt::TokioTimer::new())
                    .build(connector)
            })
            .clone()
    }
}

/// Makes sockets, and only to addresses that may be connected to.
#[derive(Clone)]
struct Guarded {
    egress: Arc<Egress>,
    timeout: Duration,
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
enum NoSocket {
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("resolve `{0}`: {1}")]
    Dns(String, String),
    #[error("connect to {0}: {1}")]
    Io(SocketAddr, std::io::Error),
    #[error("connect: no answer within {0:?}")]
    Timeout(Duration),
}

/// Whether a connection has served before; travels with the answers that it brings.
#[derive(Clone, Debug)]
struct Fresh(Arc<AtomicBool>);

struct Plain {
    io: TokioIo<TcpStream>,
    fresh: Fresh,
}

impl Guarded {
    async fn connect(self, uri: Uri) -> Result<Plain, NoSocket> {
        let timeout = self.timeout;
        tokio::time::timeout(timeout, self.connect_any(uri)).await.unwrap_or(Err(NoSocket::Timeout(timeout)))
    }

    async fn connect_any(self, uri: Uri) -> Result<Plain, NoSocket> {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let dns = |why: String| NoSocket::Dns(host.to_owned(), why);
        let addresses =
            tokio::net::lookup_host((host, port)).await.map_err(|error| dns(error.to_string()))?;
        let mut last = dns("no address".into());
        for address in addresses {
            if let Err(denied) = self.egress.check(address.ip()) {
                last = denied.into();
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    let _ = stream.set_nodelay(true);
                    return Ok(Plain { io: TokioIo::new(stream), fresh: Fresh(Arc::default()) });
                }
                Err(error) => last = NoSocket::Io(address, error),
            }
        }
        Err(last)
    }
}

impl Service<Uri> for Guarded {
    type Response = Plain;
    type Error = NoSocket;
    type Future = Pin<Box<dyn Future<Output = Result<Plain, NoSocket>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NoSocket>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

impl Connection for Plain {
    fn connected(&self) -> Connected {
        self.io.inner().connected().extra(self.fresh.clone())
    }
}

impl hyper::rt::Read for Plain {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(cx, buf)
    }
}

impl hyper::rt::Write for Plain {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, bufs)
    }
}

/// The word for an error: the most telling of its causes decides.
fn failed(error: &PoolError) -> Outcome {
    let mut word = if error.is_connect() { "unreachable" } else { "protocol" };
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut told = Vec::new();
    while let Some(error) = cause {
        told.push(error.to_string());
        if let Some(telling) = telling(error) {
            word = telling;
        }
        cause = error.source();
    }
    told.dedup();
    unsent(word, told.join(": "))
}

fn telling(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    use std::io::ErrorKind;
    if let Some(error) = error.downcast_ref::<NoSocket>() {
        return Some(match error {
            NoSocket::Denied(_) => "egress",
            NoSocket::Dns(..) => "dns",
            NoSocket::Io(_, error) if error.kind() == ErrorKind::ConnectionRefused => "refused",
            NoSocket::Io(..) => "unreachable",
            NoSocket::Timeout(_) => "timeout",
        });
    }
    if error.is::<rustls::Error>() {
        return Some("tls");
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return (error.is_incomplete_message() || error.is_closed() || error.is_canceled())
            .then_some("reset");
    }
    let error = error.downcast_ref::<std::io::Error>()?;
    if error.get_ref().is_some_and(
        <dyn std::error::Error + std::marker::Send + std::marker::Sync + 'static>::is::<rustls::Error>,
    ) {
        return Some("tls");
    }
    let reset = [
        ErrorKind::ConnectionReset,
        ErrorKind::BrokenPipe,
        ErrorKind::UnexpectedEof,
        ErrorKind::ConnectionAborted,
    ];
    reset.contains(&error.kind()).then_some("reset")
}

fn unsent(word: &'static str, detail: String) -> Outcome {
    Outcome { status: None, word, detail: Some(detail), retry_after: None }
}

/// Seconds, or a date. <https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3>
fn retry_after(value: &str, now: Moment) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(Moment(date.as_microsecond()).since(now))
}

/// What an attempt's log keeps of an unwelcome answer.
const DETAIL_BYTES: usize = 512;
const POOL_IDLE: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Moment(1_700_000_000_000_000);
        assert_eq!(retry_after(" 7 ", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Tue, 14 Nov 2023 22:13:30 GMT", now), Some(Duration::from_secs(10)));
        assert_eq!(retry_after("Tue, 14 Nov 2023 22:13:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
    }
}
