//! Whose turn it is: the requests that may be in flight, and the lanes that wait for one.
//!
//! Ready lanes are served in the order in which they became so. Those that fail stand in a queue of
//! their own and hold a quarter of the slots at most; where both queues may be served, they take turns.

use std::collections::VecDeque;

use super::lane::Lane;
use crate::record::LaneNo;

#[derive(Debug)]
pub(super) struct Turns {
    max: usize,
    taken: usize,
    taken_failing: usize,
    well: VecDeque<LaneNo>,
    failing: VecDeque<LaneNo>,
    failing_was_last: bool,
}

impl Turns {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max: max.max(1),
            taken: 0,
            taken_failing: 0,
            well: VecDeque::new(),
            failing: VecDeque::new(),
            failing_was_last: false,
        }
    }

    pub(super) fn set_max(&mut self, max: usize) {
        self.max = max.max(1);
    }

    /// Slots that are held.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// The lane waits for its turn; `first` where it goes on with what it has begun.
    pub(super) fn enqueue(&mut self, no: LaneNo, lane: &mut Lane, first: bool) {
        if std::mem::replace(&mut lane.queued, true) {
            return;
        }
        let queue = if lane.is_failing() { &mut self.failing } else { &mut self.well };
        if first { queue.push_front(no) } else { queue.push_back(no) }
    }

    /// The next lane for which there is a slot.
    pub(super) fn next(&mut self) -> Option<LaneNo> {
        if self.taken >= self.max {
            return None;
        }
        let may_fail = !self.failing.is_empty() && self.taken_failing < (self.max / 4).max(1);
        self.failing_was_last = may_fail && (self.well.is_empty() || !self.failing_was_last);
        if self.failing_was_last { self.failing.pop_front() } else { self.well.pop_front() }
    }

    pub(super) fn take(&mut self, lane: &mut Lane) {
        debug_assert!(lane.slot.is_none(), "a lane has one batch in flight");
        lane.slot = Some(lane.is_failing());
        self.taken += 1;
        self.taken_failing += usize::from(lane.is_failing());
    }

    pub(super) fn give_back(&mut self, lane: &mut Lane) {
        if let Some(failing) = lane.slot.take() {
            self.taken -= 1;
            self.taken_failing -= usize::from(failing);
        }
    }
}
