//! Every reason for a lane to wake up at a time.

use crate::time::Uptime;

/// Until when something keeps a lane from its next request, or from giving records up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::deliver) enum Timer {
    /// The oldest pending record waits for more, `batch.wait_max`.
    BatchWait,
    /// `delivery.give_up_after` without a success ends, or the next records become as old.
    GiveUp,
    /// The next pending record waits for a lane that fails, `delivery.order_wait`.
    OrderWait,
    /// The replay's rate allows its next batch.
    RateLimit,
    /// As `OrderWait`, for what a replay sends.
    ReplayOrderWait,
    /// The wait after a failed attempt.
    Retry,
    /// The wait after a write to the spool that failed.
    WriteRetry,
}

/// At most one time for each [`Timer`]. A timer that is not set holds nothing up; nor does one whose time has
/// come, so that none has to be stopped on expiry.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TimerTable([Option<Uptime>; Timer::ALL.len()]);

impl Timer {
    pub(in crate::deliver) const ALL: [Self; 7] = [
        Self::BatchWait,
        Self::GiveUp,
        Self::OrderWait,
        Self::RateLimit,
        Self::ReplayOrderWait,
        Self::Retry,
        Self::WriteRetry,
    ];
}

impl TimerTable {
    /// Sets the timer, or stops it.
    pub(super) fn set(&mut self, timer: Timer, at: Option<Uptime>) {
        if let Some(slot) = self.0.get_mut(timer as usize) {
            *slot = at;
        }
    }

    pub(super) fn stop(&mut self, timer: Timer) {
        self.set(timer, None);
    }

    pub(super) fn get(&self, timer: Timer) -> Option<Uptime> {
        self.0.get(timer as usize).copied().flatten()
    }

    /// Whether its time is still to come.
    pub(super) fn is_running(&self, timer: Timer, now: Uptime) -> bool {
        self.get(timer).is_some_and(|at| at > now)
    }

    /// When the last of these has expired; `None`: all have.
    pub(super) fn last_of(&self, timers: &[Timer], now: Uptime) -> Option<Uptime> {
        timers.iter().filter_map(|timer| self.get(*timer)).filter(|at| *at > now).max()
    }
}
