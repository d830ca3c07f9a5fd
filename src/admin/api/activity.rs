//! `GET /api/v1/activity`: what was done in the last hour, in short intervals.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The body of `/api/v1/activity`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
pub struct Activity {
    /// The length of an interval.
    pub interval_seconds: u64,
    /// The oldest first; those before the process started are left out.
    pub intervals: Vec<Interval>,
}

/// What was done in one interval.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct Interval {
    /// Records made, with or without a webhook.
    pub records: u64,
    /// Requests that a receiver accepted.
    pub delivered: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Live bytes of the spool at its end.
    pub spool_bytes: u64,
}
