//! Batches: consecutive records of one lane that go out as one request.

use super::replay::ReplayNo;
use crate::record::{LaneNo, SUFFIX, Seq};
use crate::time::Timestamp;

/// A batch's UUIDv7: its `webhook-id` on every attempt.
pub type BatchId = uuid::Uuid;

/// Consecutive records of one lane, sent as one request; it never changes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Batch {
    /// Drawn when it was cut.
    pub id: BatchId,
    /// The lane of its records.
    pub lane: LaneNo,
    /// Its first record.
    pub first: Seq,
    /// Its last record.
    pub last: Seq,
    /// How many records.
    pub records: u32,
    /// Length of the body.
    pub body_bytes: u64,
    /// xxh3 of the body: a body that is rebuilt after a crash must have it.
    pub body_sum: u64,
    /// When it was cut.
    pub cut_at: Timestamp,
    /// The epoch of its records.
    pub epoch: uuid::Uuid,
    /// Attempts made so far, lost ones included.
    pub attempts: u32,
    /// The replay that it belongs to; `None`: it belongs to the lane itself.
    pub replay: Option<ReplayNo>,
}

impl Batch {
    /// Bytes of its records' fragments: its body without prefix, suffix and separators.
    pub fn fragment_bytes(&self) -> u64 {
        let around = self.lane.callback().prefix().len() + SUFFIX.len();
        self.body_bytes.saturating_sub(around as u64 + u64::from(self.records.saturating_sub(1)))
    }
}

/// The state of a batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BatchState {
    /// Not settled.
    Open = 0,
    /// The receiver took it.
    Delivered = 1,
    /// It was given up.
    DeadLetter = 2,
    /// It is not sent again: it was replaced by smaller ones, skipped or discarded, or its dead letter or
    /// replay is gone.
    Retired = 3,
}
