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

/// Two webhooks for the same records.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("two webhooks are for project `{project}` and callback `{callback}`: keep one, or name others")]
pub struct DuplicateWebhook {
    /// The project of both.
    pub project: String,
    /// The callback of both.
    pub callback: String,
}

/// All webhooks. An exact project comes before `*`, then an exact callback before `*`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Routes {
    webhooks: Vec<Arc<Webhook>>,
}

impl Routes {
    /// Refuses two for the same.
    pub fn new(webhooks: Vec<Webhook>) -> Result<Self, DuplicateWebhook> {
        for (at, webhook) in webhooks.iter().enumerate() {
            let twin =
                |other: &&Webhook| other.project == webhook.project && other.callback == webhook.callback;
            if webhooks.iter().take(at).any(|other| twin(&other)) {
                return Err(DuplicateWebhook {
                    project: webhook.project.clone().unwrap_or_else(|| "*".into()),
                    callback: webhook.callback.map_or("*", Callback::name).to_owned(),
                });
            }
        }
        Ok(Self { webhooks: webhooks.into_iter().map(Arc::new).collect() })
    }

    /// These webhooks, and those of `fallback` for other projects and callbacks. Each of both is there once.
    pub fn over(webhooks: Vec<Webhook>, fallback: &Self) -> Self {
        let webhooks: Vec<Arc<Webhook>> = webhooks.into_iter().map(Arc::new).collect();
        let is_replaced = |other: &&Arc<Webhook>| {
            let twin = |own: &Arc<Webhook>| own.project == other.project && own.callback == other.callback;
            webhooks.iter().any(twin)
        };
        let kept: Vec<_> = fallback.webhooks.iter().filter(|other| !is_replaced(other)).cloned().collect();
        Self { webhooks: [webhooks, kept].concat() }
    }

    /// The webhook of a lane.
    pub fn find(&self, project: &str, callback: Callback) -> Option<&Arc<Webhook>> {
        self.webhooks
            .iter()
            .filter(|webhook| webhook.project.as_deref().is_none_or(|exact| exact == project))
            .filter(|webhook| webhook.callback.is_none_or(|exact| exact == callback))
            .max_by_key(|webhook| (webhook.project.is_some(), webhook.callback.is_some()))
    }

    /// Which properties the records of a lane that are kept are about; `None`: it has no webhook.
    pub fn properties(&self, project: &str, callback: Callback) -> Option<PropertySet> {
        self.find(project, callback).map(|webhook| webhook.properties)
    }

    /// All webhooks.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Webhook>> {
        self.webhooks.iter()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(project: Option<&str>, callback: Option<Callback>) -> Webhook {
        Webhook {
            project: project.map(Into::into),
            callback,
            ..Webhook::new(hyper::Uri::from_static("http://localhost/").into())
        }
    }

    #[test]
    fn an_exact_project_comes_before_any_then_an_exact_callback() {
        let ingested = Callback::Ingested;
        let all = [
            webhook(None, None),
            webhook(None, Some(ingested)),
            webhook(Some("a"), None),
            webhook(Some("a"), Some(ingested)),
        ];
        let routes = Routes::new(all.to_vec()).unwrap();
        let found = |project, callback| routes.find(project, callback).map(|found| (**found).clone());
        assert_eq!(found("a", ingested), Some(all[3].clone()));
        assert_eq!(found("a", Callback::Modified), Some(all[2].clone()));
        assert_eq!(found("b", ingested), Some(all[1].clone()));
        assert_eq!(found("b", Callback::Modified), Some(all[0].clone()));
        let some = Routes::new(vec![all[3].clone()]).unwrap();
        assert_eq!(some.find("a", Callback::Excluded), None);
    }

    #[test]
    fn a_webhook_comes_before_the_fallback_for_exactly_the_same_records() {
        let url = |url: &'static str, webhook: Webhook| Webhook {
            url: hyper::Uri::from_static(url).into(),
            ..webhook
        };
        let all = url("http://all/", webhook(None, None));
        let of_a = url("http://a/", webhook(Some("a"), None));
        let fallback = Routes::new(vec![all.clone(), of_a]).unwrap();
        let own = url("http://own/", webhook(Some("a"), None));
        let routes = Routes::over(vec![own.clone()], &fallback);
        assert_eq!(routes.all().map(|found| (**found).clone()).collect::<Vec<_>>(), [own, all]);
    }

    #[test]
    fn two_webhooks_for_the_same_records_are_refused() {
        let twice = Routes::new(vec![webhook(None, None), webhook(Some("a"), None), webhook(None, None)]);
        assert_eq!(twice, Err(DuplicateWebhook { project: "*".into(), callback: "*".into() }));
    }
}
