//! Webhooks: one for each lane, validated.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};

use super::http::client_credentials::ClientCredentials;
use super::http::tls_files::TlsFiles;
use super::request_limits::RequestLimits;
use super::signing::SigningSecret;
use super::url_template::UrlTemplate;
use crate::record::{Callback, PropertySet};
use crate::secret::Secret;

/// A webhook for one (project, callback), or for several by `*`.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// The project; `None` is `*`.
    pub project: Option<String>,
    /// The callback; `None` is `*`.
    pub callback: Option<Callback>,
    /// Which records of `modified` it takes.
    pub properties: PropertySet,
    /// The URL of requests.
    pub url: UrlTemplate,
    /// Sent with each request, in this order.
    pub headers: Vec<(HeaderName, Secret<HeaderValue>)>,
    /// Signing secrets, the newest first; several during a rotation.
    pub secrets: Vec<SigningSecret>,
    /// Whom to call when it fails: alerts name it.
    pub owner: Option<String>,
    /// Whose token requests bear, where it has client credentials.
    pub credentials: Option<Arc<ClientCredentials>>,
    /// Client certificate and authorities of its own, where it has any.
    pub tls: Option<Arc<TlsFiles>>,
    /// How requests are made and retried.
    pub limits: Limits,
    /// Who set it.
    pub set_by: SetBy,
}

/// Who set a webhook: where its requests may go.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SetBy {
    /// The operator.
    #[default]
    Operator,
    /// A tenant: one project's users.
    Tenant,
}

impl Webhook {
    /// A webhook for every record, without headers and secrets, with the default limits.
    pub fn new(url: UrlTemplate) -> Self {
        Self {
            project: None,
            callback: None,
            properties: PropertySet::ALL,
            url,
            headers: Vec::new(),
            secrets: Vec::new(),
            owner: None,
            credentials: None,
            tls: None,
            limits: Limits::default(),
            set_by: SetBy::Operator,
        }
    }

    /// The same as a tenant's: what it asks of this machine is at most what the operator's settings allow.
    #[must_use]
    pub fn of_tenant(self, operator: &Limits) -> Self {
        let limits = Limits {
            records_max: self.limits.records_max.min(operator.records_max),
            bytes_max: self.limits.bytes_max.min(operator.bytes_max),
            response_bytes_max: self.limits.response_bytes_max.min(operator.response_bytes_max),
            ..self.limits
        };
        Self { set_by: SetBy::Tenant, limits, ..self }
    }

    /// Names it among all webhooks, over a change of its settings.
    pub(super) fn id(&self) -> Arc<str> {
        let (project, callback) = (self.project.as_deref(), self.callback.map(Callback::name));
        format!("{}/{}", project.unwrap_or("*"), callback.unwrap_or("*")).into()
    }

    /// The host and port that requests go to.
    pub fn host(&self) -> Arc<str> {
        let url = self.url.uri();
        let default_port = if url.scheme_str() == Some("https") { 443 } else { 80 };
        let port = url.port_u16().unwrap_or(default_port);
        format!("{}:{port}", url.host().unwrap_or_default().to_ascii_lowercase()).into()
    }
}

/// How requests are made and retried.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Records in one batch.
    pub records_max: u32,
    /// Bytes of fragments in one batch; a larger record goes alone.
    pub bytes_max: u64,
    /// The longest that a record waits for others to share its batch.
    pub wait_max: Duration,
    /// Of the whole exchange.
    pub timeout: Duration,
    /// Of connecting.
    pub connect_timeout: Duration,
    /// Waits between attempts; the last repeats.
    pub retry_schedule: Vec<Duration>,
    /// Identical refusals of a batch's content before the refused record is searched.
    pub refusals_max: u32,
    /// Uptime without a success after which records that waited so long are given up.
    pub give_up_after: Duration,
    /// The longest that a record waits for a failing lane of its project.
    pub order_wait: Duration,
    /// The most bytes read of a response.
    pub response_bytes_max: u64,
    /// The age up to which a connection begins another request, so that a change in DNS is followed.
    pub connection_age_max: Duration,
    /// Whether longer bodies are compressed.
    pub gzip: bool,
    /// Limits of the requests of all its lanes together.
    pub requests: RequestLimits,
}

impl Default for Limits {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        Self {
            records_max: 100,
            bytes_max: 1024 * 1024,
            wait_max: Duration::from_millis(500),
            timeout: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(5),
            retry_schedule: vec![
                Duration::from_secs(1),
                Duration::from_secs(5),
                Duration::from_secs(30),
                minutes(2),
                minutes(10),
                minutes(30),
                minutes(60),
            ],
            refusals_max: 3,
            give_up_after: minutes(72 * 60),
            order_wait: minutes(1),
            response_bytes_max: 64 * 1024,
            connection_age_max: minutes(5),
            gzip: false,
            requests: RequestLimits::default(),
        }
    }
}
