//! Writes to the spool: submitted, completed, and submitted again after the disk was full.

use super::event::Event;
use super::pending_write::PendingWrite;
use super::{Driver, WRITE_AGAIN_AFTER};
use crate::spool::{Done, Op, SpoolError};
use crate::time::Uptime;

impl Driver {
    /// Submits `op`. Its result arrives as [`Event::Written`], with `pending`.
    pub(in crate::deliver) fn submit(&self, op: Op, pending: PendingWrite) {
        let events = self.events.clone();
        self.params.spool.submit(op, move |result| drop(events.send(Event::Written(pending, result))));
    }

    pub(in crate::deliver) fn written(
        &mut self,
        mut pending: PendingWrite,
        result: Result<Done, SpoolError>,
        now: Uptime,
    ) {
        if let PendingWrite::CancelReplay { reply, .. } = &mut pending
            && let Some(reply) = reply.take()
        {
            let _ = reply.send(result.clone().map(drop));
        }
        if let PendingWrite::Skip { reply, .. } = &pending {
            let _ = reply.send(result.clone());
        }
        match result {
            Ok(done) => self.completed(pending, &done, now),
            Err(SpoolError::DiskFull) => self.disk_full(pending, now),
            Err(error) => self.fail(error),
        }
    }

    /// Submits again the writes whose wait has ended.
    pub(in crate::deliver) fn submit_again(&mut self, now: Uptime) {
        let due: Vec<_> = self.retries.extract_if(.., |(at, _)| *at <= now).collect();
        for (_, pending) in due {
            match pending {
                PendingWrite::Attempt(write) => self.write_attempt(write),
                PendingWrite::CancelReplay { replay, reply } => self.cancel_replay(replay, reply, now),
                PendingWrite::Redelivery(write) => self.write_redelivery(write),
                // Their lanes start over.
                PendingWrite::Cut(_)
                | PendingWrite::CutDeadLetter(_)
                | PendingWrite::GiveUp { .. }
                | PendingWrite::Skip { .. } => {}
            }
        }
    }

    fn completed(&mut self, pending: PendingWrite, done: &Done, now: Uptime) {
        match pending {
            PendingWrite::Attempt(write) => self.attempt_written(*write, now),
            PendingWrite::CancelReplay { .. } => {}
            PendingWrite::Cut(batch) => self.scheduler.cut(batch.lane, batch, now),
            PendingWrite::CutDeadLetter(lane) => self.scheduler.end_lease(lane, now),
            PendingWrite::GiveUp { lane, through, reason } => self.gave_up(lane, through, reason, done, now),
            PendingWrite::Redelivery(write) => self.scheduler.end_lease(write.lane(), now),
            PendingWrite::Skip { lane, through, .. } => self.skipped(lane, through, done, now),
        }
    }

    /// The result of something that happened is submitted again later. A lane that was about to start
    /// something starts over later.
    fn disk_full(&mut self, pending: PendingWrite, now: Uptime) {
        match pending {
            PendingWrite::Attempt(_) | PendingWrite::CancelReplay { .. } | PendingWrite::Redelivery(_) => {
                self.retries.push((now.plus(WRITE_AGAIN_AFTER), pending));
            }
            PendingWrite::Cut(batch) => {
                self.encoded.remove(&batch.lane);
                self.scheduler.not_written(batch.lane, WRITE_AGAIN_AFTER, now);
            }
            PendingWrite::CutDeadLetter(lane)
            | PendingWrite::GiveUp { lane, .. }
            | PendingWrite::Skip { lane, .. } => {
                self.scheduler.not_written(lane, WRITE_AGAIN_AFTER, now);
            }
        }
    }
}
