//! `/api/v1/replays`: settled records that are sent again.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::deliver::LaneCondition;
use crate::record::Callback;
use crate::replay::ReplayRequest;
use crate::spool::ReplayState;

/// The records that a replay sends.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ReplaySummary {
    /// Its number; `None` for a dry run, or where there is nothing to send.
    pub no: Option<u64>,
    /// Its id, sent as the header `sidecar-replay`.
    pub id: Option<String>,
    /// Records over all lanes.
    pub records: u64,
    /// Bytes of their JSON.
    pub bytes: u64,
    /// Records of each lane.
    pub lanes: Vec<LaneCount>,
    /// Lanes that have records in the range but no webhook: they are left out.
    pub without_webhook: Vec<LaneCount>,
    /// Records committed up to this time were requested and are no longer in the spool.
    #[schema(format = DateTime)]
    pub begins_late: Option<String>,
    /// Documents with records newer than the range; computed by a dry run that has an end.
    pub documents_with_newer_records: Option<u64>,
}

/// Records of one lane.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct LaneCount {
    /// The project.
    pub project: String,
    /// The callback.
    pub callback: Callback,
    /// Number of records.
    pub records: u64,
    /// Bytes of their JSON.
    pub bytes: u64,
}

/// The window, and the replays on record.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ReplayList {
    /// `None` until the first start has finished.
    pub window: Option<WindowStatus>,
    /// The newest first.
    pub replays: Vec<ReplayStatus>,
}

/// The range that can be replayed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct WindowStatus {
    /// The first LSN that a replay can start at.
    pub from_lsn: String,
    /// Records committed after this time can be replayed.
    #[schema(format = DateTime)]
    pub after: String,
    /// The LSN up to which the stream is applied.
    pub to_lsn: String,
}

/// One replay, and its progress.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ReplayStatus {
    /// Its number.
    pub no: u64,
    /// Its id, sent as the header `sidecar-replay`.
    pub id: String,
    /// Its state.
    pub state: ReplayState,
    /// The request that started it.
    #[serde(rename = "asked")]
    pub request: ReplayRequest,
    /// When it was requested.
    #[serde(rename = "asked_at")]
    #[schema(format = DateTime)]
    pub requested_at: String,
    /// When it finished or was cancelled.
    #[schema(format = DateTime)]
    pub ended_at: Option<String>,
    /// Limit in records per second over all lanes.
    pub rate: Option<u32>,
    /// Records in its range.
    pub records: u64,
    /// Records that were sent.
    pub sent: u64,
    /// Records skipped because a receiver refused them as too large.
    pub refused: u64,
    /// Lanes that still have records to send.
    pub waiting: Vec<ReplayBacklog>,
}

/// The records of a replay that one lane has still to send.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ReplayBacklog {
    /// The project.
    pub project: String,
    /// The callback.
    pub callback: Callback,
    /// The condition of the lane.
    pub state: LaneCondition,
    /// Records still to send.
    pub records: u64,
}
