//! The status, made at most once a second however many pages are open.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::admin::Status;
use crate::clock::Clock;

/// The last status that was made, and when.
pub(super) struct RecentStatus<T = Status>(Mutex<Option<(Duration, Arc<T>)>>);

impl<T> Default for RecentStatus<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> RecentStatus<T> {
    /// The last one, or a new one where that is too old. Those who ask meanwhile wait for the same.
    pub(super) fn get(&self, clock: Clock, make: impl FnOnce() -> T) -> Arc<T> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock.elapsed();
        if let Some((at, status)) = last.as_ref()
            && now.saturating_sub(*at) < KEPT_FOR
        {
            return Arc::clone(status);
        }
        let status = Arc::new(make());
        *last = Some((now, Arc::clone(&status)));
        status
    }

    /// Gives the memory of one that is too old back: with many lanes it is large.
    pub(super) fn forget_old(&self, clock: Clock) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock.elapsed();
        last.take_if(|(at, _)| now.saturating_sub(*at) >= KEPT_FOR);
    }
}

/// Less than the interval at which pages are made again, so that each sees a new one.
const KEPT_FOR: Duration = Duration::from_millis(900);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_serves_all_who_ask_within_a_second_and_then_nobody_holds_it() {
        let clock = Clock::manual(Box::leak(Box::default()));
        let recent = RecentStatus::<&str>::default();
        let first = recent.get(clock, || "first");
        clock.advance(Duration::from_millis(899));
        recent.forget_old(clock);
        assert!(Arc::ptr_eq(&first, &recent.get(clock, || "second")));
        clock.advance(Duration::from_millis(1));
        recent.forget_old(clock);
        assert_eq!(Arc::strong_count(&first), 1);
        assert_eq!(*recent.get(clock, || "second"), "second");
    }
}
