//! How far the slot was behind at each look at it: the lag in seconds, and when it catches up. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Timestamp;

/// What the last looks at the slot found.
#[derive(Clone, Debug, Default)]
pub(super) struct SlotHistory {
    looks: VecDeque<Look>,
    /// When the confirmed LSN was first seen.
    confirmed_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    at: Timestamp,
    /// The end of the server's WAL, in bytes.
    written: u64,
    /// The slot's confirmed LSN, in bytes.
    confirmed: u64,
}

impl SlotHistory {
    /// The end of the server's WAL, and what of it the slot has confirmed.
    pub(super) fn push(&mut self, at: Timestamp, written: u64, confirmed: u64) {
        if self.looks.back().is_none_or(|last| last.confirmed != confirmed) {
            self.confirmed_at = Some(at);
        }
        self.looks.push_back(Look { at, written, confirmed });
        while self.looks.len() > RATE_LOOKS
            && self.looks.front().is_some_and(|look| look.written <= confirmed)
        {
            self.looks.pop_front();
        }
        if self.looks.len() > LOOKS_MAX {
            // Every second one of the older half: a long lag needs no precision of seconds.
            let mut at = 0;
            self.looks.retain(|_| {
                at += 1;
                at > LOOKS_MAX / 2 || at % 2 == 1
            });
        }
    }

    /// When the confirmed LSN was first seen.
    pub(super) fn confirmed_at(&self) -> Option<Timestamp> {
        self.confirmed_at
    }

    /// For how long what is not confirmed has been written, at least: the time since the first look that found it.
    pub(super) fn lag(&self, confirmed: u64, now: Timestamp) -> Option<Duration> {
        self.looks.back()?;
        let behind = self.looks.iter().find(|look| look.written > confirmed);
        Some(behind.map_or(Duration::ZERO, |look| now.since(look.at)))
    }

    /// How long it takes to confirm what is written, at the rate of the last looks; `None`: it does not become less,
    /// or is too little to say.
    pub(super) fn catches_up_in(&self) -> Option<Duration> {
        let last = self.looks.back()?;
        let before = self.looks.iter().rev().nth(RATE_LOOKS - 1).or(self.looks.front())?;
        let lag = |look: &Look| look.written.saturating_sub(look.confirmed);
        let (left, shrunk) = (lag(last), lag(before).checked_sub(lag(last)).filter(|shrunk| *shrunk > 0)?);
        let micros = u128::from(left) * last.at.since(before.at).as_micros() / u128::from(shrunk);
        (left >= LEAST_BYTES).then_some(Duration::from_micros(u64::try_from(micros).ok()?))
    }
}

/// A minute, at one look in ten seconds.
const RATE_LOOKS: usize = 7;
const LOOKS_MAX: usize = 256;
/// Less is on its way.
const LEAST_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000_000)
    }

    #[test]
    fn the_lag_is_the_age_of_what_is_not_confirmed() {
        let mut history = SlotHistory::default();
        assert_eq!(history.lag(0, at(0)), None);
        history.push(at(0), 100, 100);
        history.push(at(10), 200, 100);
        history.push(at(20), 300, 100);
        assert_eq!(history.lag(300, at(25)), Some(Duration::ZERO));
        assert_eq!(history.lag(200, at(25)), Some(Duration::from_secs(5)));
        assert_eq!(history.lag(100, at(25)), Some(Duration::from_secs(15)));
        assert_eq!(history.confirmed_at(), Some(at(0)));
        history.push(at(30), 300, 300);
        assert_eq!(history.confirmed_at(), Some(at(30)));
    }

    #[test]
    fn a_long_lag_is_kept_in_few_looks() {
        let mut history = SlotHistory::default();
        (0..100_000).for_each(|n| history.push(at(n * 10), 1_000 + n.unsigned_abs(), 0));
        assert!(history.looks.len() <= LOOKS_MAX, "{}", history.looks.len());
        assert_eq!(history.lag(0, at(1_000_000)), Some(Duration::from_secs(1_000_000)));
    }

    #[test]
    fn it_catches_up_at_the_rate_of_the_last_minute() {
        let mut history = SlotHistory::default();
        let mib = |mib: u64| mib << 20;
        history.push(at(0), mib(1_000), mib(0));
        assert_eq!(history.catches_up_in(), None);
        // 30 MiB of lag less in 10 s.
        history.push(at(10), mib(1_010), mib(40));
        assert_eq!(history.catches_up_in(), Some(Duration::from_micros(323_333_333)));
        let mut grows = SlotHistory::default();
        grows.push(at(0), mib(10), 0);
        grows.push(at(10), mib(30), mib(10));
        assert_eq!(grows.catches_up_in(), None);
        let mut little = SlotHistory::default();
        little.push(at(0), 1_000, 0);
        little.push(at(10), 1_000, 900);
        assert_eq!(little.catches_up_in(), None, "it is on its way");
    }
}
