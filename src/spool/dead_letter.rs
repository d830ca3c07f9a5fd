//! Dead letters: records that were given up.

use uuid::Uuid;

use super::batch::BatchId;
use super::ops::DeadReason;
use crate::record::{LaneNo, Seq};
use crate::time::Timestamp;

/// The number of a dead letter in this spool.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DeadLetterNo(pub i64);

/// Records that were given up together: a batch, or a range that was never cut.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DeadLetter {
    /// Its number.
    pub no: DeadLetterNo,
    /// Whose records.
    pub lane: LaneNo,
    /// Its first record.
    pub first: Seq,
    /// Its last record.
    pub last: Seq,
    /// How many records.
    pub records: u64,
    /// Bytes of their fragments.
    pub bytes: u64,
    /// Why it was given up.
    pub reason: DeadReason,
    /// When it was given up.
    pub at: Timestamp,
    /// `None`: it was never cut.
    pub batch: Option<BatchId>,
    /// One more attempt was asked for, under this id.
    pub redelivery: Option<Uuid>,
}
