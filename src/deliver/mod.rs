//! The delivery loop: lanes → batches → receivers → outcomes.
//!
//! [`scheduler`] decides, as pure values. [`driver`] carries out its decisions on its own thread:
//! reads records, writes cuts and outcomes to the spool, and starts requests. [`http`] makes them.

mod scheduler;

mod http;

mod driver;

mod alert_request;
mod handle;
mod params;
mod pauses;
mod request_limits;
mod routes;
mod shown_request;
mod shown_url;
mod signing;
mod tenant_failure;
mod test_request;
mod url_template;
mod webhook;

pub use alert_request::alert_request;
pub use driver::Driver;
pub use handle::{Deliver, random_jitter};
#[doc(hidden)]
pub use http::answer::{keep_alive, retry_after};
pub use http::client::{Client, OutgoingRequest, Reply, SendRequest};
pub use http::client_credentials::{ClientCredentials, TokenRequest};
pub use http::egress::addresses::{embedded, is_public};
pub use http::egress::{BadRule, Denied, Egress, EgressRule};
#[doc(hidden)]
pub use http::logged_headers::logged_headers;
pub use http::proxy::{BadProxy, Proxy};
pub use http::request::{BadPrefix, HeaderNames, request_id};
pub use http::tls_files::{BadTlsFile, ClientFiles, TlsFiles};
#[doc(hidden)]
pub use http::wire::status_in;
pub use params::{LaneCounts, LaneView, Params};
pub use pauses::{LaneScope, Pauses, StandingPause};
pub use request_limits::{HostLimits, RequestLimits, RequestRate};
pub use routes::{DuplicateWebhook, Routes};
pub use scheduler::condition::LaneCondition;
pub use scheduler::retry::Outcome;
pub use scheduler::surge::SurgeLimit;
pub use shown_request::{BatchRequest, ShownRequest, shown_specimen};
pub use shown_url::{shown_url, url_fingerprint};
pub use signing::{BadSecret, SigningSecret, rotate};
pub use tenant_failure::TenantFailure;
pub use test_request::TestRequest;
pub use url_template::{TemplateError, UrlTemplate};
pub use webhook::{Limits, SetBy, Webhook};
