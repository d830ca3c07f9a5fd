//! What was attempted for one lane lately: a part of `GET /api/v1/projects/PROJECT`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::outcome::{Class, OutcomeKind};

/// What was attempted for one lane in the last 24 hours, from the attempts on record.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
pub struct LaneActivity {
    /// The beginning of the first bar: 24 hours ago, or later where the lane had many attempts.
    #[schema(format = DateTime)]
    pub since: String,
    /// The length of a bar.
    pub bar_seconds: f64,
    /// The oldest first; the last one ends now.
    pub bars: Vec<ActivityBar>,
    /// When an attempt succeeded last.
    #[schema(format = DateTime)]
    pub last_success_at: Option<String>,
    /// The last attempt that failed.
    pub last_failure: Option<LaneFailure>,
    /// About how long it takes to deliver what is pending once the receiver takes requests, at the pace of the last
    /// successful ones; `null`: nothing is pending, or none succeeded.
    pub catches_up_in_seconds: Option<f64>,
}

/// The attempts that began in one part of the time.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct ActivityBar {
    /// Those that a receiver accepted.
    pub delivered: u64,
    /// Those that failed.
    pub failed: u64,
}

/// An attempt that failed.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct LaneFailure {
    /// The batch.
    pub webhook_id: String,
    /// When it began.
    #[schema(format = DateTime)]
    pub at: String,
    /// How it ended.
    pub outcome: OutcomeKind,
    /// The status of the response.
    pub status: Option<u16>,
    /// What that speaks of.
    pub class: Option<Class>,
    /// The name of its cause.
    pub cause: Option<String>,
    /// What the receiver's owner can do.
    pub remedy: Option<String>,
}
