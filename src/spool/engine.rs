//! The seam between the spool and what keeps its rows.
//!
//! An engine is one writer and any number of readers beside it. It applies operations, each checked by
//! [`super::rules`], and says what is there. It knows nothing of threads, replies or Postgres.

use std::collections::HashMap;
use std::fmt::Debug;

use super::attempt::LoggedAttempt;
use super::batch::{Batch, BatchId};
use super::chunk::Chunk;
use super::dead_letter::{DeadLetter, DeadLetterNo};
use super::error::SpoolError;
use super::fact::Fact;
use super::lane::LaneState;
use super::meta::Usage;
use super::ops::{Done, Op, Room};
use super::replay::{LaneReplay, Replay, ReplayNo};
use super::search::{ReplayWindow, Search, SearchResult};
use super::stream_position::StreamPosition;
use crate::classify::Identity;
use crate::record::{LaneNo, Seq};
use crate::time::{Timestamp, Uptime};

/// What was found when an engine was opened.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) facts: HashMap<Fact, Vec<u8>>,
    pub(super) projects: Vec<String>,
    pub(super) position: Option<StreamPosition>,
    pub(super) last_seq: Seq,
    pub(super) uptime: Uptime,
    pub(super) lanes: Vec<LaneState>,
    pub(super) is_new: bool,
}

/// What one step of retention did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Swept {
    /// Settled records removed.
    pub(super) records: u64,
    /// Another step would do more.
    pub(super) more: bool,
}

/// The one that writes.
pub(super) trait Engine: Debug + Send {
    /// Does all of `ops` in one transaction or, where some of them are refused, the others without them.
    /// The results are in the order of `ops`, and durable.
    fn apply(&mut self, ops: Vec<Op>) -> Vec<Result<Done, SpoolError>>;

    /// One small step of retention, in a transaction of its own: rows from before `cutoff` go, and more
    /// where the spool is nearly full.
    fn sweep(&mut self, cutoff: Timestamp) -> Result<Swept, SpoolError>;

    /// Whether the spool is nearly full, so that a step of retention is worth its sync.
    fn is_near(&self) -> bool;

    /// Whether there is room for more records.
    fn room(&self) -> Room;

    /// The lanes that were changed since the last call, each with its cursor.
    fn take_changed(&mut self) -> Vec<(LaneNo, Seq)>;
}

/// Makes readers.
pub(super) type OpenReader = Box<dyn Fn() -> Result<Reader, SpoolError> + Send + Sync>;

/// Reads beside the writer; each call sees everything that was committed before it.
pub type Reader = Box<dyn EngineReader>;

/// One of an engine's readers.
pub trait EngineReader: Debug + Send {
    /// Every lane.
    fn lanes(&self) -> Result<Vec<LaneState>, SpoolError>;

    /// The first chunk of `lane` that ends at `seq` or later.
    fn chunk_holding(&self, lane: LaneNo, seq: Seq) -> Result<Option<Chunk>, SpoolError>;

    /// The last record of `lane` that was spooled at `before` or earlier.
    fn last_spooled_by(&self, lane: LaneNo, before: Uptime) -> Result<Option<Seq>, SpoolError>;

    /// The record of `lane` behind `cursor` up to which at least `bytes` of fragments lie: whole
    /// chunks, the oldest first.
    fn seq_freeing(&self, lane: LaneNo, cursor: Seq, bytes: u64) -> Result<Option<Seq>, SpoolError>;

    /// A batch, whatever has become of it.
    fn batch(&self, id: &BatchId) -> Result<Option<Batch>, SpoolError>;

    /// The attempts of a batch that are still remembered, in order.
    fn attempts(&self, batch: &BatchId) -> Result<Vec<LoggedAttempt>, SpoolError>;

    /// Up to `limit` dead letters behind `after`, in the order of their numbers.
    fn dead_letters(&self, after: DeadLetterNo, limit: u32) -> Result<Vec<DeadLetter>, SpoolError>;

    /// One dead letter.
    fn dead_letter(&self, no: DeadLetterNo) -> Result<Option<DeadLetter>, SpoolError>;

    /// The number of the dead letter that came last; 0 where there is none.
    fn last_dead_letter(&self) -> Result<DeadLetterNo, SpoolError>;

    /// The next dead letter of a lane that waits for one more attempt.
    fn next_redelivery(&self, lane: LaneNo) -> Result<Option<DeadLetter>, SpoolError>;

    /// All replays, the newest first.
    fn replays(&self) -> Result<Vec<Replay>, SpoolError>;

    /// One replay.
    fn replay(&self, no: ReplayNo) -> Result<Option<Replay>, SpoolError>;

    /// What a replay sends, lane by lane.
    fn ranges(&self, replay: ReplayNo) -> Result<Vec<LaneReplay>, SpoolError>;

    /// What can be replayed; `None` before a first start ended.
    fn window(&self, epoch_after: Seq) -> Result<Option<ReplayWindow>, SpoolError>;

    /// Settled records in the lanes that `wants`, all seen at one moment.
    fn search(
        &self,
        search: &Search,
        wants: &mut dyn FnMut(LaneNo) -> bool,
    ) -> Result<SearchResult, SpoolError>;

    /// The shadow's entry of one identity.
    fn shadow(&self, identity: &Identity) -> Result<Option<Box<[u8]>>, SpoolError>;

    /// Up to `limit` entries of the shadow behind `after`, in the order of identities.
    fn shadow_after(
        &self,
        after: Option<&Identity>,
        limit: u32,
    ) -> Result<Vec<(Identity, Box<[u8]>)>, SpoolError>;

    /// What is remembered by this name.
    fn fact(&self, fact: Fact) -> Result<Option<Vec<u8>>, SpoolError>;

    /// How much there is of everything.
    fn usage(&self) -> Result<Usage, SpoolError>;
}
