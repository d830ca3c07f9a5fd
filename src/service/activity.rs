//! What was done in the last hour: the difference of the counters, every ten seconds.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::admin::{Activity, Interval};
use crate::metrics::{AttemptLabel, CallbackLabel, Metrics};
use crate::outcome::OutcomeKind;
use crate::record::Callback;

/// The intervals of the last hour, and the counters at the end of the last one.
#[derive(Default)]
pub(super) struct RecentActivity(Mutex<(VecDeque<Interval>, Interval)>);

impl RecentActivity {
    /// Ends an interval.
    pub(super) fn sample(&self, metrics: &Metrics, spool_bytes: u64) {
        let now = Interval { spool_bytes, ..counters(metrics) };
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (intervals, before) = &mut *held;
        intervals.push_back(Interval {
            records: now.records.saturating_sub(before.records),
            delivered: now.delivered.saturating_sub(before.delivered),
            failed: now.failed.saturating_sub(before.failed),
            spool_bytes,
        });
        if intervals.len() > INTERVALS {
            intervals.pop_front();
        }
        *before = now;
    }

    /// How long so many bytes last at the rate of the last hour; `None`: the spool does not grow.
    pub(super) fn full_in(&self, bytes_left: u64) -> Option<Duration> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, last) = (held.0.front()?, held.0.back()?);
        let grown = last.spool_bytes.checked_sub(first.spool_bytes).filter(|grown| *grown > 0)?;
        let took = EVERY.as_secs() * held.0.len().saturating_sub(1) as u64;
        let seconds = u128::from(bytes_left) * u128::from(took) / u128::from(grown);
        // Beyond that, nobody plans.
        u32::try_from(seconds).ok().map(|seconds| Duration::from_secs(seconds.into()))
    }

    pub(super) fn activity(&self) -> Activity {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Activity { interval_seconds: EVERY.as_secs(), intervals: held.0.iter().copied().collect() }
    }
}

/// Counters that nothing has counted yet are not made: they would be exported.
fn counters(metrics: &Metrics) -> Interval {
    let attempts = |callback, outcome: OutcomeKind| {
        metrics.attempts.get(&AttemptLabel { callback, outcome }).map_or(0, |counter| counter.get())
    };
    let of_callback = |callback| {
        let all = OutcomeKind::ALL.map(|outcome| attempts(callback, outcome)).iter().sum::<u64>();
        let delivered = attempts(callback, OutcomeKind::Delivered);
        let records = metrics.records.get(&CallbackLabel { callback }).map_or(0, |counter| counter.get());
        (records, delivered, all - delivered)
    };
    Callback::ALL.map(of_callback).iter().fold(Interval::default(), |sum, (records, delivered, failed)| {
        Interval {
            records: sum.records + records,
            delivered: sum.delivered + delivered,
            failed: sum.failed + failed,
            spool_bytes: 0,
        }
    })
}

/// The length of an interval.
pub(super) const EVERY: Duration = Duration::from_secs(10);
/// An hour.
const INTERVALS: usize = 360;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_holds_what_was_counted_in_it_and_an_hour_is_kept() {
        let (metrics, activity) = (Metrics::unregistered(), RecentActivity::default());
        let callback = Callback::Ingested;
        metrics.records.get_or_create(&CallbackLabel { callback }).inc_by(5);
        activity.sample(&metrics, 7);
        let label = AttemptLabel { callback, outcome: OutcomeKind::Timeout };
        metrics.attempts.get_or_create(&label).inc_by(2);
        metrics.attempts.get_or_create(&AttemptLabel { outcome: OutcomeKind::Delivered, ..label }).inc();
        activity.sample(&metrics, 8);
        let expected = [
            Interval { records: 5, spool_bytes: 7, ..Interval::default() },
            Interval { delivered: 1, failed: 2, spool_bytes: 8, ..Interval::default() },
        ];
        assert_eq!(activity.activity().intervals, expected);
        assert_eq!(activity.full_in(5), Some(Duration::from_secs(50)), "a byte in ten seconds");
        (0..INTERVALS).for_each(|_| activity.sample(&metrics, 9));
        assert_eq!(
            activity.activity().intervals,
            [Interval { spool_bytes: 9, ..Interval::default() }; INTERVALS]
        );
        assert_eq!(activity.full_in(5), None, "it does not grow");
    }
}
