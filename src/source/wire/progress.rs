//! When to send the server a status update, and when its silence is a timeout. Pure: time is an argument.

use std::time::Duration;

use crate::position::Lsn;
use crate::time::Uptime;

/// What was reported to the server, and what is awaited from it.
#[derive(Debug)]
pub(in crate::source) struct Progress {
    /// Synced to the spool. **No later LSN is ever reported to the server.**
    synced: Lsn,
    /// The LSN of the last status update.
    reported: Lsn,
    reported_at: Uptime,
    /// The server has requested a status update.
    requested: bool,
    /// When we requested a reply that is still outstanding; any byte counts as one. The timeout is measured
    /// from the request and not from the last byte, because a server may have nothing to send.
    reply_requested_at: Option<Uptime>,
    /// Reading is paused, so silence is not a sign of a dead server.
    backpressure: bool,
    /// How long the server may take to reply.
    timeout: Duration,
    /// Time between two status updates: well below the server's timeout, and ours.
    status_interval: Duration,
}

/// What to do now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::source) enum KeepAliveAction {
    /// The server did not reply in time.
    TimedOut,
    /// Send a status update with this LSN, and request a reply or not.
    SendStatus { synced: Lsn, reply_requested: bool },
    /// Nothing is due before this time.
    Wait(Uptime),
}

impl Progress {
    pub(in crate::source) fn new(synced: Lsn, now: Uptime, timeout: Duration) -> Self {
        Self {
            synced,
            reported: Lsn(0),
            reported_at: now,
            requested: false,
            reply_requested_at: None,
            backpressure: false,
            timeout,
            status_interval: STATUS_INTERVAL.min(whole_milliseconds(timeout / 3)),
        }
    }

    /// Everything before `lsn` is synced to the spool.
    pub(in crate::source) fn synced(&mut self, lsn: Lsn) {
        self.synced = self.synced.max(lsn);
    }

    /// Bytes were received.
    pub(in crate::source) fn received(&mut self) {
        self.reply_requested_at = None;
    }

    /// The server requested a status update.
    pub(in crate::source) fn requested(&mut self) {
        self.requested = true;
    }

    pub(in crate::source) fn backpressure(&mut self, backpressure: bool) {
        self.backpressure = backpressure;
        self.reply_requested_at = self.reply_requested_at.filter(|_| !backpressure);
    }

    pub(in crate::source) fn poll(&mut self, now: Uptime) -> KeepAliveAction {
        if self.reply_requested_at.is_some_and(|requested| now.since(requested) >= self.timeout) {
            return KeepAliveAction::TimedOut;
        }
        let moved = self.synced > self.reported;
        let due = now.since(self.reported_at) >= self.status_interval;
        if !(self.requested || moved || due) {
            let silence = self.reply_requested_at.map(|requested| requested.plus(self.timeout));
            let next = self.reported_at.plus(self.status_interval);
            return KeepAliveAction::Wait(silence.map_or(next, |silence| silence.min(next)));
        }
        if due && !self.backpressure {
            self.reply_requested_at.get_or_insert(now);
        }
        self.requested = false;
        self.reported = self.synced;
        self.reported_at = now;
        KeepAliveAction::SendStatus { synced: self.synced, reply_requested: due && !self.backpressure }
    }
}

/// Truncates to milliseconds, the resolution of [`Uptime`].
fn whole_milliseconds(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// How long a server may take to reply.
///
/// A walsender sends nothing while it decodes a transaction, however large, that the publication filters
/// out; if it is disconnected, it starts again from the beginning. So the timeout starts at the server's
/// own, `wal_sender_timeout`, and doubles each time it expires at the same point. The kernel detects a dead
/// peer (TCP keepalive) long before.
#[derive(Clone, Copy, Debug)]
pub struct StreamTimeouts {
    shortest: Duration,
    point: Option<StreamPoint>,
    expired: u32,
}

/// The LSN up to which the stream is applied, and the number of applied changes of the transaction after
/// it.
pub type StreamPoint = (Lsn, u64);

impl StreamTimeouts {
    /// A timeout that is never shorter than `shortest`.
    pub fn at_least(shortest: Duration) -> Self {
        Self { shortest, point: None, expired: 0 }
    }

    /// The timeout for a stream from `point`, for a server with this `wal_sender_timeout`. Zero means that
    /// it has none, or that it is unknown.
    pub fn at(&mut self, point: StreamPoint, wal_sender_timeout: Duration) -> Duration {
        if self.point.replace(point) != Some(point) {
            self.expired = 0;
        }
        if wal_sender_timeout.is_zero() {
            return TIMEOUT_MAX;
        }
        let first = wal_sender_timeout.max(self.shortest);
        first.saturating_mul(1_u32.checked_shl(self.expired).unwrap_or(u32::MAX)).min(TIMEOUT_MAX)
    }

    /// The stream from the last point has timed out.
    pub fn timed_out(&mut self) {
        self.expired = self.expired.saturating_add(1);
    }
}

impl Default for StreamTimeouts {
    fn default() -> Self {
        Self::at_least(TIMEOUT_MIN)
    }
}

/// Well below the default `wal_sender_timeout` of 60 s.
const STATUS_INTERVAL: Duration = Duration::from_secs(10);
const TIMEOUT_MIN: Duration = Duration::from_secs(30);
const TIMEOUT_MAX: Duration = Duration::from_hours(1);

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000;
    const TIMEOUT: Duration = Duration::from_secs(30);

    fn tell(lsn: u64, reply_requested: bool) -> KeepAliveAction {
        KeepAliveAction::SendStatus { synced: Lsn(lsn), reply_requested }
    }

    #[test]
    fn the_synced_lsn_is_sent_at_once_and_then_every_ten_seconds_with_a_reply_request() {
        let mut progress = Progress::new(Lsn(5), Uptime(0), TIMEOUT);
        assert_eq!(progress.poll(Uptime(0)), tell(5, false));
        assert_eq!(progress.poll(Uptime(1)), KeepAliveAction::Wait(Uptime(10 * SECOND)));
        progress.synced(Lsn(7));
        progress.synced(Lsn(6));
        assert_eq!(progress.poll(Uptime(2)), tell(7, false));
        assert_eq!(progress.poll(Uptime(2 + 10 * SECOND)), tell(7, true));
    }

    #[test]
    fn a_question_is_answered_with_what_is_synced_and_no_more() {
        let mut progress = Progress::new(Lsn(5), Uptime(0), TIMEOUT);
        progress.poll(Uptime(0));
        progress.requested();
        assert_eq!(progress.poll(Uptime(1)), tell(5, false));
    }

    #[test]
    fn silence_after_a_question_is_the_end() {
        let mut progress = Progress::new(Lsn(5), Uptime(0), TIMEOUT);
        progress.poll(Uptime(0));
        assert_eq!(progress.poll(Uptime(10 * SECOND)), tell(5, true));
        progress.poll(Uptime(20 * SECOND));
        progress.poll(Uptime(30 * SECOND));
        assert_ne!(progress.poll(Uptime(40 * SECOND - 1)), KeepAliveAction::TimedOut);
        assert_eq!(progress.poll(Uptime(40 * SECOND)), KeepAliveAction::TimedOut);
        progress.received();
        assert_ne!(progress.poll(Uptime(40 * SECOND)), KeepAliveAction::TimedOut);
    }

    #[test]
    fn the_timeout_is_the_servers_and_doubles_at_the_same_point_up_to_an_hour() {
        let seconds = Duration::from_secs;
        for (timeout, first) in
            [(60, 60), (5, 30), (30, 30), (600, 600), (3_600, 3_600), (7_200, 3_600), (0, 3_600)]
        {
            let (mut timeouts, timeout) = (StreamTimeouts::default(), seconds(timeout));
            let point = (Lsn(7), 0);
            let mut expected = seconds(first);
            for _ in 0..70 {
                assert_eq!(timeouts.at(point, timeout), expected, "{timeout:?}");
                assert_eq!(
                    timeouts.at(point, timeout),
                    expected,
                    "a stream that ended otherwise changes nothing"
                );
                timeouts.timed_out();
                expected = (expected * 2).min(seconds(3_600));
            }
            for moved in [(Lsn(7), 1), (Lsn(8), 0)] {
                assert_eq!(timeouts.at(moved, timeout), seconds(first), "{timeout:?}: it moved");
                timeouts.timed_out();
            }
        }
    }

    #[test]
    fn a_requested_reply_is_awaited_for_the_timeout_and_requested_in_time() {
        for timeout in [1, 3, 30, 60, 3_600].map(Duration::from_secs) {
            let mut progress = Progress::new(Lsn(5), Uptime(0), timeout);
            progress.poll(Uptime(0));
            let asks_at = Uptime(0).plus(whole_milliseconds(timeout / 3).min(Duration::from_secs(10)));
            assert_eq!(progress.poll(asks_at), tell(5, true));
            let end = asks_at.plus(timeout);
            assert_ne!(progress.poll(Uptime(end.0 - 1)), KeepAliveAction::TimedOut);
            assert_eq!(progress.poll(end), KeepAliveAction::TimedOut, "{timeout:?}");
        }
    }

    #[test]
    fn under_backpressure_silence_is_no_timeout_and_status_updates_go_on() {
        let mut progress = Progress::new(Lsn(5), Uptime(0), TIMEOUT);
        progress.poll(Uptime(0));
        progress.poll(Uptime(10 * SECOND));
        progress.backpressure(true);
        assert_eq!(progress.poll(Uptime(60 * SECOND)), tell(5, false));
        assert_eq!(progress.poll(Uptime(61 * SECOND)), KeepAliveAction::Wait(Uptime(70 * SECOND)));
    }
}
