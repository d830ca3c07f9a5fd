//! The only reader of clocks. Everything else gets the time as an argument.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::time::{Timestamp, Uptime};

/// The wall clock, and the uptime over all starts with this spool.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// The machine's clock. Uptime continues from `before`, the uptime of all earlier starts.
    Machine { before: Uptime, started: Instant },
    /// A clock for tests and simulations, which is advanced by its owner.
    Manual(&'static ManualClock),
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
        Self(Kind::Machine { before, started: Instant::now() })
    }

    /// A clock that shows the time of `clock`.
    pub fn manual(clock: &'static ManualClock) -> Self {
        Self(Kind::Manual(clock))
    }

    /// The uptime. It does not step, and does not advance while no sidecar runs.
    pub fn uptime(&self) -> Uptime {
        match self.0 {
            Kind::Machine { before, started } => before.plus(started.elapsed()),
            Kind::Manual(clock) => Uptime(clock.running.load(Ordering::Relaxed)),
        }
    }

    /// Time since this start, with nanoseconds, to measure durations.
    pub fn elapsed(&self) -> Duration {
        match self.0 {
            Kind::Machine { started, .. } => started.elapsed(),
            Kind::Manual(_) => Duration::from_millis(self.uptime().0),
        }
    }

    /// How much of `patience` must be waited in real time: a manual clock is advanced by it instead.
    pub fn advance(&self, patience: Duration) -> Duration {
        match self.0 {
            Kind::Machine { .. } => patience,
            Kind::Manual(clock) => {
                clock.set(self.uptime().plus(patience), self.wall().plus(patience));
                Duration::ZERO
            }
        }
    }

    /// The wall-clock time.
    pub fn wall(&self) -> Timestamp {
        match self.0 {
            Kind::Machine { .. } => Self::now(),
            Kind::Manual(clock) => Timestamp(clock.wall.load(Ordering::Relaxed)),
        }
    }

    /// The time of the async runtime, for deadlines within one process.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads clocks")]
    pub fn runtime() -> tokio::time::Instant {
        tokio::time::Instant::now()
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
        let clock = Clock::manual(&HANDS);
        HANDS.set(Uptime(7), Timestamp(-3));
        assert_eq!((clock.uptime(), clock.wall()), (Uptime(7), Timestamp(-3)));
        assert_eq!(clock.advance(Duration::from_millis(2)), Duration::ZERO);
        assert_eq!((clock.uptime(), clock.wall()), (Uptime(9), Timestamp(1_997)));
    }
}
