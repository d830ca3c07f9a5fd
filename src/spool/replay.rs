//! Replays: settled records that are sent again, a range of numbers a lane.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::meta::LowWatermark;
use super::search::RecordRange;
use crate::record::{LaneNo, Seq};
use crate::time::Timestamp;

/// The number of a replay in this spool: the lower is served first.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct ReplayNo(pub u64);

/// A replay that is requested.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewReplay {
    /// Drawn when it was requested: the header `sidecar-replay`.
    pub id: Uuid,
    /// The request as JSON, to be shown.
    pub request: String,
    /// When it was requested.
    pub requested_at: Timestamp,
    /// Records a second over all lanes; `None`: as fast as receivers take them.
    pub rate: Option<u32>,
    /// What it sends. Not empty.
    pub ranges: Vec<LaneReplay>,
    /// The low watermark when its ranges were read.
    pub low_watermark: Option<LowWatermark>,
}

/// A replay as the spool keeps it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Replay {
    /// Its number.
    pub no: ReplayNo,
    /// The header `sidecar-replay` of its requests.
    pub id: Uuid,
    /// The request as JSON.
    pub request: String,
    /// When it was requested.
    pub requested_at: Timestamp,
    /// Records a second over all lanes.
    pub rate: Option<u32>,
    /// Its state.
    pub state: ReplayState,
    /// When it was done or cancelled.
    pub ended_at: Option<Timestamp>,
}

/// The state of a replay.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplayState {
    /// Records are left to send.
    Running = 0,
    /// All were sent.
    Done = 1,
    /// It was cancelled by a command, or because the spool needed its records' room.
    Cancelled = 2,
}

/// What a replay sends of one lane: a range without gaps, from an actual record to an actual one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LaneReplay {
    /// Its replay.
    pub replay: ReplayNo,
    /// The lane of its records.
    pub lane: LaneNo,
    /// Its first record.
    pub first: Seq,
    /// Its last record.
    pub last: Seq,
    /// Every record up to here was sent, or refused as too large.
    pub cursor: Seq,
    /// How many records it has.
    pub records: u64,
    /// How many were sent.
    pub sent: u64,
    /// How many were refused as too large, and skipped.
    pub refused: u64,
}

impl LaneReplay {
    /// All of `range`, of which nothing was sent.
    pub fn new(replay: ReplayNo, range: &RecordRange) -> Self {
        let RecordRange { lane, first, last, records, bytes: _ } = *range;
        Self { replay, lane, first, last, cursor: first.before(), records, sent: 0, refused: 0 }
    }
}

impl ReplayState {
    /// As commands and metrics write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }
}
