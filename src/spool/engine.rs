//! The interface between the spool and the engine that stores its rows.
//!
//! An engine is one writer and any number of readers. It applies operations, each checked by
//! [`super::rules`], and answers queries. It knows nothing of threads, replies or Postgres.

use std::sync::Arc;

use std::collections::HashMap;
use std::fmt::Debug;

use super::access::{StoredAudit, StoredCredential};
use super::attempt::LoggedAttempt;
use super::batch::{Batch, BatchId, BatchState};
use super::batch_query::{BatchPage, BatchQuery};
use super::chunk::Chunk;
use super::dead_letter::{DeadLetter, DeadLetterFilter, DeadLetterNo, LaneDeadLetters};
use super::error::SpoolError;
use super::fact::Fact;
use super::lane::LaneState;
use super::lane_history::{HistoryQuery, LaneHistory};
use super::meta::Usage;
use super::ops::{Done, Op, Room};
use super::record_query::{FoundRecord, RecordPage, Wanted};
use super::replay::{LaneReplay, Replay, ReplayNo};
use super::scratch::{ScratchError, ScratchTable};
use super::search::{ReplayWindow, Search, SearchResult};
use super::stored_webhook::StoredWebhook;
use super::stream_position::StreamPosition;
use crate::classify::Identity;
use crate::position::Position;
use crate::record::{LaneNo, ProjectNo, Seq};
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
pub(super) struct RetentionStep {
    /// Settled records removed.
    pub(super) records: u64,
    /// Another step would do more.
    pub(super) more: bool,
}

/// The writer of an engine.
pub(super) trait Engine: Debug + Send {
    /// Applies `ops` in one transaction; an operation that is refused changes nothing, and the others are applied.
    /// The results are in the order of `ops`, and durable.
    fn apply(&mut self, ops: Vec<Op>) -> Vec<Result<Done, SpoolError>>;

    /// One small step of retention, in a transaction of its own: rows from before `cutoff` go, and more
    /// where the spool is nearly full.
    fn sweep(&mut self, cutoff: Timestamp) -> Result<RetentionStep, SpoolError>;

    /// Whether the spool is nearly full, so that a step of retention is worth its sync.
    fn is_near(&self) -> bool;

    /// Gives back the memory of what is cached: nothing is written for a while.
    fn release_memory(&self);

    /// Whether there is room for more records.
    fn room(&self) -> Room;

    /// The lanes that were changed since the last call, each with its cursor.
    fn take_changed(&mut self) -> Vec<(LaneNo, Seq)>;
}

/// Makes readers.
pub(super) type OpenReader = Box<dyn Fn() -> Result<Reader, SpoolError> + Send + Sync>;

/// Makes temporary space with these tables, all empty.
pub(super) type OpenScratch = Box<dyn Fn(&[ScratchTable]) -> Result<Scratch, ScratchError> + Send + Sync>;

/// An engine that was opened.
pub(super) struct OpenEngine {
    pub(super) engine: Box<dyn Engine>,
    pub(super) open_reader: OpenReader,
    pub(super) open_scratch: OpenScratch,
    pub(super) contents: Contents,
}

/// Reads concurrently with the writer; each call sees everything that was committed before it, but in a view.
pub type Reader = Box<dyn EngineReader>;

/// A reader of an engine.
pub trait EngineReader: Debug + Send {
    /// Every lane.
    fn lanes(&self) -> Result<Vec<LaneState>, SpoolError>;

    /// The first chunk of `lane` that ends at `seq` or later.
    fn chunk_holding(&self, lane: LaneNo, seq: Seq) -> Result<Option<Chunk>, SpoolError>;

    /// The first chunk of `lane` that ends at `seq` or later, and the next ones until they have `records` records or
    /// `bytes` of fragments.
    fn chunks_from(&self, lane: LaneNo, seq: Seq, records: u32, bytes: u64)
    -> Result<Vec<Chunk>, SpoolError>;

    /// The last record of `lane` that was spooled at `before` or earlier.
    fn last_spooled_by(&self, lane: LaneNo, before: Uptime) -> Result<Option<Seq>, SpoolError>;

    /// The last record that has to go so that at least `bytes` of fragments of `lane` behind `cursor` are
    /// freed: whole chunks, the oldest first.
    fn seq_freeing(&self, lane: LaneNo, cursor: Seq, bytes: u64) -> Result<Option<Seq>, SpoolError>;

    /// A batch in any state.
    fn batch(&self, id: &BatchId) -> Result<Option<(Batch, BatchState)>, SpoolError>;

    /// A page of batches.
    fn batches(&self, query: &BatchQuery) -> Result<BatchPage, SpoolError>;

    /// The batches that hold a record, the newest first.
    fn batches_holding(&self, lane: LaneNo, seq: Seq) -> Result<Vec<(Batch, BatchState)>, SpoolError>;

    /// Up to `limit` records of these lanes before `before`, the newest first.
    fn records(
        &self,
        lanes: &[LaneNo],
        wanted: &Wanted,
        before: Option<Seq>,
        limit: usize,
    ) -> Result<RecordPage, SpoolError>;

    /// The record of the current epoch at a position.
    fn record_at(&self, position: Position, epoch_after: Seq) -> Result<Option<FoundRecord>, SpoolError>;

    /// No record of the current epoch before this number is behind `position`.
    fn seq_behind(&self, position: Position, epoch_after: Seq) -> Result<Seq, SpoolError>;

    /// The number of a project.
    fn project(&self, name: &str) -> Result<Option<ProjectNo>, SpoolError>;

    /// The name of a project.
    fn project_name(&self, project: ProjectNo) -> Result<Option<String>, SpoolError>;

    /// What of `first..=last` was discarded, in order.
    fn discarded(&self, lane: LaneNo, first: Seq, last: Seq) -> Result<Vec<(Seq, Seq)>, SpoolError>;

    /// The dead letter that holds a record.
    fn dead_letter_holding(&self, lane: LaneNo, seq: Seq) -> Result<Option<DeadLetter>, SpoolError>;

    /// The attempts of a batch that retention has not removed, in order.
    fn attempts(&self, batch: &BatchId) -> Result<Vec<LoggedAttempt>, SpoolError>;

    /// The last attempt of a batch that retention has not removed.
    fn last_attempt(&self, batch: &BatchId) -> Result<Option<LoggedAttempt>, SpoolError>;

    /// Up to `limit` dead letters behind `after`, in the order of their numbers.
    fn dead_letters(&self, after: DeadLetterNo, limit: u32) -> Result<Vec<DeadLetter>, SpoolError>;

    /// The same of these lanes alone.
    fn dead_letters_of(
        &self,
        lanes: &[LaneNo],
        after: DeadLetterNo,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, SpoolError>;

    /// How many dead letters each lane has, of those that the filter takes; lanes without any are left out. None is read
    /// into memory.
    fn count_dead_letters(&self, filter: &DeadLetterFilter) -> Result<Vec<LaneDeadLetters>, SpoolError>;

    /// The same of the batches that a query names, whatever its state, place and limit: of those that are dead letters.
    fn count_dead_batches(&self, query: &BatchQuery) -> Result<Vec<LaneDeadLetters>, SpoolError>;

    /// One dead letter.
    fn dead_letter(&self, no: DeadLetterNo) -> Result<Option<DeadLetter>, SpoolError>;

    /// The number of the newest dead letter; 0 where there is none.
    fn last_dead_letter(&self) -> Result<DeadLetterNo, SpoolError>;

    /// The next dead letter of a lane whose redelivery is due, in the order of records.
    fn next_redelivery(&self, lane: LaneNo) -> Result<Option<DeadLetter>, SpoolError>;

    /// All replays, the newest first.
    fn replays(&self) -> Result<Vec<Replay>, SpoolError>;

    /// One replay.
    fn replay(&self, no: ReplayNo) -> Result<Option<Replay>, SpoolError>;

    /// The ranges of a replay, in the order of lanes and records.
    fn ranges(&self, replay: ReplayNo) -> Result<Vec<LaneReplay>, SpoolError>;

    /// What can be replayed; `None` before a first start ended.
    fn window(&self, epoch_after: Seq) -> Result<Option<ReplayWindow>, SpoolError>;

    /// Settled records in the lanes that `wants` accepts, all read in one view.
    fn search(
        &self,
        search: &Search,
        wants: &mut dyn FnMut(LaneNo) -> bool,
    ) -> Result<SearchResult, SpoolError>;

    /// Until [`EngineReader::end_view`], every call sees what was committed before this one. Calls then cost less.
    fn begin_view(&self) -> Result<(), SpoolError>;

    /// From now on, each call sees everything that was committed before it.
    fn end_view(&self);

    /// Gives back the memory of what is cached: nothing is read for a while.
    fn release_memory(&self);

    /// The shadow's entry of one identity.
    fn shadow(&self, identity: &Identity) -> Result<Option<Arc<[u8]>>, SpoolError>;

    /// Up to `limit` entries of the shadow behind `after`, in the order of identities.
    fn shadow_after(
        &self,
        after: Option<&Identity>,
        limit: u32,
    ) -> Result<Vec<(Identity, Arc<[u8]>)>, SpoolError>;

    /// The value of a fact.
    fn fact(&self, fact: Fact) -> Result<Option<Vec<u8>>, SpoolError>;

    /// The webhooks in the spool, by project and callback.
    fn webhooks(&self) -> Result<Vec<StoredWebhook>, SpoolError>;

    /// Tokens, links and sessions, by their ids.
    fn credentials(&self) -> Result<Vec<StoredCredential>, SpoolError>;

    /// Up to `limit` entries of the audit log with a lower number than `before`, the newest first; of one project, where
    /// one is given.
    fn audit(&self, before: u64, project: Option<&str>, limit: u32) -> Result<Vec<StoredAudit>, SpoolError>;

    /// The last batch of a lane that was cut for its pending records and is still on record, in any state.
    fn last_batch(&self, lane: LaneNo) -> Result<Option<Batch>, SpoolError>;

    /// What was attempted for a lane.
    fn lane_history(&self, query: &HistoryQuery) -> Result<LaneHistory, SpoolError>;

    /// Counts and sizes.
    fn usage(&self) -> Result<Usage, SpoolError>;
}

/// Temporary space, for what may not grow in memory. It is gone when it is dropped, and after a restart.
pub type Scratch = Box<dyn EngineScratch>;

/// An engine's temporary space.
pub trait EngineScratch: Debug + Send {
    /// The value of `key`.
    fn get(&self, table: ScratchTable, key: &[u8]) -> Result<Option<Vec<u8>>, ScratchError>;

    /// Whether `key` has a value.
    fn contains(&self, table: ScratchTable, key: &[u8]) -> Result<bool, ScratchError>;

    /// Gives `key` a value, in place of the one that it had.
    fn put(&self, table: ScratchTable, key: &[u8], value: &[u8]) -> Result<(), ScratchError>;

    /// Gives `key` a value where it has none.
    fn put_if_absent(&self, table: ScratchTable, key: &[u8], value: &[u8]) -> Result<(), ScratchError>;

    /// How many keys a table has.
    fn count(&self, table: ScratchTable) -> Result<u64, ScratchError>;
}
