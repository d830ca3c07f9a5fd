//! The right loop: lanes → batches → receivers → outcomes.
//!
//! [`dispatch`] decides, as pure values; a thread does what it says: reads heads, writes cuts and
//! outcomes down, and has the runtime make the requests.

mod answer;
mod client;
mod condition;
mod connect;
mod dispatch;
mod egress;
mod handle;
mod heads;
mod lane;
mod location;
mod outage;
mod proxy;
mod request;
mod retry;
mod shell;
mod sign;
mod trust;
mod turns;
mod webhook;
mod wire;

pub use client::{Ask, Client, Post};
pub use condition::LaneCondition;
pub use egress::{Denied, Egress};
pub use handle::{Deliver, LaneView, Params, dice};
pub use proxy::{BadProxy, Proxy};
pub use retry::{DELIVERED, Outcome};
pub use shell::Shell;
pub use sign::{BadSecret, Secret};
pub use webhook::{DuplicateWebhook, Limits, Redacted, Routes, Webhook, is_reserved};
