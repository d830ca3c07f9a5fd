//! What is durable: lanes, cursors, batches, attempts, the shadow and the stream's position, in
//! one SQLite file that one thread writes.
//!
//! Both loops submit their operations to the writer. What has been submitted by the end of one sync
//! becomes durable together in the next transaction (`synchronous=FULL`), so an idle pipeline
//! syncs at once and a busy one in large groups.
//!
//! 1. An operation whose reply came survives a crash, whole.
//! 2. Shadow, records and position of a [`Group`] change together or not at all.
//! 3. A record's bytes, once spooled, never change; what is read back is checked by checksum.

mod access;
mod attempt;
mod batch;
mod batch_query;
mod chunk;
#[cfg(test)]
mod contract;
mod cursors;
mod dead_letter;
mod engine;
mod epochs;
mod error;
mod fact;
mod filter;
mod group;
mod lane;
mod lane_history;
mod meta;
mod open;
mod ops;
mod record_query;
mod replay;
mod rules;
mod scratch;
mod sealing;
mod search;
mod sqlite;
mod stored_webhook;
mod stream_position;
mod subscription;
mod writer;

pub use access::{AuditLimit, StoredAudit, StoredCredential};
pub use attempt::{Attempted, Exchange, Fate, LoggedAnswer, LoggedAttempt, Phase};
pub use batch::{Batch, BatchId, BatchState};
pub use batch_query::{AttemptFilter, BatchPage, BatchQuery};
pub use chunk::{Chunk, DamagedChunk, Records};
pub use cursors::Cursors;
pub use dead_letter::{DeadLetter, DeadLetterFilter, DeadLetterNo, DeadReason, LaneDeadLetters};
pub use engine::{EngineReader, EngineScratch, Reader, Scratch};
pub use epochs::{Epoch, Epochs};
pub use error::{OpenError, SpoolError};
pub use fact::Fact;
pub use group::{Group, GroupBuilder, Growth};
pub use lane::Search as RefusalSearch;
pub use lane::{Failure, LaneHealth, LaneState, Pause, PausedBy, Refusals, SizeLimit};
pub use lane_history::{FailedAttempt, HistoryQuery, LaneHistory};
pub use meta::{LowWatermark, Usage};
pub use ops::{Done, Op, Room};
pub use record_query::{FoundRecord, RecordPage, Wanted};
pub use replay::{LaneReplay, NewReplay, Replay, ReplayNo, ReplayState};
pub use scratch::{ScratchError, ScratchTable};
pub use sealing::{BadKey, SealError, SpoolKey, SpoolKeys};
pub use search::{RecordRange, ReplayWindow, Search, SearchResult, SearchStart};
pub use sqlite::bytes_on_disk;
pub use stored_webhook::{StoredWebhook, WebhookChange};
pub use stream_position::{OpenTransaction, StreamPosition};
pub use subscription::{Appended, Subscription};
pub use writer::{Opened, Options, Spool};
