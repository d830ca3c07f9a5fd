//! When to tell the server how far we are, and when to give it up. Pure: time is an argument.

use std::time::Duration;

use crate::moment::Running;
use crate::position::Lsn;

/// What a replication connection owes and expects.
#[derive(Debug)]
pub(super) struct Progress {
    /// Synced to the spool. **Never is a later LSN told to the server.**
    synced: Lsn,
    /// What was last told.
    told: Lsn,
    told_at: Running,
    /// The server wants an answer.
    asked: bool,
    /// Since when our question has waited for any byte. The watchdog measures from the question,
    /// not from the last byte: a server may have nothing to say.
    question_at: Option<Running>,
    /// Reading is held back: that nothing comes says nothing.
    held_back: bool,
}

/// What to do now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// The server has been silent for too long after a question.
    GiveUp,
    /// Tell it this LSN, and ask for a reply or not.
    Tell { synced: Lsn, reply_requested: bool },
    /// Nothing before this.
    Wait(Running),
}

impl Progress {
    pub(super) fn new(synced: Lsn, now: Running) -> Self {
        Self { synced, told: Lsn(0), told_at: now, asked: false, question_at: None, held_back: false }
    }

    /// Everything below `lsn` is synced to the spool.
    pub(super) fn synced(&mut self, lsn: Lsn) {
        self.synced = self.synced.max(lsn);
    }

    /// Bytes came.
    pub(super) fn heard(&mut self) {
        self.question_at = None;
    }

    /// The server asked for a reply.
    pub(super) fn asked(&mut self) {
        self.asked = true;
    }

    pub(super) fn held_back(&mut self, held_back: bool) {
        self.held_back = held_back;
        self.question_at = self.question_at.filter(|_| !held_back);
    }

    pub(super) fn poll(&mut self, now: Running) -> Next {
        if self.question_at.is_some_and(|asked| now.since(asked) >= SILENCE_MAX) {
            return Next::GiveUp;
        }
        let moved = self.synced > self.told;
        let due = now.since(self.told_at) >= TELL_EVERY;
        if !(self.asked || moved || due) {
            let silence = self.question_at.map(|asked| asked.plus(SILENCE_MAX));
            let next = self.told_at.plus(TELL_EVERY);
            return Next::Wait(silence.map_or(next, |silence| silence.min(next)));
        }
        if due && !self.held_back {
            self.question_at.get_or_insert(now);
        }
        self.asked = false;
        self.told = self.synced;
        self.told_at = now;
        Next::Tell { synced: self.synced, reply_requested: due && !self.held_back }
    }
}

/// Well below `wal_sender_timeout`, 60 s unless set otherwise.
const TELL_EVERY: Duration = Duration::from_secs(10);
const SILENCE_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000;

    fn tell(lsn: u64, reply_requested: bool) -> Next {
        Next::Tell { synced: Lsn(lsn), reply_requested }
    }

    #[test]
    fn the_synced_lsn_is_told_at_once_and_then_every_ten_seconds_with_a_question() {
        let mut progress = Progress::new(Lsn(5), Running(0));
        assert_eq!(progress.poll(Running(0)), tell(5, false));
        assert_eq!(progress.poll(Running(1)), Next::Wait(Running(10 * SECOND)));
        progress.synced(Lsn(7));
        progress.synced(Lsn(6));
        assert_eq!(progress.poll(Running(2)), tell(7, false));
        assert_eq!(progress.poll(Running(2 + 10 * SECOND)), tell(7, true));
    }

    #[test]
    fn a_question_is_answered_with_what_is_synced_and_no_more() {
        let mut progress = Progress::new(Lsn(5), Running(0));
        progress.poll(Running(0));
        progress.asked();
        assert_eq!(progress.poll(Running(1)), tell(5, false));
    }

    #[test]
    fn silence_after_a_question_is_the_end() {
        let mut progress = Progress::new(Lsn(5), Running(0));
        progress.poll(Running(0));
        assert_eq!(progress.poll(Running(10 * SECOND)), tell(5, true));
        progress.poll(Running(20 * SECOND));
        progress.poll(Running(30 * SECOND));
        assert_ne!(progress.poll(Running(40 * SECOND - 1)), Next::GiveUp);
        assert_eq!(progress.poll(Running(40 * SECOND)), Next::GiveUp);
        progress.heard();
        assert_ne!(progress.poll(Running(40 * SECOND)), Next::GiveUp);
    }

    #[test]
    fn while_reading_is_held_back_silence_says_nothing_but_telling_goes_on() {
        let mut progress = Progress::new(Lsn(5), Running(0));
        progress.poll(Running(0));
        progress.poll(Running(10 * SECOND));
        progress.held_back(true);
        assert_eq!(progress.poll(Running(60 * SECOND)), tell(5, false));
        assert_eq!(progress.poll(Running(61 * SECOND)), Next::Wait(Running(70 * SECOND)));
    }
}
