//! Operations of the spool that the loop waits for: submitted, completed, submitted again where the disk was
//! full.

use std::sync::mpsc::SyncSender;

use super::outcomes::AttemptWrite;
use super::replays::RedeliveryWrite;
use super::{Driver, Event, WRITE_AGAIN_AFTER};
use crate::record::{LaneNo, Seq};
use crate::spool::{Batch, DeadReason, Done, Op, ReplayNo, SpoolError};
use crate::time::Uptime;

/// What waits for an operation of the spool, and goes on when it is durable.
pub(in crate::deliver) enum Pending {
    /// The outcome of an attempt.
    Attempt(Box<AttemptWrite>),
    /// The end of a replay, and who waits for it.
    CancelReplay { replay: ReplayNo, reply: Option<SyncSender<Result<(), SpoolError>>> },
    /// A batch that is to be sent.
    Cut(Batch),
    /// A dead letter that is to be sent once more.
    CutDeadLetter(LaneNo),
    /// Records that are given up, or, without a reason, discarded.
    GiveUp { lane: LaneNo, through: Seq, reason: Option<DeadReason> },
    /// The outcome of a dead letter's one more attempt.
    Redelivery(Box<RedeliveryWrite>),
}

impl Driver {
    /// Has the spool do `op`; `pending` goes on when it is durable, or has failed.
    pub(in crate::deliver) fn submit(&self, op: Op, pending: Pending) {
        let events = self.events.clone();
        self.params.spool.submit(op, move |result| drop(events.send(Event::Written(pending, result))));
    }

    pub(in crate::deliver) fn written(
        &mut self,
        mut pending: Pending,
        result: Result<Done, SpoolError>,
        now: Uptime,
    ) {
        if let Pending::CancelReplay { reply, .. } = &mut pending
            && let Some(reply) = reply.take()
        {
            let _ = reply.send(result.clone().map(drop));
        }
        match result {
            Ok(done) => self.completed(pending, &done, now),
            Err(SpoolError::DiskFull) => self.disk_full(pending, now),
            Err(error) => self.fail(error),
        }
    }

    /// Submits again what waited long enough.
    pub(in crate::deliver) fn submit_again(&mut self, now: Uptime) {
        let due: Vec<_> = self.retries.extract_if(.., |(at, _)| *at <= now).collect();
        for (_, pending) in due {
            match pending {
                Pending::Attempt(write) => self.write_attempt(write),
                Pending::CancelReplay { replay, reply } => self.cancel_replay(replay, reply, now),
                Pending::Redelivery(write) => self.write_redelivery(write),
                // Their lanes begin anew.
                Pending::Cut(_) | Pending::CutDeadLetter(_) | Pending::GiveUp { .. } => {}
            }
        }
    }

    fn completed(&mut self, pending: Pending, done: &Done, now: Uptime) {
        match pending {
            Pending::Attempt(write) => self.attempt_written(*write, now),
            Pending::CancelReplay { .. } => {}
            Pending::Cut(batch) => self.scheduler.cut(batch.lane, batch, now),
            Pending::CutDeadLetter(lane) => self.scheduler.end_lease(lane, now),
            Pending::GiveUp { lane, through, reason } => self.gave_up(lane, through, reason, done, now),
            Pending::Redelivery(write) => self.scheduler.end_lease(write.lane(), now),
        }
    }

    /// What a lane or a replay did cannot be undone, and is written later; what a lane was about to do, it
    /// begins anew later.
    fn disk_full(&mut self, pending: Pending, now: Uptime) {
        match pending {
            Pending::Attempt(_) | Pending::CancelReplay { .. } | Pending::Redelivery(_) => {
                self.retries.push((now.plus(WRITE_AGAIN_AFTER), pending));
            }
            Pending::Cut(batch) => {
                self.encoded.remove(&batch.lane);
                self.scheduler.not_written(batch.lane, WRITE_AGAIN_AFTER, now);
            }
            Pending::CutDeadLetter(lane) | Pending::GiveUp { lane, .. } => {
                self.scheduler.not_written(lane, WRITE_AGAIN_AFTER, now);
            }
        }
    }
}
