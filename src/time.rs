//! Timestamps and uptime, as values. Nothing here reads a clock: callers pass the time in.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A wall-clock time: microseconds since 1970-01-01 00:00 UTC.
///
/// For messages, headers and retention by age. The wall clock may step; durations that must not be affected
/// are measured in [`Uptime`].
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// From the form of Postgres, microseconds since 2000-01-01 00:00 UTC.
    ///
    /// <https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html>
    pub fn from_postgres(micros: i64) -> Self {
        Self(micros.saturating_add(POSTGRES_EPOCH_MICROS))
    }

    /// In the form of Postgres.
    pub fn to_postgres(self) -> i64 {
        self.0.saturating_sub(POSTGRES_EPOCH_MICROS)
    }

    /// Whole seconds since 1970, rounded down, as in `webhook-timestamp`.
    pub fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// RFC 3339 in UTC, to the millisecond; empty beyond the year 9999.
    pub fn to_rfc3339(self) -> String {
        jiff::Timestamp::from_microsecond(self.0).map(|at| format!("{at:.3}")).unwrap_or_default()
    }

    /// Parses RFC 3339, with any offset.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|at| Self(at.as_microsecond()))
    }

    /// The time after `wait`.
    #[must_use]
    pub fn plus(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The time since `earlier`; zero if it is in the future, because the clock stepped back.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// Milliseconds that the sidecar has been running, over all its starts with this spool.
///
/// `give_up_after` and `order_wait` are measured in it, so that time during which the sidecar is down does
/// not count against a receiver, and a stepped clock has no effect.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Uptime(pub u64);

impl Uptime {
    /// The uptime between `earlier` and this; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The uptime after `wait`.
    #[must_use]
    pub fn plus(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Display for Uptime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

/// From 1970-01-01 to 2000-01-01, in microseconds.
const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgres_counts_from_the_year_2000() {
        assert_eq!(Timestamp::from_postgres(0).unix_seconds(), 946_684_800);
        assert_eq!(Timestamp::from_postgres(17).to_postgres(), 17);
    }

    #[test]
    fn a_moment_is_written_and_read_as_rfc_3339() {
        let at = Timestamp(1_700_000_000_123_000);
        assert_eq!(at.to_rfc3339(), "2023-11-14T22:13:20.123Z");
        assert_eq!(Timestamp::from_rfc3339("2023-11-14T23:13:20.123+01:00"), Some(at));
        assert_eq!(Timestamp::from_rfc3339("2023-11-14 yesterday"), None);
    }

    #[test]
    fn a_clock_stepped_back_is_no_time_at_all() {
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
        assert_eq!(Uptime(5).since(Uptime(9)), Duration::ZERO);
    }
}
