//! The one place that reads clocks. Everything else is given the time.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::time::{Timestamp, Uptime};

/// The wall clock, and the running time of this spool.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Works);

#[derive(Clone, Copy, Debug)]
enum Works {
    /// The machine's, over the running time of all earlier starts with this spool.
    Machine { before: Uptime, started: Instant },
    /// It goes as its hands are moved.
    ByHand(&'static ManualClock),
}

/// The hands of a clock that does not go by itself: simulated time.
#[derive(Debug, Default)]
pub struct ManualClock {
    running: AtomicU64,
    wall: AtomicI64,
}

impl Clock {
    /// A process that starts now, with a spool that has seen `before` of running time.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads clocks")]
    pub fn start(before: Uptime) -> Self {
        Self(Works::Machine { before, started: Instant::now() })
    }

    /// A clock that goes as these hands are moved.
    pub fn by_hand(hands: &'static ManualClock) -> Self {
        Self(Works::ByHand(hands))
    }

    /// Uptime time: does not step, stands still while no sidecar runs.
    pub fn uptime(&self) -> Uptime {
        match self.0 {
            Works::Machine { before, started } => before.plus(started.elapsed()),
            Works::ByHand(hands) => Uptime(hands.running.load(Ordering::Relaxed)),
        }
    }

    /// Since this start, to the nanosecond: for how long something took.
    pub fn elapsed(&self) -> Duration {
        match self.0 {
            Works::Machine { started, .. } => started.elapsed(),
            Works::ByHand(_) => Duration::from_millis(self.uptime().0),
        }
    }

    /// What of `patience` is to be waited in earnest: a clock by hand is moved on by it instead.
    pub fn advance(&self, patience: Duration) -> Duration {
        match self.0 {
            Works::Machine { .. } => patience,
            Works::ByHand(hands) => {
                hands.set(self.uptime().plus(patience), self.wall().plus(patience));
                Duration::ZERO
            }
        }
    }

    /// What the wall clock says.
    pub fn wall(&self) -> Timestamp {
        match self.0 {
            Works::Machine { .. } => Self::now(),
            Works::ByHand(hands) => Timestamp(hands.wall.load(Ordering::Relaxed)),
        }
    }

    /// What the machine's wall clock says.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads clocks")]
    pub fn now() -> Timestamp {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX))
    }
}

impl ManualClock {
    /// Moves both; neither needs to go forward.
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
