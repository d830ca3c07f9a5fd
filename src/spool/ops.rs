//! The operations of the spool, and their results.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::batch::{Batch, BatchId};
use super::dead_letter::DeadLetterNo;
use super::replay::{LaneReplay, NewReplay, ReplayNo};
use crate::classify::Identity;
use crate::outcome::OutcomeKind;
use crate::position::{Lsn, Position};
use crate::record::{LaneNo, ProjectNo, Seq};
use crate::time::{Timestamp, Uptime};

/// How far the stream has been applied.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct StreamPosition {
    /// Up to here everything is whole: the end of the last transaction, a snapshot's consistent
    /// point, or a keepalive's LSN. Confirmed to Postgres, and asked for at START_REPLICATION.
    pub resume_lsn: Lsn,
    /// The end LSN of the last transaction applied.
    pub last_end: Lsn,
    /// The transaction that is being applied, where a group ended inside one.
    pub open: Option<OpenTransaction>,
}

/// A transaction of which a part is applied.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OpenTransaction {
    /// Its commit record, as Begin gives it.
    pub commit: Lsn,
    /// Insert, Update, Delete and Truncate messages applied, of every relation.
    pub changes_applied: u64,
    /// Records made, kept or not.
    pub records_made: u32,
}

/// What the left loop makes durable in one transaction.
#[derive(Debug, Default)]
pub struct Group {
    /// Records, packed by lane.
    pub chunks: Vec<Chunk>,
    /// Shadow entries written (`Some`) or removed, sorted by identity, each identity once.
    pub shadow: Vec<(Identity, Option<Box<[u8]>>)>,
    /// Where the stream stands after it; `None` leaves it as it is.
    pub position: Option<StreamPosition>,
    /// Projects seen for the first time.
    pub projects: Vec<(ProjectNo, String)>,
    /// Facts written (`Some`) or removed.
    pub facts: Vec<(Fact, Option<Vec<u8>>)>,
    /// What `shadow` does to the shadow's size.
    pub growth: Growth,
    /// When the snapshot was taken for which `position` stands; `None`: it is the stream's.
    pub taken_at: Option<Timestamp>,
}

/// A change of the shadow's size.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Growth {
    /// Documents more, or fewer.
    pub documents: i64,
    /// Bytes of identities and entries more, or fewer.
    pub bytes: i64,
}

/// What the spool remembers by name.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Fact {
    /// [`super::Epochs`], as bytes.
    Epoch,
    /// The identity's columns, JSON list of names.
    Identity,
    /// The mapping the shadow was made under, JSON.
    Mapping,
    /// The layouts that shadow entries were written under, JSON.
    Layouts,
    /// The resync that is under way, JSON: while it stands, it alone decides.
    Resync,
    /// System identifier, timeline, slot name and database of the source, JSON.
    Source,
}

/// Consecutive records of one lane from one group, packed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chunk {
    /// Whose they are.
    pub lane: LaneNo,
    /// Number of the first record.
    pub first: Seq,
    /// Number of the last record: the chunk's key, as no two chunks share one.
    pub last: Seq,
    /// How many records.
    pub records: u32,
    /// Bytes of the fragments alone.
    pub fragment_bytes: u64,
    /// When it was handed to the spool.
    pub spooled_at: Timestamp,
    /// The uptime then.
    pub spooled_uptime: Uptime,
    /// The place of the last record.
    pub last_position: Position,
    /// The latest time at which one of its transactions was committed.
    pub committed_max: Timestamp,
    /// The packed records.
    pub packed: Bytes,
}

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

/// One attempt, as the log keeps it, and what follows from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempted {
    /// Of which batch.
    pub batch: BatchId,
    /// In which lane.
    pub lane: LaneNo,
    /// 1, 2, …
    pub number: u32,
    /// When its first byte was due.
    pub started_at: Timestamp,
    /// From then to its end.
    pub took_micros: u64,
    /// The answer's status, where there was one.
    pub status: Option<u16>,
    /// `delivered`, or the word of the error taxonomy: `timeout`, `refused`, `dns`, `tls`, `reset`, `redirect`, `status`, ….
    pub outcome: OutcomeKind,
    /// The error's sentence, or the beginning of an unwelcome answer's body.
    pub detail: Option<String>,
    /// What becomes of the batch.
    pub fate: Fate,
    /// The lane's health after it.
    pub health: LaneHealth,
}

/// What becomes of a batch after an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// Settled: the receiver took it.
    Delivered,
    /// Settled: a dead letter.
    Dead(DeadReason),
    /// It is tried again.
    Waits,
}

/// Why records became a dead letter.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadReason {
    /// `delivery.give_up_after` passed.
    GivenUp,
    /// `spool.lane_bytes_max` was passed.
    LaneFull,
    /// `spool.bytes_max` was near.
    SpoolFull,
    /// A single record was refused as too large.
    TooLarge,
}

/// How a lane stands: what of it survives a restart besides its cursor.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LaneHealth {
    /// Failed attempts since the last success.
    pub failures: u32,
    /// The first of them. `Some` exactly when `failures > 0`.
    pub failing_since: Option<Uptime>,
    /// Not before this.
    pub retry_at: Option<Uptime>,
    /// Paused since, and why.
    pub paused: Option<(Uptime, String)>,
    /// Without a webhook since.
    pub without_webhook: Option<Timestamp>,
}

/// A lane as the spool knows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LaneState {
    /// The lane.
    pub lane: LaneNo,
    /// Every record up to here is settled.
    pub cursor: Seq,
    /// Records after the cursor, those of the cut batch included.
    pub pending_records: u64,
    /// Bytes of their fragments.
    pub pending_bytes: u64,
    /// When the oldest of them was spooled.
    pub oldest: Option<(Timestamp, Uptime)>,
    /// The batches that are cut and not settled, in order: several only after one was retired.
    pub batches: Vec<Batch>,
    /// How it stands.
    pub health: LaneHealth,
    /// What running replays send of it, in order, each with its batches that are cut and not settled.
    pub parts: Vec<(LaneReplay, Vec<Batch>)>,
    /// Dead letters wait for one more attempt.
    pub redeliveries: bool,
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

impl Fact {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Epoch, Self::Identity, Self::Mapping, Self::Layouts, Self::Resync, Self::Source];

    /// The key under which the spool keeps it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Epoch => "epoch",
            Self::Identity => "identity",
            Self::Layouts => "layouts",
            Self::Mapping => "mapping",
            Self::Resync => "resync",
            Self::Source => "source",
        }
    }
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

impl DeadReason {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::GivenUp, Self::LaneFull, Self::SpoolFull, Self::TooLarge];

    /// As the spool, metrics and commands write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::GivenUp => "given_up",
            Self::LaneFull => "lane_full",
            Self::SpoolFull => "spool_full",
            Self::TooLarge => "too_large",
        }
    }
}
