//! Failed logins: who guesses is slowed down.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::admin::request_error::RequestError;
use crate::clock::Clock;

type Limiter = RateLimiter<
    IpAddr,
    HashMapStateStore<IpAddr>,
    MonotonicClock,
    NoOpMiddleware<<MonotonicClock as governor::clock::Clock>::Instant>,
>;

/// Failed logins of each address.
pub(in crate::admin) struct FailedLogins {
    limiter: Limiter,
    /// Until when an address is refused without a look at what it sends.
    refused: Mutex<HashMap<IpAddr, tokio::time::Instant>>,
}

impl FailedLogins {
    pub(in crate::admin) fn new() -> Self {
        let quota = Quota::per_minute(PER_MINUTE);
        Self {
            limiter: RateLimiter::new(quota, HashMapStateStore::default(), MonotonicClock),
            refused: Mutex::default(),
        }
    }

    /// Refuses an address that failed too often.
    pub(in crate::admin) fn check(&self, address: IpAddr) -> Result<(), RequestError> {
        let now = Clock::runtime();
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(until) = refused.get(&address).copied() else { return Ok(()) };
        if until <= now {
            refused.remove(&address);
            return Ok(());
        }
        Err(too_many(until - now))
    }

    /// Counts a failure.
    pub(in crate::admin) fn failed(&self, address: IpAddr) {
        if self.limiter.len() > ADDRESSES_MAX {
            self.limiter.retain_recent();
        }
        if let Err(not_yet) = self.limiter.check_key(&address) {
            let wait = not_yet.wait_time_from(MonotonicClock.now());
            let now = Clock::runtime();
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            if refused.len() > ADDRESSES_MAX {
                refused.retain(|_, until| *until > now);
            }
            refused.insert(address, now + wait.max(LEAST_WAIT));
        }
    }
}

fn too_many(wait: Duration) -> RequestError {
    let seconds = wait.as_secs() + 1;
    RequestError::TooMany(format!("too many failed logins: wait {seconds} s"), seconds)
}

const PER_MINUTE: NonZeroU32 = NonZeroU32::new(10).unwrap();
const LEAST_WAIT: Duration = Duration::from_secs(5);
const ADDRESSES_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_guesses_is_refused_and_nobody_else() {
        let (logins, guesser) = (FailedLogins::new(), "192.0.2.1".parse().unwrap());
        for _ in 0..PER_MINUTE.get() {
            logins.failed(guesser);
            assert_eq!(logins.check(guesser), Ok(()));
        }
        logins.failed(guesser);
        assert!(matches!(logins.check(guesser), Err(RequestError::TooMany(_, 1..))));
        assert_eq!(logins.check("192.0.2.2".parse().unwrap()), Ok(()));
    }
}
