//! The HTTP client: makes one attempt at a request and returns its outcome.
//!
//! One deadline covers the whole exchange, and everything started for it ends with it. The status decides
//! the outcome: the rest of the response is read up to a limit, and its errors are reported. Redirects are
//! not followed.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use hyper::header::{CONTENT_ENCODING, HeaderMap, HeaderValue};
use hyper::{Method, Request, Uri};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use crate::clock::Clock;
use crate::deliver::http::answer::{Answer, connect_failed, failed, unsent};
use crate::deliver::http::connector::{Connector, Key};
use crate::deliver::http::egress::Egress;
use crate::deliver::http::proxy::Proxy;
use crate::deliver::http::trust;
use crate::deliver::http::wire::{HttpConnection, Pool, usable_until};
use crate::deliver::scheduler::retry::Outcome;
use crate::metrics::{BoolLabel, Metrics, ReusedLabel};
use crate::outcome::OutcomeKind;

/// Makes requests.
#[derive(Clone)]
pub struct Client {
    connector: Arc<Connector>,
    pool: Pool,
    metrics: Metrics,
}

/// Makes one attempt at a request, and replies with its outcome. It must not block.
pub type SendRequest = Box<dyn Fn(OutgoingRequest, Box<dyn FnOnce(Outcome) + Send>) + Send>;

/// One request.
#[derive(Debug)]
pub struct OutgoingRequest {
    /// The target.
    pub url: Uri,
    /// All headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Of the whole exchange.
    pub timeout: Duration,
    /// Of connecting.
    pub connect_timeout: Duration,
    /// The most bytes read of the response.
    pub response_bytes_max: u64,
    /// The age up to which its connection begins another request.
    pub connection_age_max: Duration,
    /// Whether the body is compressed where that is worth it.
    pub gzip: bool,
}

impl Client {
    /// Trusts the system's roots, and those of `ca_file`.
    pub fn new(
        egress: Egress,
        proxy: Option<Proxy>,
        ca_file: Option<&std::path::Path>,
        metrics: Metrics,
    ) -> anyhow::Result<Self> {
        let tls = trust::client_config(ca_file)?;
        let connector = Arc::new(Connector { egress, proxy, tls: Arc::new(tls) });
        Ok(Self { connector, pool: Pool::default(), metrics })
    }

    /// Makes requests as tasks of `runtime`.
    pub fn post(self, runtime: Handle) -> SendRequest {
        Box::new(move |request, reply| {
            let client = self.clone();
            runtime.spawn(async move { reply(client.attempt(request).await) });
        })
    }

    /// Makes one attempt. If the receiver did not process the request, because an idle connection was closed
    /// or by its own report, it is sent again at once over a new connection, and both count as one attempt.
    pub(in crate::deliver) async fn attempt(&self, request: OutgoingRequest) -> Outcome {
        let request = if request.gzip { compressed(request) } else { request };
        let deadline = tokio::time::sleep(request.timeout).deadline();
        let late = || unsent(OutcomeKind::Timeout, format!("no answer within {:?}", request.timeout));
        let key = key(&request.url);
        let mut idle = self.pool.take(&key);
        let mut is_second = false;
        loop {
            let connection = match idle.take() {
                Some(connection) => Ok(connection),
                None => match timeout_at(deadline, self.connect(&key, request.connect_timeout)).await {
                    Ok(connection) => connection,
                    Err(_) => return late(),
                },
            };
            let mut connection = match connection {
                Ok(connection) => connection,
                Err(outcome) => return outcome,
            };
            let error = match timeout_at(deadline, connection.send(http_request(&request))).await {
                Ok(Ok(answer)) => {
                    let mut answer = Answer::new(answer);
                    answer.read(request.response_bytes_max, deadline).await;
                    return self
                        .answered(key, connection, answer, request.connection_age_max, deadline)
                        .await;
                }
                Ok(Err(error)) => error,
                Err(_) => {
                    let head = connection
                        .status()
                        .map(|status| Answer::broken(status, "its head did not end in time"));
                    return head.map_or_else(late, Answer::outcome);
                }
            };
            if let Some(status) = error.status {
                return Answer::broken(status, &error.error_chain()).outcome();
            }
            if !error.is_untouched || std::mem::replace(&mut is_second, true) {
                return failed(&error.error);
            }
        }
    }

    async fn connect(&self, key: &Key, timeout: Duration) -> Result<HttpConnection, Outcome> {
        let connected = self.connector.open(key, timeout).await.map_err(|error| connect_failed(&error))?;
        HttpConnection::over(connected).await.map_err(|error| failed(&error))
    }

    /// A response was read: its connection is reused where that is possible.
    async fn answered(
        &self,
        key: Key,
        mut connection: HttpConnection,
        answer: Answer,
        age_max: Duration,
        deadline: Instant,
    ) -> Outcome {
        self.metrics
            .http_connections
            .get_or_create(&ReusedLabel { reused: BoolLabel(connection.reused) })
            .inc();
        if answer.is_whole() && timeout_at(deadline, connection.is_free()).await == Ok(true) {
            let until = usable_until(connection.opened_at, age_max, Clock::runtime(), answer.keep_alive());
            self.pool.put(key, connection, until);
        }
        answer.outcome()
    }
}

/// The request with a shorter body, where its body is long.
fn compressed(mut request: OutgoingRequest) -> OutgoingRequest {
    if request.body.len() > GZIP_BYTES_MIN {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        // Writing to memory does not fail.
        if let Ok(body) = encoder.write_all(&request.body).and_then(|()| encoder.finish()) {
            request.body = body.into();
            request.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
    }
    request
}

fn http_request(outgoing: &OutgoingRequest) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(outgoing.body.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = outgoing.url.clone();
    *request.headers_mut() = outgoing.headers.clone();
    request
}

fn key(url: &Uri) -> Key {
    let https = url.scheme_str() == Some("https");
    let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    Key { https, host, port: url.port_u16().unwrap_or(if https { 443 } else { 80 }) }
}

const GZIP_BYTES_MIN: usize = 1_024;
