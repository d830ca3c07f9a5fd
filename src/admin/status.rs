//! The state of the whole sidecar at one moment, as its users are told it.
//!
//! Field names are the JSON's and stay; LSNs are texts as Postgres writes them (`0/16B3748`), times RFC 3339 in UTC,
//! sizes bytes, durations seconds.

use serde::Serialize;

use super::replays::{ReplayStatus, WindowStatus};
use super::resync::ResyncStatus;

/// Everything that `sidecar status` and `/api/v1/status` show.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Of the binary.
    pub version: &'static str,
    /// When this process started.
    pub started_at: String,
    /// Whether it does its work, and if not, why.
    pub readiness: Readiness,
    /// The left side.
    pub source: SourceStatus,
    /// What lies between.
    pub spool: SpoolStatus,
    /// The right side.
    pub lanes: Vec<LaneStatus>,
    /// Records that no webhook takes, since the start.
    pub not_kept: NotKeptStatus,
    /// Replays that run, the newest first.
    pub replays: Vec<ReplayStatus>,
}

/// Records that were dropped, as no webhook takes them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NotKeptStatus {
    /// All of them.
    pub records: u64,
    /// Projects and callbacks, those with the most records first; at most 100.
    pub lanes: Vec<NotKeptLane>,
    /// Projects and callbacks that are not listed.
    pub more_lanes: u64,
}

/// Records of one (project, callback) that were dropped.
#[derive(Clone, Debug, Serialize)]
pub struct NotKeptLane {
    /// Whose.
    pub project: String,
    /// `ingested`, `modified` or `excluded`.
    pub callback: &'static str,
    /// How many.
    pub records: u64,
}

/// The answer of `/-/ready`.
#[derive(Clone, Debug, Serialize)]
pub struct Readiness {
    /// Seeded, replication connected and moving, spool writable.
    pub ready: bool,
    /// Why not: sentences; empty where it is ready.
    pub reasons: Vec<String>,
}

/// The replication side.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SourceStatus {
    /// One word: `connecting`, `waiting_for_postgres`, `waiting_for_slot`, `seeding`, `streaming`, `stopped`.
    pub state: String,
    /// The state's sentence, with the cure where there is one.
    pub detail: Option<String>,
    /// Where from, without a password.
    pub database: String,
    /// Of the server, as it writes it.
    pub server_version: Option<String>,
    /// The cluster's identifier.
    pub system_id: Option<String>,
    /// The cluster's timeline.
    pub timeline: Option<u32>,
    /// The replication slot.
    pub slot: String,
    /// The publication.
    pub publication: String,
    /// What was last confirmed to the server.
    pub confirmed_lsn: Option<String>,
    /// Up to where everything is applied and synced.
    pub whole_lsn: Option<String>,
    /// The transaction of which a part is applied.
    pub open_transaction: Option<OpenTransactionStatus>,
    /// When the last bytes came from the server.
    pub last_message_at: Option<String>,
    /// From the confirmed LSN to the end of the server's log. This and the next two are of `slot_asked_at`,
    /// and absent where that is more than a minute ago.
    pub confirmed_lag_bytes: Option<u64>,
    /// Log that the slot keeps on the server.
    pub retained_bytes: Option<u64>,
    /// As the server calls it: `reserved`, `extended`, `unreserved`, `lost`.
    pub wal_status: Option<String>,
    /// When the server last described the slot.
    pub slot_asked_at: Option<String>,
    /// Of the first start or a resync.
    pub seeding: Option<Progress>,
    /// The last resync since the start.
    pub resync: Option<ResyncStatus>,
}

/// A transaction in the middle.
#[derive(Clone, Debug, Serialize)]
pub struct OpenTransactionStatus {
    /// Its commit record.
    pub commit_lsn: String,
    /// Row changes applied.
    pub changes_applied: u64,
    /// Records made.
    pub records_made: u32,
}

/// Long work under way.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Progress {
    /// Documents done.
    pub done: u64,
    /// Documents there are, as far as the server's statistics tell.
    pub estimate: u64,
}

/// What is on the disk.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SpoolStatus {
    /// The folder.
    pub path: String,
    /// The current epoch.
    pub epoch: String,
    /// `open`, `near` its limit, or `full`.
    pub room: String,
    /// Live bytes of records, batches, dead letters and attempts.
    pub live_bytes: u64,
    /// `spool.bytes_max`.
    pub bytes_max: u64,
    /// Of the file, which never shrinks but is used again.
    pub file_bytes: u64,
    /// Documents remembered.
    pub shadow_documents: u64,
    /// What remembering them takes.
    pub shadow_bytes: u64,
    /// Records that are dead letters.
    pub dead_letter_records: u64,
    /// What can be replayed; none before the first start has ended.
    pub window: Option<WindowStatus>,
}

/// One lane.
#[derive(Clone, Debug, Serialize)]
pub struct LaneStatus {
    /// Whose.
    pub project: String,
    /// `ingested`, `modified` or `excluded`.
    pub callback: String,
    /// `idle`, `busy`, `waiting`, `failing`, `paused` or `without webhook`.
    pub state: String,
    /// Records that are not settled.
    pub pending: Pending,
    /// Failed attempts since the last success.
    pub failures: u32,
    /// When the next attempt is due, in seconds from now.
    pub next_attempt_in_seconds: Option<f64>,
    /// How the last attempt ended.
    pub last_outcome: Option<String>,
    /// Why it is paused or waits.
    pub reason: Option<String>,
}

/// How much waits in a lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Pending {
    /// Records.
    pub records: u64,
    /// Bytes of their JSON.
    pub bytes: u64,
    /// Age of the oldest.
    pub oldest_seconds: Option<f64>,
}
