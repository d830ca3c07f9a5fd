//! What the monitor observes.

use std::time::Duration;

use crate::outcome::Cause;
use crate::record::Callback;
use crate::spool::PausedBy;
use crate::time::{Timestamp, Uptime};

/// A lane, as messages name it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LaneKey {
    /// The project.
    pub project: String,
    /// The callback.
    pub callback: Callback,
}

/// An observation.
#[derive(Clone, Debug)]
pub enum Event {
    /// Records of a lane became dead letters.
    DeadLetters {
        /// The lane.
        lane: LaneKey,
        /// `owner` of its webhook.
        owner: Option<String>,
        /// Why, as `sidecar dead-letters` shows it.
        reason: &'static str,
        /// How many records.
        records: u64,
    },
    /// Figures of the source and the spool, sampled.
    Figures(Figures),
    /// The state of a lane's webhook changed, or a failure went on.
    Lane(LaneReport),
    /// A webhook was set, changed or removed.
    Webhook(WebhookChange),
}

/// A lane, with the state of its webhook.
#[derive(Clone, Debug)]
pub struct LaneReport {
    /// The lane.
    pub lane: LaneKey,
    /// Host and port of the webhook.
    pub host: String,
    /// `owner` of the webhook.
    pub owner: Option<String>,
    /// The state.
    pub state: WebhookState,
    /// `delivery.give_up_after` of the webhook.
    pub give_up_after: Duration,
}

/// The state of a webhook, as far as alerts tell them apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum WebhookState {
    /// Its last attempt succeeded, or it had none.
    Healthy,
    /// Its attempts fail.
    Failing {
        /// Since the first failure after its last success.
        since: Uptime,
        /// Why.
        cause: &'static Cause,
        /// The status of the last answer.
        status: Option<u16>,
        /// Only its owner can end the failure.
        needs_owner: bool,
        /// When it is tried again.
        next_attempt: Option<Uptime>,
    },
    /// Nothing is sent.
    Paused {
        /// Since when.
        since: Uptime,
        /// Who paused it.
        by: PausedBy,
        /// Why.
        reason: String,
    },
    /// It was removed.
    Removed,
}

/// Figures of the source and the spool.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Figures {
    /// WAL that the slot retains, in bytes.
    pub slot_retained_bytes: Option<u64>,
    /// Live bytes of the spool.
    pub spool_bytes: u64,
    /// `spool.bytes_max`
    pub spool_bytes_max: u64,
    /// The end of the server's WAL, in bytes.
    pub server_lsn: Option<u64>,
    /// Changes received since the start.
    pub changes: u64,
}

/// A change of a webhook's settings.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WebhookChange {
    /// The project; `*` for every project.
    pub project: String,
    /// The callback; `*` for all three.
    pub callback: String,
    /// `set` or `removed`.
    pub what: &'static str,
    /// Host and port of the URL.
    pub host: String,
    /// A fingerprint of the URL, which is not shown itself.
    pub fingerprint: String,
}

/// When figures are worth an alert.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budgets {
    /// A webhook that fails for so long.
    pub failing_after: Duration,
    /// The slot retains more than this, in bytes.
    pub slot_retained_bytes_max: u64,
    /// The spool is filled beyond this share, 0.0..1.0.
    pub spool_share_max: f64,
    /// No change is received for so long while the server's WAL grows; `None`: never an alert.
    pub no_change_after: Option<Duration>,
}

/// The wall-clock time that corresponds to an uptime.
pub(super) fn at(uptime: Uptime, (now, wall): (Uptime, Timestamp)) -> Timestamp {
    if uptime >= now {
        wall.plus(uptime.since(now))
    } else {
        let ago = i64::try_from(now.since(uptime).as_micros()).unwrap_or(i64::MAX);
        Timestamp(wall.0.saturating_sub(ago))
    }
}
