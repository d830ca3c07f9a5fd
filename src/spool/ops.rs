//! The operations of the spool, and their results.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::attempt::Attempted;
use super::batch::{Batch, BatchId};
use super::dead_letter::{DeadLetterNo, DeadReason};
use super::group::Group;
use super::lane::LaneHealth;
use super::replay::{NewReplay, ReplayNo};
use crate::record::{LaneNo, Seq};
use crate::time::{Timestamp, Uptime};

/// An operation of the spool. Operations submitted together become durable together.
#[derive(Debug)]
pub enum Op {
    /// Left loop: records, shadow and position.
    Commit(Arc<Group>),
    /// Right loop: these records are this batch from now on.
    Cut(Batch),
    /// Right loop: an attempt ended.
    Attempted(Attempted),
    /// Right loop: a batch makes way for successors with the same records (refused as too large).
    Retire {
        /// The batch that goes.
        batch: BatchId,
        /// What replaces it, in order, gapless, over the same records.
        successors: Vec<Batch>,
    },
    /// Right loop: all pending records of a lane up to `through` become a dead letter. A cut batch
    /// that lies wholly inside becomes one of its own, with its id.
    GiveUp {
        /// Whose records.
        lane: LaneNo,
        /// The last record given up.
        through: Seq,
        /// Why they are given up.
        reason: DeadReason,
        /// The time of the operation.
        at: Timestamp,
    },
    /// Right loop: all pending records of a lane up to `through` are dropped and counted (its
    /// webhook was removed longer than `retain` ago).
    Discard {
        /// Whose records.
        lane: LaneNo,
        /// The last record dropped.
        through: Seq,
    },
    /// Right loop: a lane's health changed without an attempt (paused, resumed, webhook gone or back).
    SetHealth {
        /// The lane.
        lane: LaneNo,
        /// From now on.
        health: LaneHealth,
    },
    /// Settled records are sent again: all lanes enter it together.
    Replay(NewReplay),
    /// A replay sends nothing more.
    CancelReplay {
        /// The replay.
        replay: ReplayNo,
        /// The time of the operation.
        at: Timestamp,
    },
    /// These dead letters get one more attempt.
    Redeliver {
        /// Which; those that are gone are passed over.
        dead: Vec<DeadLetterNo>,
        /// The redelivery's id, as requests bear it.
        id: uuid::Uuid,
    },
    /// The first records of a dead letter that was never cut are this batch, and a dead letter of their own.
    CutDead {
        /// The dead letter.
        dead: DeadLetterNo,
        /// Its first records, or all of them.
        batch: Batch,
    },
    /// Right loop: the one more attempt of a dead letter ended.
    Redelivered {
        /// Which; where it is gone meanwhile, the attempt is logged.
        dead: DeadLetterNo,
        /// How it ended. The lane's health in it is ignored.
        attempted: Attempted,
    },
    /// These dead letters are dropped: no replay sends their records.
    DiscardDead {
        /// Which; those that are gone are passed over.
        dead: Vec<DeadLetterNo>,
    },
    /// The uptime so far, now and then, so that a crash loses little of it.
    Tick(Uptime),
}

/// What an operation came to; returned in the order of the operations.
#[derive(Clone, Debug, PartialEq)]
pub enum Done {
    /// Of a Commit.
    Committed(Room),
    /// Of a Replay: its number.
    Replaying(ReplayNo),
    /// Of a Replay: what it was made from has changed meanwhile, and is to be read again.
    Outdated,
    /// Of a Redeliver: the lanes of the dead letters that were there, and how many these are.
    Asked {
        /// Each once.
        lanes: Vec<LaneNo>,
        /// Dead letters.
        dead: u64,
    },
    /// Of a GiveUp, Discard or DiscardDead.
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
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Room {
    /// Only records of healthy lanes are left to remove: reading must stop.
    Full,
    /// The right loop must give up records of failing, paused or webhook-less lanes.
    Near,
    /// Enough.
    Open,
}

impl Op {
    /// The name of its edge between what is durable and what is not.
    pub(super) fn edge(&self) -> &'static str {
        match self {
            Self::Attempted(_) => "settle",
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
            Self::SetHealth { .. } => "health",
            Self::Tick(_) => "tick",
        }
    }
}

impl Room {
    /// As status writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Near => "near",
            Self::Open => "open",
        }
    }
}
