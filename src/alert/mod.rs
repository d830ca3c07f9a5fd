//! Alerts: messages to the operators' own webhook when something changes that they must act on.
//!
//! [`Monitor`] decides, as pure values, what is worth a message and when; [`message`] is the JSON. The service posts them.

mod event;
mod figures;
mod message;
mod monitor;
mod outbox;
mod subject;
mod text;

pub use event::{Budgets, Event, Figures, LaneKey, LaneReport, WebhookChange, WebhookState};
pub use message::{Alert, AlertKind, AlertWebhook};
pub use monitor::Monitor;
pub use outbox::{Dropped, Outbox};
