//! What a lane remembers of the answers of its receiver, as one JSON value of its row.

use serde::{Deserialize, Serialize};

use crate::spool::lane::{Failure, LaneHealth, PausedBy, Refusals, SizeLimit};
use crate::spool::replay::ReplayNo;

/// The column `policy`. What is absent is not written, so that a healthy lane has none.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(super) struct LanePolicy {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<Failure>,
    #[serde(skip_serializing_if = "is_operator")]
    pub(super) paused_by: PausedBy,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size_limit: Option<SizeLimit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refusals: Option<Refusals>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) replay_refusals: Option<(ReplayNo, Refusals)>,
}

impl LanePolicy {
    pub(super) fn of(health: &LaneHealth) -> Self {
        let LaneHealth { last_failure, paused, size_limit, refusals, replay_refusals, .. } = health;
        Self {
            failure: *last_failure,
            paused_by: paused.as_ref().map(|paused| paused.by).unwrap_or_default(),
            size_limit: *size_limit,
            refusals: *refusals,
            replay_refusals: *replay_refusals,
        }
    }

    /// `None`: there is nothing to remember.
    pub(super) fn to_json(&self) -> Option<String> {
        (*self != Self::default()).then(|| serde_json::to_string(self).unwrap_or_default())
    }

    /// `None`: it is not as it was written.
    pub(super) fn from_json(json: Option<&str>) -> Option<Self> {
        json.map_or_else(|| Some(Self::default()), |json| serde_json::from_str(json).ok())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_operator(by: &PausedBy) -> bool {
    *by == PausedBy::Operator
}
