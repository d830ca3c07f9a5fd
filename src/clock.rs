//! The one place that reads clocks. Everything else is given the time.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::moment::{Moment, Running};

/// The wall clock, and the running time of this spool.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Running time of all earlier starts with this spool.
    before: Running,
    started: Instant,
}

impl Clock {
    /// A process that starts now, with a spool that has seen `before` of running time.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads clocks")]
    pub fn start(before: Running) -> Self {
        Self { before, started: Instant::now() }
    }

    /// Running time: does not step, stands still while no sidecar runs.
    pub fn running(&self) -> Running {
        self.before.plus(self.started.elapsed())
    }

    /// Since this start, to the nanosecond: for how long something took.
    pub fn elapsed(&self) -> std::time::Duration {
        self.started.elapsed()
    }

    /// What the wall clock says.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads clocks")]
    pub fn now() -> Moment {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment(i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_time_goes_on_where_the_spool_left_it() {
        let clock = Clock::start(Running(5_000));
        assert!(clock.running() >= Running(5_000));
        assert!(clock.running() < Running(65_000));
    }
}
