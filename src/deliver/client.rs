//! One attempt on the wire: a request in, how it ended out.
//!
//! One pool of connections for all webhooks; one deadline over the whole exchange; redirects are
//! answers like others; of a body no more is read than is allowed. A 2xx is a success once its
//! answer has come whole, or as far as it is read; one that does not end in time is a `timeout`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, RETRY_AFTER};
use hyper::{Method, Request, Response, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::{Client as Pool, Error as PoolError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Handle;

use super::connect::{Guarded, NoSocket, Served};
use super::egress::Egress;
use super::location::location;
use super::proxy::Proxy;
use super::retry::{DELIVERED, Outcome};
use crate::clock::Clock;
use crate::metrics::{Metrics, ReusedLabel, Truth};
use crate::moment::Moment;

/// Makes requests.
#[derive(Clone)]
pub struct Client {
    tls: ClientConfig,
    egress: Arc<Egress>,
    proxy: Option<Arc<Proxy>>,
    metrics: Metrics,
    /// One pool for each `connect_timeout` that a webhook has: the connector's only setting.
    pools: Arc<Mutex<HashMap<Duration, Pool<HttpsConnector<Guarded>, Full<Bytes>>>>>,
}

/// Makes one attempt at a request, and tells how it ended. It must not block.
pub type Post = Box<dyn Fn(Ask, Box<dyn FnOnce(Outcome) + Send>) + Send>;

/// One request.
#[derive(Debug)]
pub struct Ask {
    /// Where to.
    pub url: Uri,
    /// All of them.
    pub headers: HeaderMap,
    /// The batch.
    pub body: Bytes,
    /// Over the whole exchange.
    pub timeout: Duration,
    /// To make the connection.
    pub connect_timeout: Duration,
    /// What is read of the answer.
    pub response_bytes_max: u64,
}

impl Client {
    /// Trusts the system's roots, and those of `ca_file`.
    pub fn new(
        egress: Egress,
        proxy: Option<Proxy>,
        ca_file: Option<&std::path::Path>,
        metrics: Metrics,
    ) -> anyhow::Result<Self> {
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
        Ok(Self { tls, egress: Arc::new(egress), proxy: proxy.map(Arc::new), metrics, pools: Arc::default() })
    }

    /// Makes requests as tasks of `runtime`.
    pub fn post(self, runtime: Handle) -> Post {
        Box::new(move |ask, told| {
            let client = self.clone();
            runtime.spawn(async move { told(client.attempt(ask).await) });
        })
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
        let reused = answer.extensions().get::<Served>().is_some_and(Served::again);
        self.metrics.http_connections.get_or_create(&ReusedLabel { reused: Truth(reused) }).inc();
        let status = answer.status();
        let location = location(answer.headers());
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
        let detail = match location {
            Some(place) if word == "redirect" => Some(format!("redirects to {place}, and is not followed")),
            _ => (word != DELIVERED).then(|| String::from_utf8_lossy(&kept).into_owned()),
        };
        Outcome { status: Some(status.as_u16()), word, detail, retry_after }
    }

    fn pool(&self, connect_timeout: Duration) -> Pool<HttpsConnector<Guarded>, Full<Bytes>> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools
            .entry(connect_timeout)
            .or_insert_with(|| {
                let (egress, proxy) = (Arc::clone(&self.egress), self.proxy.clone());
                let guarded = Guarded { egress, proxy, timeout: connect_timeout };
                let connector = hyper_rustls::HttpsConnectorBuilder::new()
                    .with_tls_config(self.tls.clone())
                    .https_or_http()
                    .enable_http1()
                    .enable_http2()
                    .wrap_connector(guarded);
                Pool::builder(TokioExecutor::new())
                    .pool_idle_timeout(POOL_IDLE)
                    .pool_timer(TokioTimer::new())
                    .timer(TokioTimer::new())
                    // A peer that has vanished is found out within one attempt; else every later one
                    // would go into the same dead connection.
                    .http2_keep_alive_interval(HTTP2_PING)
                    .http2_keep_alive_timeout(HTTP2_PING)
                    .build(connector)
            })
            .clone()
    }
}

/// The word for an error: the most telling of its causes decides. What goes wrong between having a
/// socket and having a connection is TLS.
fn failed(error: &PoolError) -> Outcome {
    let mut word = if error.is_connect() { "tls" } else { "protocol" };
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
            NoSocket::Proxy(_) => "proxy",
            NoSocket::Timeout(_) => "timeout",
        });
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return (error.is_incomplete_message() || error.is_closed() || error.is_canceled())
            .then_some("reset");
    }
    let error = error.downcast_ref::<std::io::Error>()?;
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
const HTTP2_PING: Duration = Duration::from_secs(5);

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
