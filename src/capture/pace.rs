//! How long changes wait for more, to be committed together. Pure.
//!
//! A small group costs more for each of its changes than a large one. Changes that come late anyway may come a little
//! later with more: the rest of the backlog is earlier by more than that.

use std::time::Duration;

/// How long a group of so many changes waits for more, `since_last` after the group before it. Its changes were sent
/// `behind` their commit. Those of a quiet stream are committed at once; a busy stream fills a group in this time.
pub(super) fn linger(changes: usize, since_last: Duration, behind: Duration) -> Duration {
    let milliseconds = usize::try_from(since_last.as_millis()).unwrap_or(usize::MAX).max(1);
    let is_busy = changes / milliseconds >= BUSY_CHANGES;
    let every = (behind / 20).clamp(GROUP_EVERY_MIN, GROUP_EVERY_MAX);
    if is_busy { every.saturating_sub(since_last) } else { Duration::ZERO }
}

/// A stream of so many changes in a millisecond is busy.
const BUSY_CHANGES: usize = 32;
/// A busy stream submits a group no more often, unless it is full.
const GROUP_EVERY_MIN: Duration = Duration::from_millis(4);
/// A group of this time is full, where the stream is as fast as it can be.
const GROUP_EVERY_MAX: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_quiet_stream_does_not_linger_and_a_busy_one_does() {
        let linger = |changes, since_last| linger(changes, ms(since_last), ms(10));
        assert_eq!(linger(1, 0), Duration::ZERO);
        assert_eq!(linger(20, 1), Duration::ZERO);
        assert_eq!(linger(1_000, 1_000), Duration::ZERO, "a transaction after a pause");
        assert_eq!(linger(100, 0), ms(4));
        assert_eq!(linger(100, 3), ms(1));
        assert_eq!(linger(1_000, 4), Duration::ZERO);
    }

    #[test]
    fn a_busy_stream_that_is_behind_lingers_for_a_twentieth_of_that() {
        let linger = |behind| linger(1_000, ms(3), behind);
        assert_eq!(linger(ms(80)), ms(1));
        assert_eq!(linger(ms(1_000)), ms(47));
        assert_eq!(linger(Duration::from_hours(1)), ms(97));
        assert_eq!(super::linger(1, ms(3), Duration::from_hours(1)), Duration::ZERO, "a quiet stream");
    }
}
