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
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode, Uri};
use oauth2::{HttpRequest, HttpResponse};
use serde::de::IgnoredAny;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use crate::clock::Clock;
use crate::deliver::http::answer::{Answer, connect_failed, error_chain, failed, unsent};
use crate::deliver::http::client_credentials::{ClientCredentials, NoTokenAnswer, Token};
use crate::deliver::http::connector::{ConnectSteps, Connector, Peer};
use crate::deliver::http::egress::Egress;
use crate::deliver::http::proxy::Proxy;
use crate::deliver::http::request::AGENT;
use crate::deliver::http::target::Key;
use crate::deliver::http::tls_files::TlsFiles;
use crate::deliver::http::trust::TlsConfigs;
use crate::deliver::http::wire::{HttpConnection, NoResponse, Pool, usable_until};
use crate::deliver::scheduler::retry::Outcome;
use crate::deliver::webhook::{SetBy, Webhook};
use crate::metrics::{BoolLabel, Metrics, ReusedLabel};
use crate::outcome::OutcomeKind;
use crate::record::Callback;
use crate::spool::Exchange;

/// Makes requests.
#[derive(Clone)]
pub struct Client {
    connector: Arc<Connector>,
    pool: Pool,
    metrics: Metrics,
}

/// Makes one attempt at a request, and replies with its outcome. It must not block.
pub type SendRequest = Box<dyn Fn(OutgoingRequest, Reply) + Send>;

/// Gets an attempt's outcome, and how far it came.
pub type Reply = Box<dyn FnOnce(Outcome, Exchange) + Send>;

/// One request.
#[derive(Debug)]
pub struct OutgoingRequest {
    /// The target.
    pub url: Uri,
    /// Who set the webhook: where the request may go.
    pub set_by: SetBy,
    /// The TLS files of its webhook, where it has any.
    pub tls: Option<Arc<TlsFiles>>,
    /// Whose token it bears, where its webhook has client credentials.
    pub credentials: Option<Arc<ClientCredentials>>,
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

impl OutgoingRequest {
    /// A request to a webhook.
    pub(in crate::deliver) fn new(
        webhook: &Webhook,
        project: &str,
        callback: Callback,
        headers: HeaderMap,
        body: Bytes,
    ) -> Self {
        Self {
            headers,
            url: webhook.url.fill(project, callback),
            set_by: webhook.set_by,
            tls: webhook.tls.clone(),
            credentials: webhook.credentials.clone(),
            body,
            timeout: webhook.limits.timeout,
            connect_timeout: webhook.limits.connect_timeout,
            response_bytes_max: webhook.limits.response_bytes_max,
            connection_age_max: webhook.limits.connection_age_max,
            gzip: webhook.limits.gzip,
        }
    }
}

impl Client {
    /// Trusts the system's roots, and those of `ca_file`.
    pub fn new(
        egress: Egress,
        proxy: Option<Proxy>,
        ca_file: Option<&std::path::Path>,
        metrics: Metrics,
    ) -> anyhow::Result<Self> {
        let connector = Arc::new(Connector { egress, proxy, tls: TlsConfigs::new(ca_file)? });
        Ok(Self { connector, pool: Pool::default(), metrics })
    }

    /// Makes requests as tasks of `runtime`.
    pub fn post(self, runtime: Handle) -> SendRequest {
        Box::new(move |request, reply| {
            let client = self.clone();
            runtime.spawn(async move {
                let (outcome, exchange) = client.attempt(request).await;
                reply(outcome, exchange);
            });
        })
    }

    /// Makes one attempt. If the receiver did not process the request, because an idle connection was closed
    /// or by its own report, it is sent again at once over a new connection, and both count as one attempt.
    pub(in crate::deliver) async fn attempt(&self, request: OutgoingRequest) -> (Outcome, Exchange) {
        let mut request = if request.gzip { compressed(request) } else { request };
        let https = request.url.scheme_str() == Some("https");
        let token = match self.authorize(&mut request).await {
            Ok(token) => token,
            Err(why) => return (unsent(OutcomeKind::Token, why), Exchange::default()),
        };
        let (outcome, mut exchange) = self.exchange(request).await;
        if let Some((credentials, token)) = token.filter(|_| outcome.status == Some(401)) {
            credentials.refused(&token).await;
        }
        exchange.phase = exchange.failed_at(outcome.kind, https);
        (outcome, exchange)
    }

    /// Adds the token, where the webhook has client credentials. The time that it takes is part of the attempt's.
    async fn authorize(
        &self,
        request: &mut OutgoingRequest,
    ) -> Result<Option<(Arc<ClientCredentials>, Token)>, String> {
        let Some(credentials) = request.credentials.take() else { return Ok(None) };
        let deadline = tokio::time::sleep(request.timeout).deadline();
        let key = Key::of(credentials.token_url(), request.set_by);
        let connect_timeout = request.connect_timeout;
        let send = |form: HttpRequest| {
            let (connector, key) = (Arc::clone(&self.connector), key.clone());
            async move { post_form(&connector, &key, connect_timeout, form).await }
        };
        let token = credentials.token(deadline, &send).await?;
        request.headers.insert(AUTHORIZATION, token.authorization.expose().clone());
        request.timeout = deadline.saturating_duration_since(Clock::runtime());
        Ok(Some((credentials, token)))
    }

    async fn exchange(&self, request: OutgoingRequest) -> (Outcome, Exchange) {
        let began = Clock::runtime();
        let deadline = tokio::time::sleep(request.timeout).deadline();
        let key = Key { tls: request.tls.clone(), ..Key::of(&request.url, request.set_by) };
        let mut idle = self.pool.take(&key);
        let mut is_second = false;
        loop {
            let (mut connection, mut exchange) = match idle.take() {
                Some(connection) => {
                    let exchange = Exchange { reused: true, ..with(connection.peer) };
                    (connection, exchange)
                }
                None => match self.connect(&key, &request, deadline).await {
                    Ok(connected) => connected,
                    Err(failed) => return failed,
                },
            };
            let sent = timeout_at(deadline, connection.send(http_request(&request))).await;
            let first_byte = connection.answered_at().map(|at| micros(at.saturating_duration_since(began)));
            exchange.first_byte_micros = first_byte;
            let answer = match sent {
                Ok(Ok(answer)) => {
                    let mut answer = Answer::new(answer);
                    answer.read(request.response_bytes_max, deadline).await;
                    self.keep(key, connection, &answer, request.connection_age_max, deadline).await;
                    answer
                }
                Ok(Err(NoResponse { status: Some(status), error, .. })) => {
                    Answer::broken(status, &error_chain(&error))
                }
                Ok(Err(error)) if error.is_untouched && !std::mem::replace(&mut is_second, true) => continue,
                Ok(Err(error)) => return (failed(&error.error), exchange),
                Err(_) => match connection.status() {
                    Some(status) => Answer::broken(status, "its head did not end in time"),
                    None => return (late(&request), exchange),
                },
            };
            exchange.answer = answer.to_log();
            return (answer.outcome(), exchange);
        }
    }

    /// A new connection, or the outcome of an attempt that gets none.
    async fn connect(
        &self,
        key: &Key,
        request: &OutgoingRequest,
        deadline: Instant,
    ) -> Result<(HttpConnection, Exchange), (Outcome, Exchange)> {
        let mut steps = ConnectSteps::default();
        let connecting = async {
            let opened = self.connector.open(key, request.connect_timeout, &mut steps).await;
            let connected = opened.map_err(|error| connect_failed(&error))?;
            let peer = steps.peer;
            HttpConnection::over(connected, peer).await.map_err(|error| failed(&error))
        };
        let connected = timeout_at(deadline, connecting).await;
        let exchange = Exchange {
            dns_micros: steps.dns.map(micros),
            connect_micros: steps.connect.map(micros),
            tls_micros: steps.tls.map(micros),
            ..with(steps.peer)
        };
        match connected {
            Ok(Ok(connection)) => Ok((connection, exchange)),
            Ok(Err(outcome)) => Err((outcome, exchange)),
            Err(_) => Err((late(request), exchange)),
        }
    }

    /// A response was read: its connection is reused where that is possible.
    async fn keep(
        &self,
        key: Key,
        mut connection: HttpConnection,
        answer: &Answer,
        age_max: Duration,
        deadline: Instant,
    ) {
        self.metrics
            .http_connections
            .get_or_create(&ReusedLabel { reused: BoolLabel(connection.reused) })
            .inc();
        if answer.is_whole() && timeout_at(deadline, connection.is_free()).await == Ok(true) {
            let until = usable_until(connection.opened_at, age_max, Clock::runtime(), answer.keep_alive());
            self.pool.put(key, connection, until);
        }
    }
}

fn with(peer: Peer) -> Exchange {
    Exchange { peer: peer.address, is_proxy: peer.is_proxy, ..Exchange::default() }
}

fn late(request: &OutgoingRequest) -> Outcome {
    unsent(OutcomeKind::Timeout, format!("no answer within {:?}", request.timeout))
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Sends a request for a token over a connection of its own.
async fn post_form(
    connector: &Connector,
    key: &Key,
    connect_timeout: Duration,
    form: HttpRequest,
) -> Result<HttpResponse, NoTokenAnswer> {
    let no_answer = |error: &(dyn std::error::Error + 'static)| NoTokenAnswer(error_chain(error));
    let mut steps = ConnectSteps::default();
    let connected =
        connector.open(key, connect_timeout, &mut steps).await.map_err(|error| no_answer(&error))?;
    let mut connection =
        HttpConnection::over(connected, steps.peer).await.map_err(|error| no_answer(&error))?;
    let mut form = form.map(|body| Full::new(Bytes::from(body)));
    form.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
    let answer = connection.send(form).await.map_err(|error| no_answer(&error.error))?;
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, TOKEN_BYTES_MAX).collect().await;
    let body = body.map_err(|error| NoTokenAnswer(format!("read the answer: {error}")))?.to_bytes().to_vec();
    // Otherwise its body is a token, or says why there is none.
    if head.status != StatusCode::OK && serde_json::from_slice::<IgnoredAny>(&body).is_err() {
        return Err(NoTokenAnswer(format!("it answers {}", head.status)));
    }
    Ok(HttpResponse::from_parts(head, body))
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

const TOKEN_BYTES_MAX: usize = 64 * 1024;
const GZIP_BYTES_MIN: usize = 1_024;
