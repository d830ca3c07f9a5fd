//! How long changes wait for more, to be committed together. Pure.
//!
//! A small group costs more for each of its changes than a large one. Changes that are late anyway wait a little longer:
//! larger groups end the backlog sooner.

use std::time::Duration;

/// How long a group of so many changes waits for more, `since_last` after the group before it. `behind`: how long after
/// its commit the current transaction was sent. The changes of a quiet stream are committed at once; a busy stream fills
/// a group in this time.
pub(super) fn linger(changes: usize, since_last: Duration, behind: Duration) -> Duration {
    let every = (behind / 20).clamp(GROUP_EVERY_MIN, GROUP_EVERY_MAX);
    let busy_for = Duration::from_millis(u64::try_from(changes / BUSY_CHANGES).unwrap_or(u64::MAX));
    every.min(busy_for).saturating_sub(since_last)
}

/// A stream of so many changes in a millisecond is busy.
const BUSY_CHANGES: usize = 32;
/// A busy stream submits a group no more often, unless it is full.
const GROUP_EVERY_MIN: Duration = Duration::from_millis(4);
/// A longer wait gains little: what is slow to commit fills groups meanwhile.
const GROUP_EVERY_MAX: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_quiet_stream_does_not_linger_and_a_busy_one_does() {
        for behind in [ms(10), HOUR] {
            let linger = |changes, since_last| linger(changes, ms(since_last), behind);
            assert_eq!(linger(1, 0), Duration::ZERO);
            assert_eq!(linger(20, 1), Duration::ZERO);
            assert_eq!(linger(1_000, 1_000), Duration::ZERO, "a transaction after a pause");
            assert_eq!(linger(100, 0), ms(3), "if no more come, it is quiet by then");
            assert_eq!(linger(100, 3), Duration::ZERO);
        }
        assert_eq!(linger(1_000, ms(0), ms(10)), ms(4));
        assert_eq!(linger(1_000, ms(4), ms(10)), Duration::ZERO);
    }

    #[test]
    fn a_busy_stream_that_is_behind_lingers_for_a_twentieth_of_that() {
        let linger = |behind| linger(9_000, ms(3), behind);
        assert_eq!(linger(ms(80)), ms(1));
        assert_eq!(linger(ms(1_000)), ms(47));
        assert_eq!(linger(HOUR), ms(97));
    }
}
