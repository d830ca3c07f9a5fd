//! How long records wait for more, beyond `batch.wait_max_ms`, while the stream is behind. Pure: time is an argument.
//!
//! A record that comes late anyway may come a little later in a batch with more: many lanes that each send few records
//! a request make the rest of the backlog later than the wait does.

use std::time::Duration;

use crate::time::Uptime;

/// Since when the stream has been behind.
#[derive(Debug, Default)]
pub(super) struct CatchUp {
    since: Option<Uptime>,
}

impl CatchUp {
    /// The wait of records that were sent `behind` their commit: a quarter of that, and no longer than the stream has
    /// been behind, so that a short backlog is sent as soon as any.
    pub(super) fn extra_wait(&mut self, behind: Duration, now: Uptime) -> Duration {
        if behind < BEHIND_MIN {
            self.since = None;
            return Duration::ZERO;
        }
        let since = *self.since.get_or_insert(now);
        (behind / 4).min(now.since(since)).min(EXTRA_WAIT_MAX)
    }
}

/// What is sent sooner after its commit is not behind.
const BEHIND_MIN: Duration = Duration::from_secs(1);
const EXTRA_WAIT_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_are_late_wait_a_little_longer_and_others_do_not() {
        let (mut catch_up, second) = (CatchUp::default(), Duration::from_secs);
        let at = |seconds: u64| Uptime(seconds * 1_000);
        assert_eq!(catch_up.extra_wait(Duration::from_millis(999), at(100)), Duration::ZERO);
        assert_eq!(
            catch_up.extra_wait(second(3_600), at(100)),
            Duration::ZERO,
            "a single transaction after a pause"
        );
        assert_eq!(
            catch_up.extra_wait(second(3_600), at(103)),
            second(3),
            "it has been behind for three seconds"
        );
        assert_eq!(catch_up.extra_wait(second(3_600), at(160)), second(10));
        assert_eq!(catch_up.extra_wait(second(8), at(170)), second(2));
        assert_eq!(catch_up.extra_wait(Duration::ZERO, at(171)), Duration::ZERO);
        assert_eq!(catch_up.extra_wait(second(8), at(172)), Duration::ZERO, "behind again, for no time yet");
    }
}
