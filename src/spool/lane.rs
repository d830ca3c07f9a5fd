//! Lanes: the records of one callback of a project, and how their delivery goes.

use super::batch::Batch;
use super::replay::LaneReplay;
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
    /// Paused since, and why.
    pub paused: Option<(Uptime, String)>,
    /// Without a webhook since.
    pub without_webhook: Option<Timestamp>,
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
