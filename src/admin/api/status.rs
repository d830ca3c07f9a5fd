//! `GET /api/v1/status` and `GET /-/ready`: the state of the whole sidecar at one moment.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::replays::{ReplayStatus, WindowStatus};
use super::resync::ResyncStatus;
use super::webhook_sources::WebhookSourcesStatus;
use crate::deliver::LaneCondition;
use crate::outcome::{Class, OutcomeKind};
use crate::record::Callback;
use crate::spool::{PausedBy, Room};

/// The body of `/api/v1/status`, and what `sidecar status` prints.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Status {
    /// The version of the binary.
    pub version: String,
    /// When this process started.
    #[schema(format = DateTime)]
    pub started_at: String,
    /// When the status was made.
    #[serde(default)]
    #[schema(format = DateTime)]
    pub at: String,
    /// The body of `/-/ready`.
    pub readiness: Readiness,
    /// The replication side.
    pub source: SourceStatus,
    /// The spool.
    pub spool: SpoolStatus,
    /// The delivery side, lane by lane.
    pub lanes: Vec<LaneStatus>,
    /// Records dropped since the start because no webhook is configured for them.
    #[serde(rename = "not_kept")]
    pub dropped: DroppedStatus,
    /// Records of `modified` dropped since the start because their webhook does not take their property.
    pub filtered: DroppedStatus,
    /// Running replays, the newest first.
    pub replays: Vec<ReplayStatus>,
    /// Where webhooks come from.
    #[serde(default)]
    pub webhooks: WebhookSourcesStatus,
}

/// Records dropped because no webhook takes them.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
pub struct DroppedStatus {
    /// Their number.
    pub records: u64,
    /// By project and callback, those with the most records first; at most 100.
    pub lanes: Vec<DroppedLane>,
    /// Projects and callbacks that are not listed.
    pub more_lanes: u64,
}

/// Dropped records of one project and callback.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct DroppedLane {
    /// The project.
    pub project: String,
    /// The callback.
    pub callback: Callback,
    /// Number of records.
    pub records: u64,
}

/// Whether the sidecar is ready.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct Readiness {
    /// The first start has finished, replication is connected and moves, the spool is writable.
    pub ready: bool,
    /// Why it is not, as sentences; empty where it is.
    pub reasons: Vec<String>,
}

/// The replication side.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct SourceStatus {
    /// Its state.
    pub state: SourceState,
    /// The reason for the state, with the fix where there is one.
    pub detail: Option<String>,
    /// The connection URL, without a password.
    pub database: String,
    /// The version of the server, as it reports it.
    pub server_version: Option<String>,
    /// The cluster's identifier.
    pub system_id: Option<String>,
    /// The cluster's timeline.
    pub timeline: Option<u32>,
    /// The replication slot.
    pub slot: String,
    /// The publication.
    pub publication: String,
    /// The LSN last confirmed to the server.
    pub confirmed_lsn: Option<String>,
    /// The LSN up to which everything is applied and synced.
    #[serde(rename = "whole_lsn")]
    pub resume_lsn: Option<String>,
    /// The transaction that is applied in part.
    pub open_transaction: Option<OpenTransactionStatus>,
    /// When the last message came from the server.
    #[schema(format = DateTime)]
    pub last_message_at: Option<String>,
    /// Bytes from the confirmed LSN to the end of the server's WAL. This and the next two were read at
    /// `slot_queried_at`, and are absent where that is more than a minute ago.
    pub confirmed_lag_bytes: Option<u64>,
    /// Bytes of WAL that the slot retains on the server.
    pub retained_bytes: Option<u64>,
    /// `reserved`, `extended`, `unreserved` or `lost`, as the server reports it.
    pub wal_status: Option<String>,
    /// When the slot's confirmed LSN was first seen.
    #[serde(default)]
    #[schema(format = DateTime)]
    pub confirmed_at: Option<String>,
    /// For how long the oldest WAL that is not confirmed has been written, at least.
    #[serde(default)]
    pub confirmed_lag_seconds: Option<f64>,
    /// How long it takes to confirm what is written, at the rate of the last minute; `null`: the lag does not shrink, or
    /// is too small to say.
    #[serde(default)]
    pub catches_up_in_seconds: Option<f64>,
    /// Bytes of WAL that can be written before the slot may be lost; `null`: the server has no limit.
    #[serde(default)]
    pub safe_wal_bytes: Option<u64>,
    /// What the server's walsender waits for, as type and name of its wait event: `Client/WalSenderWaitForWal`. `null`:
    /// for nothing, or the role may not see it.
    #[serde(default)]
    pub walsender_waits_for: Option<String>,
    /// When the slot was last read from the server.
    #[serde(rename = "slot_asked_at")]
    #[schema(format = DateTime)]
    pub slot_queried_at: Option<String>,
    /// The progress of the first start or a resync.
    pub seeding: Option<Progress>,
    /// The last resync since the start.
    pub resync: Option<ResyncStatus>,
}

/// The state of the replication side.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// A connection is being made.
    Connecting,
    /// The table is compared with the shadow.
    Resyncing,
    /// The first start reads the existing documents.
    Seeding,
    /// Reading has stopped until something is changed.
    Stopped,
    /// The process stops.
    Stopping,
    /// Changes are read.
    Streaming,
    /// Postgres does not answer.
    WaitingForPostgres,
    /// Another process holds the slot.
    WaitingForSlot,
    /// The application's table of webhooks was not read yet.
    WaitingForWebhooks,
}

impl SourceState {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Connecting,
        Self::Resyncing,
        Self::Seeding,
        Self::Stopped,
        Self::Stopping,
        Self::Streaming,
        Self::WaitingForPostgres,
        Self::WaitingForSlot,
        Self::WaitingForWebhooks,
    ];

    /// As status and readiness write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Resyncing => "resyncing",
            Self::Seeding => "seeding",
            Self::Stopped => "stopped",
            Self::Stopping => "stopping",
            Self::Streaming => "streaming",
            Self::WaitingForPostgres => "waiting_for_postgres",
            Self::WaitingForSlot => "waiting_for_slot",
            Self::WaitingForWebhooks => "waiting_for_webhooks",
        }
    }
}

impl fmt::Display for SourceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A transaction that is applied in part.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct OpenTransactionStatus {
    /// The LSN of its commit record.
    pub commit_lsn: String,
    /// Row changes applied.
    pub changes_applied: u64,
    /// Records made.
    pub records_made: u32,
}

/// The progress of a first start or a resync.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct Progress {
    /// Documents compared.
    pub done: u64,
    /// Documents in the table, as the server's statistics estimate it.
    pub estimate: u64,
    /// Documents compared in a second, since it began.
    #[serde(default)]
    pub documents_per_second: Option<f64>,
    /// What is left at that rate.
    #[serde(default)]
    pub seconds_left: Option<f64>,
}

/// The spool.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct SpoolStatus {
    /// Its folder.
    pub path: String,
    /// The current epoch.
    pub epoch: String,
    /// Whether there is room for more records.
    pub room: Room,
    /// Live bytes of records, batches, dead letters and attempts.
    pub live_bytes: u64,
    /// `spool.bytes_max`.
    pub bytes_max: u64,
    /// The size of the file. It never shrinks; free space in it is reused.
    pub file_bytes: u64,
    /// Free bytes of its disk; `null`: the file system does not say.
    #[serde(default)]
    pub disk_free_bytes: Option<u64>,
    /// When `spool.bytes_max` or the disk is reached, at the rate of the last hour; `null`: it does not grow.
    #[serde(default)]
    pub full_in_seconds: Option<f64>,
    /// The length of the window: how far back a replay reaches.
    #[serde(default)]
    pub window_seconds: Option<f64>,
    /// Documents in the shadow.
    pub shadow_documents: u64,
    /// Bytes of the shadow.
    pub shadow_bytes: u64,
    /// Records in dead letters.
    pub dead_letter_records: u64,
    /// The range that can be replayed; `None` until the first start has finished.
    pub window: Option<WindowStatus>,
}

/// One lane.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct LaneStatus {
    /// The project.
    pub project: String,
    /// The callback.
    pub callback: Callback,
    /// Its condition.
    pub state: LaneCondition,
    /// Its records that are not settled.
    pub pending: LaneBacklog,
    /// Failed attempts since the last success.
    pub failures: u32,
    /// Seconds until the next attempt.
    pub next_attempt_in_seconds: Option<f64>,
    /// Seconds since the last success; `null`: there was none since the process started.
    #[serde(default)]
    pub last_success_seconds: Option<f64>,
    /// The outcome of the last attempt.
    pub last_outcome: Option<OutcomeKind>,
    /// Why it is paused, or which limit it waits for.
    pub reason: Option<String>,
    /// Who paused it.
    #[serde(default)]
    pub paused_by: Option<PausedBy>,
    /// Seconds for which it has been failing, paused or without a webhook.
    #[serde(default)]
    pub since_seconds: Option<f64>,
    /// Seconds until its records become dead letters, where it is failing or paused.
    #[serde(default)]
    pub gives_up_in_seconds: Option<f64>,
    /// The status of the last attempt, where it failed.
    #[serde(default)]
    pub status: Option<u16>,
    /// What that speaks of.
    #[serde(default)]
    pub class: Option<Class>,
    /// The name of its cause.
    #[serde(default)]
    pub cause: Option<Cow<'static, str>>,
    /// What the receiver's owner can do.
    #[serde(default)]
    pub remedy: Option<Cow<'static, str>>,
}

/// The records of a lane that are not settled.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct LaneBacklog {
    /// Their number.
    pub records: u64,
    /// Bytes of their JSON.
    pub bytes: u64,
    /// The age of the oldest.
    pub oldest_seconds: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_holds_the_name() {
        for state in SourceState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
        }
        for room in [Room::Full, Room::Near, Room::Open] {
            assert_eq!(serde_json::to_value(room).unwrap(), room.name());
        }
    }
}
