//! The condition of a lane, as status and metrics show it. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a lane is doing, or what keeps it from doing it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LaneCondition {
    /// A batch is cut or in flight.
    Busy,
    /// The last attempt failed, and is made again by the schedule.
    Failing,
    /// No record is pending.
    Idle,
    /// The last attempt failed because of how the endpoint is set up.
    #[serde(rename = "needs owner")]
    NeedsOwner,
    /// An operator or a response paused it.
    Paused,
    /// The receiver asked for fewer requests.
    Throttled,
    /// Records are pending, and no batch is due yet.
    Waiting,
    /// No webhook is configured for it.
    #[serde(rename = "without webhook")]
    WithoutWebhook,
}

impl LaneCondition {
    /// Every condition.
    pub const ALL: [Self; 8] = [
        Self::Busy,
        Self::Failing,
        Self::Idle,
        Self::NeedsOwner,
        Self::Paused,
        Self::Throttled,
        Self::Waiting,
        Self::WithoutWebhook,
    ];

    /// Nothing keeps it from sending.
    pub fn is_healthy(self) -> bool {
        matches!(self, Self::Busy | Self::Idle | Self::Waiting)
    }

    /// As status and metrics write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Failing => "failing",
            Self::Idle => "idle",
            Self::NeedsOwner => "needs owner",
            Self::Paused => "paused",
            Self::Throttled => "throttled",
            Self::Waiting => "waiting",
            Self::WithoutWebhook => "without webhook",
        }
    }
}

impl fmt::Display for LaneCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_holds_the_name() {
        for condition in LaneCondition::ALL {
            assert_eq!(serde_json::to_value(condition).unwrap(), condition.name());
        }
    }
}
