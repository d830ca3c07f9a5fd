//! Records that are searched for: by document, key or position, settled and pending ones.

use crate::position::Position;
use crate::record::{LaneNo, Seq};
use crate::time::Timestamp;

/// What is searched for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Wanted {
    /// Records about the document whose id has this hash.
    Document(u64),
    /// Records that carry this key.
    Key(String),
}

/// A record that was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FoundRecord {
    /// Its lane.
    pub lane: LaneNo,
    /// Its sequence number.
    pub seq: Seq,
    /// Its position.
    pub position: Position,
    /// The commit time of its transaction.
    pub committed_at: Timestamp,
    /// When it was spooled.
    pub spooled_at: Timestamp,
    /// The hash of its document's id.
    pub document: u64,
    /// The records that it waits for, by callback.
    pub after: crate::record::WaitsFor,
    /// Its JSON.
    pub fragment: Vec<u8>,
}

/// A page of records.
#[derive(Clone, Debug, Default)]
pub struct RecordPage {
    /// The newest first.
    pub records: Vec<FoundRecord>,
    /// More may lie before this one. A page may end early, so that each takes a short time.
    pub next: Option<Seq>,
}
