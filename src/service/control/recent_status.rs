//! The status, made at most once a second however many pages are open.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::admin::Status;
use crate::clock::Clock;

/// The last status that was made, and when.
#[derive(Default)]
pub(super) struct RecentStatus(Mutex<Option<(Duration, Arc<Status>)>>);

impl RecentStatus {
    /// The last one, or a new one where that is too old. Those who ask meanwhile wait for the same.
    pub(super) fn get(&self, clock: Clock, make: impl FnOnce() -> Status) -> Arc<Status> {
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
}

/// Less than the interval at which pages are made again, so that each sees a new one.
const KEPT_FOR: Duration = Duration::from_millis(900);
