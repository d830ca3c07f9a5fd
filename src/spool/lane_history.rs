//! What was attempted for one lane lately, for a small chart of it.

use super::batch::BatchId;
use crate::outcome::OutcomeKind;
use crate::record::LaneNo;
use crate::time::Timestamp;

/// Whose attempts, and how many of them.
#[derive(Clone, Copy, Debug)]
pub struct HistoryQuery {
    /// Of this lane.
    pub lane: LaneNo,
    /// Only those from then on.
    pub since: Timestamp,
    /// The most rows that are read.
    pub rows_max: usize,
}

/// What was attempted for a lane. An attempt of a batch that was delivered at once counts at the time of its cut.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LaneHistory {
    /// When an attempt began, and whether it succeeded. In no order.
    pub attempts: Vec<(Timestamp, bool)>,
    /// Not all rows were read: attempts before this are missing.
    pub complete_since: Option<Timestamp>,
    /// The newest batches that were delivered, a few of them, the newest first.
    pub delivered: Vec<BatchId>,
    /// The last attempt that failed.
    pub last_failure: Option<FailedAttempt>,
}

/// An attempt that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FailedAttempt {
    /// Its batch.
    pub batch: BatchId,
    /// When it began.
    pub at: Timestamp,
    /// How it ended.
    pub outcome: OutcomeKind,
    /// The answer's status, where there was one.
    pub status: Option<u16>,
}

impl LaneHistory {
    /// One more attempt.
    pub(super) fn push(&mut self, attempt: FailedAttempt) {
        let succeeded = attempt.outcome.is_success();
        self.attempts.push((attempt.at, succeeded));
        if succeeded && self.delivered.len() < DELIVERED_MAX {
            self.delivered.push(attempt.batch);
        }
        if !succeeded && self.last_failure.is_none_or(|last| last.at <= attempt.at) {
            self.last_failure = Some(attempt);
        }
    }
}

const DELIVERED_MAX: usize = 10;
