//! What is durable: lanes, cursors, batches, attempts, the shadow and the stream's position, in
//! one SQLite file that one thread writes.
//!
//! Both loops hand their operations to the writer. What has been handed in by the end of one sync
//! becomes durable together in the next transaction (`synchronous=FULL`), so an idle pipeline
//! syncs at once and a busy one in large groups.
//!
//! 1. An operation whose reply came survives a crash, whole.
//! 2. Shadow, records and position of a [`Group`] change together or not at all.
//! 3. A record's bytes, once spooled, never change; what is read back is checked by checksum.

mod attempts;
mod chunk;
mod cut;
mod dead;
mod dependency_index;
mod epochs;
mod facts;
mod group;
mod lanes;
mod meta;
mod ops;
mod reader;
mod replays;
mod retention;
mod row_bytes;
mod schema;
mod search;
mod settle;
mod shadow;
mod store;
mod writer;

pub use attempts::AttemptRow;
pub use chunk::{DamagedChunk, Records};
pub use dead::{DeadLetter, DeadNo};
pub use dependency_index::{Cursors, DependencyIndex};
pub use epochs::{Epoch, Epochs};
pub use group::GroupBuilder;
pub use meta::LowWatermark;
pub use ops::{
    Attempted, Batch, BatchId, Chunk, DeadReason, Done, Fact, Fate, Group, Growth, LaneHealth, LaneState, Op,
    OpenTransaction, Room, StreamPosition,
};
pub use reader::{Reader, Usage};
pub use replays::{NewReplay, Part, Replay, ReplayNo, ReplayState};
pub use schema::OpenError;
pub use search::{Found, From, Search, Span, Window};
pub use shadow::Shadow;
pub use store::SpoolError;
pub use writer::{Opened, Options, Spool};

#[cfg(test)]
mod tests;
