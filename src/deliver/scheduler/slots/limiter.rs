//! What is used of the limits of webhooks or hosts, and who waits for them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::key::Line;
use crate::deliver::request_limits::{RequestLimits, RequestRate};
use crate::time::Uptime;

/// By webhook, or by host.
#[derive(Debug, Default)]
pub(super) struct Limiters {
    used: HashMap<Arc<str>, Limiter>,
    /// When rates allow the next request of those that are waited for.
    wake_ups: BTreeSet<(Uptime, Arc<str>)>,
}

#[derive(Debug, Default)]
struct Limiter {
    /// No request begins before this, in microseconds of uptime.
    next_at: u64,
    /// Closed until the limit allows a request.
    closed: Vec<Line>,
}

impl Limiters {
    /// Whether a request may begin where so many are in flight. `goes_on`: it did as far as the rate is
    /// concerned.
    pub(super) fn allows(
        &self,
        id: &str,
        limits: RequestLimits,
        in_flight: usize,
        goes_on: bool,
        now: Uptime,
    ) -> bool {
        let fits = limits.in_flight_max.is_none_or(|max| in_flight < max as usize);
        let is_early = || self.used.get(id).is_some_and(|limiter| limiter.wakes_at() > now);
        fits && (goes_on || limits.rate.is_none() || !is_early())
    }

    /// The line is closed until [`Limiters::freed`] or [`Limiters::woken`] returns it.
    pub(super) fn close(&mut self, id: &Arc<str>, line: Line, now: Uptime) {
        let limiter = self.used.entry(Arc::clone(id)).or_default();
        limiter.closed.push(line);
        if limiter.wakes_at() > now {
            self.wake_ups.insert((limiter.wakes_at(), Arc::clone(id)));
        }
    }

    /// A request begins, at this rate.
    pub(super) fn take(&mut self, id: &Arc<str>, rate: RequestRate, now: Uptime) {
        if self.used.len() >= LIMITERS_MAX && !self.used.contains_key(id) {
            self.used.retain(|_, limiter| !limiter.closed.is_empty() || limiter.wakes_at() > now);
        }
        let limiter = self.used.entry(Arc::clone(id)).or_default();
        let earliest = micros(now).saturating_sub(LATE_MICROS_MAX);
        limiter.next_at = limiter.next_at.max(earliest).saturating_add(interval(rate));
    }

    /// A request ended: the lines that may go on.
    pub(super) fn freed(&mut self, id: &str) -> Vec<Line> {
        self.used.get_mut(id).map(|limiter| std::mem::take(&mut limiter.closed)).unwrap_or_default()
    }

    /// A request that began was not made.
    pub(super) fn refund(&mut self, id: &str, rate: RequestRate) {
        if let Some(limiter) = self.used.get_mut(id) {
            limiter.next_at = limiter.next_at.saturating_sub(interval(rate));
        }
    }

    /// The lines that may go on as the time has come.
    pub(super) fn woken(&mut self, now: Uptime) -> Vec<Line> {
        let mut lines = Vec::new();
        while self.deadline().is_some_and(|at| at <= now) {
            let Some((_, id)) = self.wake_ups.pop_first() else { break };
            lines.extend(self.freed(&id));
        }
        lines
    }

    /// When the first line that waits for a rate may go on.
    pub(super) fn deadline(&self) -> Option<Uptime> {
        self.wake_ups.first().map(|(at, _)| *at)
    }
}

impl Limiter {
    /// The millisecond in which its next request may begin.
    fn wakes_at(&self) -> Uptime {
        Uptime(self.next_at / 1_000)
    }
}

fn micros(at: Uptime) -> u64 {
    at.0.saturating_mul(1_000)
}

fn interval(rate: RequestRate) -> u64 {
    u64::try_from(rate.interval().as_micros()).unwrap_or(u64::MAX)
}

/// How much lateness of wake-ups is made up, so that a rate is reached.
const LATE_MICROS_MAX: u64 = 20_000;
/// The number of limiters above which idle ones are removed.
const LIMITERS_MAX: usize = 4_096;
