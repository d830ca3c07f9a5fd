//! When reading pauses for a moment, so that the messages of a busy stream are read together. Pure: time is an
//! argument.
//!
//! The server sends each message for itself. Read one by one, each wakes this task and then the thread that applies
//! it, and on an idle machine that costs more than the change does.

use std::time::Duration;

use crate::time::Uptime;

/// How fast the stream is, over the current millisecond.
#[derive(Debug, Default)]
pub(in crate::source) struct ReadPace {
    since: Uptime,
    bytes: usize,
    resumes_at: Uptime,
}

impl ReadPace {
    /// One read took everything that had arrived: so many bytes.
    pub(in crate::source) fn received(&mut self, bytes: usize, now: Uptime) {
        if now > self.since {
            (self.since, self.bytes) = (now, 0);
        }
        self.bytes = self.bytes.saturating_add(bytes);
        if bytes < LARGE_READ_BYTES && self.bytes >= BUSY_BYTES {
            self.resumes_at = now.plus(PAUSE);
        }
    }

    /// How long reading pauses; zero: it does not.
    pub(in crate::source) fn pause(&self, now: Uptime) -> Duration {
        self.resumes_at.since(now)
    }
}

/// A stream of so many bytes in a millisecond is busy: about 20 changes, and never a short transaction alone.
const BUSY_BYTES: usize = 4 * 1024;
/// A read of so many bytes is worth its wake-ups.
const LARGE_READ_BYTES: usize = 64 * 1024;
const PAUSE: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_stream_pauses_and_a_quiet_one_does_not() {
        let mut pace = ReadPace::default();
        for at in 1..100 {
            pace.received(1_000, Uptime(at));
            assert_eq!(pace.pause(Uptime(at)), Duration::ZERO, "one message in each millisecond");
        }
        for _ in 0..5 {
            pace.received(1_000, Uptime(100));
        }
        assert_eq!(pace.pause(Uptime(100)), PAUSE);
        assert_eq!(pace.pause(Uptime(101)), Duration::ZERO);
    }

    #[test]
    fn large_reads_follow_each_other_at_once() {
        let mut pace = ReadPace::default();
        for _ in 0..5 {
            pace.received(LARGE_READ_BYTES, Uptime(7));
            assert_eq!(pace.pause(Uptime(7)), Duration::ZERO);
        }
    }
}
