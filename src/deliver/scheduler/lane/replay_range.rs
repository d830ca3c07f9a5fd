//! The ranges of a lane that replays send, and their rates.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::record::{Seq, WaitsFor};
use crate::spool::{Batch, LaneReplay, ReplayNo};
use crate::time::Uptime;

/// A range of a lane that a replay sends, without gaps.
#[derive(Clone, Debug)]
pub(super) struct ReplayRange {
    pub(super) replay: ReplayNo,
    pub(super) first: Seq,
    pub(super) last: Seq,
    /// Every record up to here was sent, or refused as too large.
    pub(super) cursor: Seq,
    /// Cut and not settled, in order.
    pub(super) batches: VecDeque<Batch>,
    /// Its next record waits for these records of the same replay in other lanes.
    pub(super) blocked: Option<WaitsFor>,
}

/// How fast each running replay may go.
pub(in crate::deliver) type RateLimiters = BTreeMap<ReplayNo, RateLimiter>;

/// How fast one replay may go, over all its lanes.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::deliver) struct RateLimiter {
    /// Records a second; `None`: as fast as receivers take them.
    pub(in crate::deliver) rate: Option<u32>,
    /// Nothing of it is cut before this.
    pub(in crate::deliver) next_at: Uptime,
    /// Ranges that are not at their end.
    pub(in crate::deliver) ranges: usize,
}

impl RateLimiter {
    /// So many records were cut.
    pub(in crate::deliver) fn cut(&mut self, records: u32, now: Uptime) {
        if let Some(rate) = self.rate {
            let pause = Duration::from_secs(u64::from(records)) / rate.max(1);
            self.next_at = self.next_at.max(now).plus(pause);
        }
    }
}

impl ReplayRange {
    pub(super) fn new(range: &LaneReplay, batches: Vec<Batch>) -> Self {
        let LaneReplay { replay, first, last, cursor, .. } = *range;
        Self { replay, first, last, cursor, batches: batches.into(), blocked: None }
    }
}
