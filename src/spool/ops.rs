//! The operations of the spool, and their results.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::{AuditLimit, StoredAudit, StoredCredential};
use super::attempt::Attempted;
use super::batch::{Batch, BatchId};
use super::dead_letter::{DeadLetterNo, DeadReason};
use super::group::Group;
use super::lane::LaneHealth;
use super::replay::{NewReplay, ReplayNo};
use super::stored_webhook::WebhookChange;
use crate::record::{LaneNo, Seq};
use crate::time::{Timestamp, Uptime};

/// An operation of the spool. Operations submitted together become durable together.
#[derive(Debug)]
pub enum Op {
    /// Left loop: records, shadow and position.
    Commit(Arc<Group>),
    /// Right loop: these records become this batch.
    Cut(Batch),
    /// Right loop: an attempt ended.
    Attempted(Attempted),
    /// Right loop: a batch is replaced by one of its first records. Its other records, and those of open
    /// batches behind it, are pending again.
    Retire {
        /// The batch that is replaced.
        batch: BatchId,
        /// What replaces it, in order, gapless, from its first record on.
        successors: Vec<Batch>,
    },
    /// Right loop: all pending records of a lane up to `through` become a dead letter. A cut batch
    /// that lies wholly inside becomes one of its own, with its id.
    GiveUp {
        /// The lane.
        lane: LaneNo,
        /// The last record given up.
        through: Seq,
        /// Why they are given up.
        reason: DeadReason,
        /// The time of the operation.
        at: Timestamp,
    },
    /// Right loop: all pending records of a lane up to `through` are discarded and counted (its
    /// webhook was removed longer than `retain` ago).
    Discard {
        /// The lane.
        lane: LaneNo,
        /// The last record discarded.
        through: Seq,
    },
    /// Right loop: a lane's health changed without an attempt (paused, resumed, webhook gone or back).
    SetHealth {
        /// The lane.
        lane: LaneNo,
        /// From now on.
        health: LaneHealth,
    },
    /// An entry of the audit log; its number is given here.
    Audit {
        /// The entry.
        entry: StoredAudit,
        /// How much of the log is kept.
        limit: AuditLimit,
    },
    /// Tokens, links and sessions are made, changed and removed.
    SetCredentials {
        /// In place of those with the same ids.
        put: Vec<StoredCredential>,
        /// Ids; those that are gone are skipped.
        remove: Vec<String>,
    },
    /// Webhooks are set and removed.
    SetWebhooks {
        /// Each webhook at most once.
        changes: Vec<WebhookChange>,
        /// The time of the operation.
        at: Timestamp,
    },
    /// Right loop: all pending records of a lane up to `through` are settled without being sent. A replay can
    /// send them.
    Skip {
        /// The lane.
        lane: LaneNo,
        /// The last record skipped.
        through: Seq,
    },
    /// Settled records are sent again: all lanes enter it together.
    Replay(NewReplay),
    /// A replay is cancelled.
    CancelReplay {
        /// The replay.
        replay: ReplayNo,
        /// The time of the operation.
        at: Timestamp,
    },
    /// These dead letters are redelivered: each gets one more attempt.
    Redeliver {
        /// Their numbers; those that are gone are skipped.
        dead: Vec<DeadLetterNo>,
        /// The redelivery's id: the header `sidecar-replay` of its requests.
        id: uuid::Uuid,
    },
    /// The first records of a dead letter that was never cut become this batch, and a dead letter of their own.
    CutDead {
        /// The dead letter.
        dead: DeadLetterNo,
        /// Its first records, or all of them.
        batch: Batch,
    },
    /// Right loop: the redelivery of a dead letter ended.
    Redelivered {
        /// Its number; where it is gone meanwhile, the attempt is only logged.
        dead: DeadLetterNo,
        /// How it ended. The lane's health in it is ignored.
        attempted: Attempted,
    },
    /// These dead letters are discarded: no replay sends their records.
    DiscardDead {
        /// Their numbers; those that are gone are skipped.
        dead: Vec<DeadLetterNo>,
    },
    /// The uptime so far. The writer adds it to every transaction, and delivery submits it while nothing is written.
    Tick(Uptime),
}

/// The result of an operation; results are in the order of the operations.
#[derive(Clone, Debug, PartialEq)]
pub enum Done {
    /// Of a Commit.
    Committed(Room),
    /// Of a Replay: its number.
    Replaying(ReplayNo),
    /// Of a Replay: records were removed since its ranges were read. They must be read again.
    Outdated,
    /// Of a Redeliver: the dead letters that were found are sent again.
    Redelivering {
        /// Their lanes, each once.
        lanes: Vec<LaneNo>,
        /// How many dead letters.
        dead: u64,
    },
    /// Of a GiveUp, Discard, DiscardDead or Skip.
    Settled {
        /// How many records.
        records: u64,
        /// Bytes of their fragments.
        bytes: u64,
    },
    /// Of the others.
    Ok,
}

/// Whether there is room for more records.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Room {
    /// Only records of healthy lanes are left to remove: reading must stop.
    Full,
    /// The delivery loop must give up records of failing, paused or webhook-less lanes.
    Near,
    /// There is room.
    Open,
}

impl Op {
    /// The name of the failpoints before and after its commit.
    pub(super) fn edge(&self) -> &'static str {
        match self {
            Self::Attempted(_) => "settle",
            Self::Audit { .. } => "audit",
            Self::CancelReplay { .. } => "cancel",
            Self::Commit(group) if group.taken_at.is_some() => "seed",
            Self::Commit(_) => "group",
            Self::Cut(_) => "cut",
            Self::CutDead { .. } => "cut_dead",
            Self::Discard { .. } => "discard",
            Self::DiscardDead { .. } => "discard_dead",
            Self::GiveUp { .. } => "give_up",
            Self::Redeliver { .. } => "redeliver",
            Self::Redelivered { .. } => "redelivered",
            Self::Replay(_) => "replay",
            Self::Retire { .. } => "retire",
            Self::SetCredentials { .. } => "credentials",
            Self::SetHealth { .. } => "health",
            Self::SetWebhooks { .. } => "webhooks",
            Self::Skip { .. } => "skip",
            Self::Tick(_) => "tick",
        }
    }
}

impl Room {
    /// Its name in the status.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Near => "near",
            Self::Open => "open",
        }
    }
}
