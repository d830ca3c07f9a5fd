//! How far the stream is applied, and what is counted.

use super::stream_position::StreamPosition;
use crate::position::Position;
use crate::record::Seq;
use crate::time::{Timestamp, Uptime};

/// What is counted, and how far the stream is applied: one row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct SpoolMeta {
    pub(super) position: Option<StreamPosition>,
    pub(super) last_seq: Seq,
    pub(super) uptime: Uptime,
    pub(super) live_bytes: u64,
    pub(super) shadow_documents: u64,
    pub(super) shadow_bytes: u64,
    pub(super) dead_records: u64,
    /// Records up to here were removed; `None` before a first start ended.
    pub(super) low_watermark: Option<LowWatermark>,
}

/// Records, places and times up to here were removed: no replay reaches them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LowWatermark {
    /// Of the last record that was removed; 0 where none was.
    pub seq: Seq,
    /// Its place; before one was removed, the one before the first start's snapshot.
    pub position: Position,
    /// The latest time at which something removed was committed, or the snapshot was taken.
    pub at: Timestamp,
}

impl LowWatermark {
    /// Everything up to `other` was removed as well.
    pub(super) fn raise(&mut self, other: Self) {
        if other.seq > self.seq {
            (self.seq, self.position) = (other.seq, other.position);
        }
        self.at = self.at.max(other.at);
    }
}

/// Counts and sizes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// Live bytes of records, batches, dead letters and attempts.
    pub live_bytes: u64,
    /// Size of the file; freed pages are used again, and it never shrinks.
    pub file_bytes: u64,
    /// Documents in the shadow.
    pub shadow_documents: u64,
    /// Bytes of their entries.
    pub shadow_bytes: u64,
    /// Records that are dead letters.
    pub dead_records: u64,
}
