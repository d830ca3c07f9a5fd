//! While the stream is behind, lanes wait longer for fuller requests: as long as each group says, and no longer than
//! groups follow each other.

use std::time::Duration;

use crate::time::Uptime;

/// How much longer than `batch.wait_max_ms` lanes wait for more.
#[derive(Debug, Default)]
pub(super) struct ExtraWait {
    wait: Duration,
    /// It ends then, unless another group comes. `None`: nothing waits longer.
    ends_at: Option<Uptime>,
}

impl ExtraWait {
    /// That of the records that are appended now.
    pub(super) fn wait(&self) -> Duration {
        self.wait
    }

    pub(super) fn ends_at(&self) -> Option<Uptime> {
        self.ends_at
    }

    /// A group came, whose records may wait so much longer. Returns whether that ends the waits before it.
    pub(super) fn set(&mut self, wait: Duration, now: Uptime) -> bool {
        let waited = self.ends_at.is_some();
        *self = Self { wait, ends_at: (!wait.is_zero()).then(|| now.plus(QUIET)) };
        waited && wait.is_zero()
    }

    /// Ends it where no group has come for long enough. Returns whether that was so.
    pub(super) fn ends(&mut self, now: Uptime) -> bool {
        let ends = self.ends_at.is_some_and(|at| at <= now);
        if ends {
            *self = Self::default();
        }
        ends
    }
}

/// A stream that brings nothing for so long has caught up, or is interrupted. The largest group takes less.
const QUIET: Duration = Duration::from_secs(2);
