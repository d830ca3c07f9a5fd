//! The kinds of writes whose completion the driver waits for.

use std::sync::mpsc::SyncSender;

use crate::record::{LaneNo, Seq};
use crate::spool::{Attempted, Batch, DeadLetterNo, DeadReason, Done, ReplayNo, SpoolError};
use crate::time::Uptime;

/// An operation that was submitted to the spool, with what the driver needs when it is durable.
pub(in crate::deliver) enum PendingWrite {
    /// The outcome of an attempt.
    Attempt(Box<AttemptWrite>),
    /// The end of a replay, and who is notified of it.
    CancelReplay { replay: ReplayNo, reply: Option<SyncSender<Result<(), SpoolError>>> },
    /// A batch, sent once it is durable.
    Cut(Batch),
    /// The batch of a dead letter, for its redelivery.
    CutDeadLetter(LaneNo),
    /// Records that become dead letters, or, without a reason, are discarded.
    GiveUp { lane: LaneNo, through: Seq, reason: Option<DeadReason> },
    /// Records that are skipped, and who is told.
    Skip { lane: LaneNo, through: Seq, reply: SyncSender<Result<Done, SpoolError>> },
    /// The outcome of a dead letter's redelivery.
    Redelivery(Box<RedeliveryWrite>),
}

/// The outcome of an attempt.
pub(in crate::deliver) struct AttemptWrite {
    pub(in crate::deliver) attempted: Attempted,
    pub(in crate::deliver) batch: Batch,
    /// The batch of its first records that replaces it.
    pub(in crate::deliver) successor: Option<Batch>,
}

/// A skip that waits until its lane is not at work.
pub(in crate::deliver) struct RequestedSkip {
    pub(in crate::deliver) lane: LaneNo,
    /// The last record skipped.
    pub(in crate::deliver) through: Seq,
    /// It is not begun later than this.
    pub(in crate::deliver) by: Uptime,
    pub(in crate::deliver) reply: SyncSender<Result<Done, SpoolError>>,
}

/// The outcome of a dead letter's redelivery.
pub(in crate::deliver) struct RedeliveryWrite {
    pub(in crate::deliver) dead: DeadLetterNo,
    pub(in crate::deliver) attempted: Attempted,
}

impl RedeliveryWrite {
    pub(in crate::deliver) fn lane(&self) -> LaneNo {
        self.attempted.lane
    }
}
