//! When to tell the server how far we are, and when to give it up. Pure: time is an argument.

use std::time::Duration;

use crate::position::Lsn;
use crate::time::Uptime;

/// What a replication connection owes and expects.
#[derive(Debug)]
pub(in crate::source) struct Progress {
    /// Synced to the spool. **Never is a later LSN told to the server.**
    synced: Lsn,
    /// What was last told.
    told: Lsn,
    told_at: Uptime,
    /// The server wants an answer.
    asked: bool,
    /// Since when our question has waited for any byte. The watchdog measures from the question,
    /// not from the last byte: a server may have nothing to say.
    question_at: Option<Uptime>,
    /// Reading is held back: that nothing comes says nothing.
    held_back: bool,
    /// How long a question may wait.
    patience: Duration,
    /// Time between two words of ours: well below the server's own patience, and ours.
    tell_every: Duration,
}

/// What to do now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::source) enum Next {
    /// The server has been silent for too long after a question.
    GiveUp,
    /// Tell it this LSN, and ask for a reply or not.
    Tell { synced: Lsn, reply_requested: bool },
    /// Nothing before this.
    Wait(Uptime),
}

impl Progress {
    pub(in crate::source) fn new(synced: Lsn, now: Uptime, patience: Duration) -> Self {
        Self {
            synced,
            told: Lsn(0),
            told_at: now,
            asked: false,
            question_at: None,
            held_back: false,
            patience,
            tell_every: TELL_EVERY.min(whole_milliseconds(patience / 3)),
        }
    }

    /// Everything below `lsn` is synced to the spool.
    pub(in crate::source) fn synced(&mut self, lsn: Lsn) {
        self.synced = self.synced.max(lsn);
    }

    /// Bytes came.
    pub(in crate::source) fn heard(&mut self) {
        self.question_at = None;
    }

    /// The server asked for a reply.
    pub(in crate::source) fn asked(&mut self) {
        self.asked = true;
    }

    pub(in crate::source) fn held_back(&mut self, held_back: bool) {
        self.held_back = held_back;
        self.question_at = self.question_at.filter(|_| !held_back);
    }

    pub(in crate::source) fn poll(&mut self, now: Uptime) -> Next {
        if self.question_at.is_some_and(|asked| now.since(asked) >= self.patience) {
            return Next::GiveUp;
        }
        let moved = self.synced > self.told;
        let due = now.since(self.told_at) >= self.tell_every;
        if !(self.asked || moved || due) {
            let silence = self.question_at.map(|asked| asked.plus(self.patience));
            let next = self.told_at.plus(self.tell_every);
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

/// As our clock counts.
fn whole_milliseconds(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// How long a server may be silent after a question.
///
/// A walsender says nothing while it works through a transaction, however large, of which the publication
/// holds nothing; given up, it begins it anew. So patience begins with the server's own,
/// `wal_sender_timeout`, and doubles with each time that it was given up at the same place. A peer that is
/// gone is found out by the kernel (TCP keepalive), long before.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    shortest: Duration,
    place: Option<Place>,
    given_up: u32,
}

/// Up to where the stream is applied, and changes of the transaction behind it.
pub type Place = (Lsn, u64);

impl Patience {
    /// One that is never shorter.
    pub fn at_least(shortest: Duration) -> Self {
        Self { shortest, place: None, given_up: 0 }
    }

    /// For a stream from `place`, of a server with this `wal_sender_timeout`: zero, and unknown, is none.
    pub fn at(&mut self, place: Place, wal_sender_timeout: Duration) -> Duration {
        if self.place.replace(place) != Some(place) {
            self.given_up = 0;
        }
        if wal_sender_timeout.is_zero() {
            return LONGEST_PATIENCE;
        }
        let first = wal_sender_timeout.max(self.shortest);
        first.saturating_mul(1_u32.checked_shl(self.given_up).unwrap_or(u32::MAX)).min(LONGEST_PATIENCE)
    }

    /// The stream from the last place was given up.
    pub fn gave_up(&mut self) {
        self.given_up = self.given_up.saturating_add(1);
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self::at_least(SHORTEST_PATIENCE)
    }
}

/// Well below `wal_sender_timeout`, 60 s unless set otherwise.
const TELL_EVERY: Duration = Duration::from_secs(10);
const SHORTEST_PATIENCE: Duration = Duration::from_secs(30);
const LONGEST_PATIENCE: Duration = Duration::from_hours(1);

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000;
    const PATIENCE: Duration = Duration::from_secs(30);

    fn tell(lsn: u64, reply_requested: bool) -> Next {
        Next::Tell { synced: Lsn(lsn), reply_requested }
    }

    #[test]
    fn the_synced_lsn_is_told_at_once_and_then_every_ten_seconds_with_a_question() {
        let mut progress = Progress::new(Lsn(5), Uptime(0), PATIENCE);
        assert_eq!(progress.poll(Uptime(0)), tell(5, false));
        assert_eq!(progress.poll(Uptime(1)), Next::Wait(Uptime(10 * SECOND)));
        progress.synced(Lsn(7));
        progress.synced(Lsn(6));
        assert_eq!(progress.poll(Uptime(2)), tell(7, false));
        assert_eq!(progress.poll(Uptime(2 + 10 * SECOND)), tell(7, true));
    }

    #[test]
    fn a_question_is_answered_with_what_is_synced_and_no_more() {
        let mut progress = Progress::new(Lsn(5), Uptime(0), PATIENCE);
        progress.poll(Uptime(0));
        progress.asked();
        assert_eq!(progress.poll(Uptime(1)), tell(5, false));
    }

    #[test]
    fn silence_after_a_question_is_the_end() {
        let mut progress = Progress::new(Lsn(5), Uptime(0), PATIENCE);
        progress.poll(Uptime(0));
        assert_eq!(progress.poll(Uptime(10 * SECOND)), tell(5, true));
        progress.poll(Uptime(20 * SECOND));
        progress.poll(Uptime(30 * SECOND));
        assert_ne!(progress.poll(Uptime(40 * SECOND - 1)), Next::GiveUp);
        assert_eq!(progress.poll(Uptime(40 * SECOND)), Next::GiveUp);
        progress.heard();
        assert_ne!(progress.poll(Uptime(40 * SECOND)), Next::GiveUp);
    }

    #[test]
    fn patience_is_the_servers_and_doubles_at_the_same_place_up_to_an_hour() {
        let seconds = Duration::from_secs;
        for (timeout, first) in
            [(60, 60), (5, 30), (30, 30), (600, 600), (3_600, 3_600), (7_200, 3_600), (0, 3_600)]
        {
            let (mut patience, timeout) = (Patience::default(), seconds(timeout));
            let place = (Lsn(7), 0);
            let mut expected = seconds(first);
            for _ in 0..70 {
                assert_eq!(patience.at(place, timeout), expected, "{timeout:?}");
                assert_eq!(
                    patience.at(place, timeout),
                    expected,
                    "a stream that ended otherwise changes nothing"
                );
                patience.gave_up();
                expected = (expected * 2).min(seconds(3_600));
            }
            for moved in [(Lsn(7), 1), (Lsn(8), 0)] {
                assert_eq!(patience.at(moved, timeout), seconds(first), "{timeout:?}: it moved");
                patience.gave_up();
            }
        }
    }

    #[test]
    fn a_question_waits_for_as_long_as_patience_is_and_is_asked_in_time() {
        for patience in [1, 3, 30, 60, 3_600].map(Duration::from_secs) {
            let mut progress = Progress::new(Lsn(5), Uptime(0), patience);
            progress.poll(Uptime(0));
            let asks_at = Uptime(0).plus(whole_milliseconds(patience / 3).min(Duration::from_secs(10)));
            assert_eq!(progress.poll(asks_at), tell(5, true));
            let end = asks_at.plus(patience);
            assert_ne!(progress.poll(Uptime(end.0 - 1)), Next::GiveUp);
            assert_eq!(progress.poll(end), Next::GiveUp, "{patience:?}");
        }
    }

    #[test]
    fn while_reading_is_held_back_silence_says_nothing_but_telling_goes_on() {
        let mut progress = Progress::new(Lsn(5), Uptime(0), PATIENCE);
        progress.poll(Uptime(0));
        progress.poll(Uptime(10 * SECOND));
        progress.held_back(true);
        assert_eq!(progress.poll(Uptime(60 * SECOND)), tell(5, false));
        assert_eq!(progress.poll(Uptime(61 * SECOND)), Next::Wait(Uptime(70 * SECOND)));
    }
}
