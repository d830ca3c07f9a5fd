//! The parameters of delivery, and the view of its lanes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::http::client::SendRequest;
use super::http::request::HeaderNames;
use super::request_limits::HostLimits;
use super::routes::Routes;
use super::scheduler::condition::LaneCondition;
use super::scheduler::surge::SurgeLimit;
use crate::alert::Event;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::outcome::{Cause, OutcomeKind};
use crate::record::{LaneNo, Seq};
use crate::spool::{BatchId, Epochs, PausedBy, Spool, SpoolError};

/// The parameters of delivery.
pub struct Params {
    /// The spool.
    pub spool: Spool,
    /// Nothing is cut or sent before [`Deliver::hold`] lets go.
    pub held: bool,
    /// The epochs of records.
    pub epochs: Epochs,
    /// The webhooks of lanes.
    pub routes: watch::Receiver<Arc<Routes>>,
    /// Requests in flight over all webhooks.
    pub in_flight_max: usize,
    /// Limits of the requests to each host.
    pub host_limits: HostLimits,
    /// The most bytes that a failing or paused lane holds.
    pub lane_bytes_max: u64,
    /// How many records of a project, in which time, are not held.
    pub surge: Option<SurgeLimit>,
    /// `spool.bytes_max`
    pub spool_bytes_max: u64,
    /// How long a lane without a webhook is kept.
    pub retain: Duration,
    /// The names of the headers of requests.
    pub header_names: HeaderNames,
    /// Makes requests.
    pub post: SendRequest,
    /// Random numbers for jitter, 0.0..1.0.
    pub jitter: Box<dyn FnMut() -> f64 + Send>,
    /// The time.
    pub clock: Clock,
    /// The metrics.
    pub metrics: Metrics,
    /// Called with what alerts may be about: states of lanes, and dead letters. It must not block.
    pub on_alert: Box<dyn Fn(Event) + Send>,
    /// Called once, when the spool can no longer be written or read.
    pub on_failure: Box<dyn Fn(SpoolError) + Send>,
}

/// How many lanes there are in each condition.
#[derive(Clone, Copy, Debug)]
pub struct LaneCounts {
    /// By condition.
    pub lanes: [(LaneCondition, u64); LaneCondition::ALL.len()],
    /// How long the oldest pending record of all has waited.
    pub oldest: Option<Duration>,
}

impl Default for LaneCounts {
    fn default() -> Self {
        Self { lanes: LaneCondition::ALL.map(|condition| (condition, 0)), oldest: None }
    }
}

/// A lane, as status shows it.
#[derive(Clone, Debug)]
pub struct LaneView {
    /// Its number.
    pub lane: LaneNo,
    /// Its project's name.
    pub project: String,
    /// Whether it has a webhook.
    pub has_webhook: bool,
    /// Host and port of the webhook.
    pub host: Arc<str>,
    /// Its condition.
    pub state: LaneCondition,
    /// Every record up to here is settled.
    pub cursor: Seq,
    /// Whether a request is in flight.
    pub in_flight: bool,
    /// The batch whose request is in flight, unless it is a redelivered dead letter.
    pub sending: Option<BatchId>,
    /// Unsettled records.
    pub pending_records: u64,
    /// Bytes of their fragments.
    pub pending_bytes: u64,
    /// Ranges of replays that are left to send.
    pub replay_ranges: usize,
    /// How long the oldest has waited.
    pub oldest: Option<Duration>,
    /// Failed attempts since the last success.
    pub failures: u32,
    /// How long until the next attempt.
    pub next_attempt: Option<Duration>,
    /// How long ago an attempt succeeded last, since the process started.
    pub last_success: Option<Duration>,
    /// How the last attempt ended.
    pub last_outcome: Option<OutcomeKind>,
    /// Why it is paused, or which limit it waits for.
    pub reason: Option<String>,
    /// Who paused it.
    pub paused_by: Option<PausedBy>,
    /// For how long it has been failing, paused or without a webhook.
    pub since: Option<Duration>,
    /// How long until records are given up, where it is failing or paused.
    pub gives_up_in: Option<Duration>,
    /// The status of the last attempt, where it failed.
    pub status: Option<u16>,
    /// Why it is failing, or was paused by its receiver.
    pub cause: Option<&'static Cause>,
}
