//! Attempts, as they were logged.

use super::batch::BatchId;
use super::dead_letter::DeadReason;
use super::lane::LaneHealth;
use crate::outcome::OutcomeKind;
use crate::record::LaneNo;
use crate::time::Timestamp;

/// A request that was on the wire, as it was logged.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedAttempt {
    /// 1, 2, …
    pub number: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub took_micros: u64,
    /// The answer's status, where there was one.
    pub status: Option<u16>,
    /// `delivered`, or the word for what went wrong.
    pub outcome: OutcomeKind,
    /// The error's sentence, or the beginning of the answer.
    pub detail: Option<String>,
}

/// An attempt that ended: what is logged, and what follows from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempted {
    /// Its batch.
    pub batch: BatchId,
    /// Its lane.
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
    /// What follows for the batch.
    pub fate: Fate,
    /// The lane's health after it.
    pub health: LaneHealth,
}

/// What follows for a batch from an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// Settled: the receiver took it.
    Delivered,
    /// Settled: a dead letter.
    Dead(DeadReason),
    /// Not settled: the batch is sent again, or in halves. A dead letter stays one.
    Failed,
}
