//! The delivery loop: lanes → batches → receivers → outcomes.
//!
//! [`scheduler`] decides, as pure values. [`driver`] carries out its decisions on its own thread:
//! reads records, writes cuts and outcomes to the spool, and starts requests. [`http`] makes them.

mod scheduler;

mod http;

mod driver;

mod handle;
mod params;
mod request_limits;
mod url_template;
mod webhook;

pub use driver::Driver;
pub use handle::{Deliver, random_jitter};
pub use http::client::{Client, OutgoingRequest, SendRequest};
pub use http::egress::{Denied, Egress};
pub use http::proxy::{BadProxy, Proxy};
pub use http::request::{BadPrefix, HeaderNames};
pub use http::signature::{BadSecret, Secret};
pub use params::{LaneView, Params};
pub use request_limits::{HostLimits, RequestLimits, RequestRate};
pub use scheduler::condition::LaneCondition;
pub use scheduler::retry::Outcome;
pub use url_template::{TemplateError, UrlTemplate};
pub use webhook::{DuplicateWebhook, Limits, Redacted, Routes, Webhook};
