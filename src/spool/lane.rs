//! Lanes: the records of one callback of a project, and how their delivery goes.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::batch::Batch;
use super::replay::{LaneReplay, ReplayNo};
use crate::outcome::OutcomeKind;
use crate::record::{LaneNo, Seq};
use crate::time::{Timestamp, Uptime};

/// The health of a lane: what survives a restart besides its cursor.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LaneHealth {
    /// Failed attempts since the last success.
    pub failures: u32,
    /// The first of them. `Some` exactly when `failures > 0`.
    pub failing_since: Option<Uptime>,
    /// The next attempt is not made before this.
    pub retry_at: Option<Uptime>,
    /// The last failed attempt since the last success.
    pub last_failure: Option<Failure>,
    /// Nothing is sent.
    pub paused: Option<Pause>,
    /// Without a webhook since.
    pub without_webhook: Option<Timestamp>,
    /// The receiver refused a larger batch.
    pub size_limit: Option<SizeLimit>,
    /// The receiver refused the content of pending records.
    pub refusals: Option<Refusals>,
    /// The receiver refused the content of records of a replay.
    pub replay_refusals: Option<(ReplayNo, Refusals)>,
}

/// How an attempt failed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Failure {
    /// What happened.
    pub outcome: OutcomeKind,
    /// The answer's status, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The answer asked for a longer wait than the schedule's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub throttled: bool,
}

/// A pause of a lane.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pause {
    /// When it began.
    pub since: Uptime,
    /// Why.
    pub reason: String,
    /// Who paused it.
    pub by: PausedBy,
}

/// Who paused a lane.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PausedBy {
    /// An operator.
    #[default]
    Operator,
    /// The receiver, by an answer.
    Receiver,
    /// `delivery.surge`: its project made too many records in too short a time.
    Surge,
}

/// The limit of batches after one was refused as too large.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SizeLimit {
    /// The most bytes.
    pub bytes: u64,
    /// When it was set.
    pub since: Uptime,
}

/// The receiver refuses the content of a batch: first the same batch is sent again, then the refused record
/// is searched.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Refusals {
    /// The status of the last refusal.
    pub status: u16,
    /// Identical refusals of the first batch, before the search.
    pub count: u32,
    /// The search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Search>,
}

/// The search for a refused record.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Search {
    /// One of the next so many records is refused. 0: a record was found, and the next batch shows whether
    /// there are more.
    pub suspects: u32,
    /// Records were accepted since the search for this one began.
    pub accepted: bool,
    /// The first open batches, each of one record, that were refused while nothing was accepted. The one
    /// behind them is a probe: it tells whether anything is accepted.
    pub isolated: u32,
    /// How many times every probe was refused.
    pub rounds: u32,
}

/// The state of a lane, as it is stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LaneState {
    /// The lane.
    pub lane: LaneNo,
    /// Every record up to here is settled.
    pub cursor: Seq,
    /// Records after the cursor, those of the cut batch included.
    pub pending_records: u64,
    /// Bytes of their fragments.
    pub pending_bytes: u64,
    /// When the oldest of them was spooled.
    pub oldest: Option<(Timestamp, Uptime)>,
    /// The batches that are cut and not settled, in order: several only after one was retired.
    pub batches: Vec<Batch>,
    /// Its health.
    pub health: LaneHealth,
    /// The ranges that running replays send of it, in order, each with its open batches.
    pub ranges: Vec<(LaneReplay, Vec<Batch>)>,
    /// Whether redeliveries of its dead letters are due.
    pub redeliveries: bool,
}

impl LaneHealth {
    /// For how long it has had no webhook, been paused, or been failing, in this order.
    pub fn unhealthy_for(&self, now: Uptime, wall: Timestamp) -> Option<Duration> {
        let paused = self.paused.as_ref().map(|paused| paused.since);
        let without_webhook = self.without_webhook.map(|since| wall.since(since));
        without_webhook.or_else(|| paused.or(self.failing_since).map(|since| now.since(since)))
    }

    /// Batches of the lane were given up or discarded: a search that went beyond its first batch ends.
    pub(crate) fn batches_given_up(&mut self) {
        let is_probing = |refusals: &mut Refusals| refusals.search.is_some_and(|search| search.isolated > 0);
        self.refusals.take_if(is_probing);
    }
}

impl PausedBy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Operator, Self::Receiver, Self::Surge];

    /// Its name in logs, status and the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Receiver => "receiver",
            Self::Surge => "surge",
        }
    }
}
