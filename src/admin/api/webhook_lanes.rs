//! `/api/v1/webhooks/pause`, `resume` and `skip`: what operators ask of lanes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::deliver::LaneScope;
use crate::record::Callback;

/// The body of `POST /api/v1/webhooks/pause` and `resume`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseRequest {
    /// Lanes of this project.
    #[serde(default)]
    pub project: Option<String>,
    /// Lanes of this callback.
    #[serde(default)]
    pub callback: Option<Callback>,
    /// Lanes whose webhook is on this host.
    #[serde(default)]
    pub host: Option<String>,
    /// All lanes. Required where the others are absent.
    #[serde(default)]
    pub all: bool,
    /// Why, for `list` and the log.
    #[serde(default)]
    #[schema(max_length = 1000, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    pub reason: Option<String>,
}

/// The response to `pause` and `resume`.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct PauseResult {
    /// Lanes that are in the scope now. Later ones are paused too, until the scope is resumed.
    pub lanes: u64,
    /// Lanes of which a request was still in flight when the time for waiting was over. It may arrive.
    pub in_flight: Vec<LaneName>,
    /// `resume`: lanes that stay paused, each by a pause of a wider scope.
    pub still_paused: Vec<StillPaused>,
}

/// A lane.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct LaneName {
    /// The project.
    pub project: String,
    /// The callback.
    pub callback: Callback,
}

/// A lane that another pause holds.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct StillPaused {
    /// The lane.
    #[serde(flatten)]
    pub lane: LaneName,
    /// The scope of that pause; an empty object: all lanes.
    pub by: LaneScope,
}

/// The body of `POST /api/v1/webhooks/skip`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SkipRequest {
    /// The project.
    pub project: String,
    /// Only this callback.
    #[serde(default)]
    pub callback: Option<Callback>,
    /// The last record: `now`, an LSN or position (`0/16B3748`, `0-16B3748/3`), or a time (RFC 3339).
    #[serde(default)]
    pub until: Option<String>,
    /// In place of `until`: exactly the records that a dry run counted.
    #[serde(default)]
    pub counted: Option<Vec<SkipLane>>,
    /// Only count.
    #[serde(default)]
    pub dry_run: bool,
}

/// The response to `skip`.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct SkipResult {
    /// Records skipped, or, by a dry run, that would be.
    pub records: u64,
    /// By lane.
    pub lanes: Vec<SkipLane>,
}

/// What is skipped of one lane.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SkipLane {
    /// The callback.
    pub callback: Callback,
    /// Records.
    pub records: u64,
    /// The number of the last one in the spool.
    pub through: u64,
}
