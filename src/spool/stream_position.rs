//! How far the stream is applied.

use crate::position::Lsn;

/// How far the stream has been applied.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct StreamPosition {
    /// Every transaction up to here is applied: the end of the last transaction, a snapshot's consistent
    /// point, or the LSN of a keepalive. Confirmed to Postgres, and where START_REPLICATION begins.
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
