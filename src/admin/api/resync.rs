//! `POST /api/v1/resync`: the table is compared with the shadow.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A resync, as requested.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "the command's flags")]
pub struct ResyncRequest {
    /// Only counts the differences.
    #[serde(default)]
    pub dry_run: bool,
    /// Proceeds however many documents are gone.
    #[serde(default)]
    pub force: bool,
    /// Updates the shadow without making records.
    #[serde(default)]
    pub learn: bool,
    /// Accepts another database as the source.
    #[serde(default)]
    pub adopt: bool,
    /// Only makes an `ingested` record for every live document of this project.
    #[serde(default)]
    pub as_ingested: Option<String>,
}

/// The state of a resync.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResyncState {
    /// It was cancelled on request. Records that it had made are sent.
    Cancelled,
    /// It finished.
    Done,
    /// It ended without an effect.
    Failed,
    /// Too many documents are gone: it waits for `--force`.
    Held,
    /// A setting or SQL must change first. It starts again by itself.
    Refused,
    /// It is under way.
    Running,
    /// Postgres does not answer. It starts again by itself.
    Waiting,
}

impl ResyncState {
    /// Every state.
    pub const ALL: [Self; 7] =
        [Self::Cancelled, Self::Done, Self::Failed, Self::Held, Self::Refused, Self::Running, Self::Waiting];

    /// As status and metrics write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Refused => "refused",
            Self::Running => "running",
            Self::Waiting => "waiting",
        }
    }
}

impl fmt::Display for ResyncState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The last resync since the process started.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct ResyncStatus {
    /// Counts resyncs since the process started, from 1.
    pub number: u64,
    /// Its state.
    pub state: ResyncState,
    /// Why it was started.
    pub why: String,
    /// It was requested and has not ended, and may be cancelled.
    #[serde(default)]
    pub cancellable: bool,
    /// How it ended, as a sentence.
    pub result: Option<String>,
    /// The LSN up to which the stream was applied before it.
    pub from_lsn: String,
    /// The LSN of its snapshot.
    pub to_lsn: Option<String>,
    /// Documents in the table.
    pub rows: u64,
    /// Live documents that are no longer in the table.
    pub gone: u64,
    /// `ingested` records made; by a dry run, counted.
    pub ingested: u64,
    /// `modified` records.
    pub modified: u64,
    /// `excluded` records.
    pub excluded: u64,
}

/// The response to an accepted request, of a resync or of its cancel.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
pub struct ResyncAccepted {
    /// The number under which the status shows the resync.
    pub number: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_holds_the_name() {
        for state in ResyncState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
    }
}
