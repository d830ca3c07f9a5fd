//! The only reader of clocks. Everything else gets the time as an argument.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::time::{Timestamp, Uptime};

/// The wall clock, and the uptime over all starts with this spool.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Works);

#[derive(Clone, Copy, Debug)]
enum Works {
    /// The machine's clock. Uptime continues from `before`, the uptime of all earlier starts.
    Machine { before: Uptime, started: Instant },
    /// A clock for tests and simulations, which is advanced by its owner.
    ByHand(&'static ManualClock),
}

/// The time of a [`Clock`] that does not advance by itself.
#[derive(Debug, Default)]
pub struct ManualClock {
    running: AtomicU64,
    wall: AtomicI64,
}

impl Clock {
    /// The clock of a process that starts now, with a spool whose uptime is `before`.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads clocks")]
    pub fn start(before: Uptime) -> Self {
        Self(Works::Machine { before, started: Instant::now() })
    }

    /// A clock that shows the time of `hands`.
    pub fn by_hand(hands: &'static ManualClock) -> Self {
        Self(Works::ByHand(hands))
    }

    /// The uptime. It does not step, and does not advance while no sidecar runs.
    pub fn uptime(&self) -> Uptime {
        match self.0 {
            Works::Machine { before, started } => before.plus(started.elapsed()),
            Works::ByHand(hands) => Uptime(hands.running.load(Ordering::Relaxed)),
        }
    }

    /// Time since this start, with nanoseconds, to measure durations.
    pub fn elapsed(&self) -> Duration {
        match self.0 {
            Works::Machine { started, .. } => started.elapsed(),
            Works::ByHand(_) => Duration::from_millis(self.uptime().0),
        }
    }

    /// How much of `patience` must be waited in real time: a manual clock is advanced by it instead.
    pub fn advance(&self, patience: Duration) -> Duration {
        match self.0 {
            Works::Machine { .. } => patience,
            Works::ByHand(hands) => {
                hands.set(self.uptime().plus(patience), self.wall().plus(patience));
                Duration::ZERO
            }
        }
    }

    /// The wall-clock time.
    pub fn wall(&self) -> Timestamp {
        match self.0 {
            Works::Machine { .. } => Self::now(),
            Works::ByHand(hands) => Timestamp(hands.wall.load(Ordering::Relaxed)),
        }
    }

    /// The machine's wall-clock time.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads clocks")]
    pub fn now() -> Timestamp {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX))
    }
}

impl ManualClock {
    /// Sets both. They may go backwards.
    pub fn set(&self, running: Uptime, wall: Timestamp) {
        self.running.store(running.0, Ordering::Relaxed);
        self.wall.store(wall.0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_time_goes_on_where_the_spool_left_it() {
        let clock = Clock::start(Uptime(5_000));
        assert!(clock.uptime() >= Uptime(5_000));
        assert!(clock.uptime() < Uptime(65_000));
    }

    #[test]
    fn a_clock_by_hand_says_what_it_was_set_to() {
        static HANDS: ManualClock = ManualClock { running: AtomicU64::new(0), wall: AtomicI64::new(0) };
        let clock = Clock::by_hand(&HANDS);
        HANDS.set(Uptime(7), Timestamp(-3));
        assert_eq!((clock.uptime(), clock.wall()), (Uptime(7), Timestamp(-3)));
        assert_eq!(clock.advance(Duration::from_millis(2)), Duration::ZERO);
        assert_eq!((clock.uptime(), clock.wall()), (Uptime(9), Timestamp(1_997)));
    }
}
