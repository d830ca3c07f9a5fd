//! Idle connections, reused for the next request to the same origin.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::HttpConnection;
use crate::clock::Clock;
use crate::deliver::http::target::Key;

/// Idle connections, of a bounded number, each for a bounded time.
#[derive(Clone, Default)]
pub(in crate::deliver) struct Pool(Arc<Mutex<IdleConnections>>);

#[derive(Default)]
struct IdleConnections {
    /// In the order of their last use.
    connections: VecDeque<IdleConnection>,
    is_swept: bool,
}

struct IdleConnection {
    key: Key,
    connection: HttpConnection,
    usable_until: Instant,
}

impl IdleConnection {
    fn is_usable(&self, now: Instant) -> bool {
        now < self.usable_until && !self.connection.is_closed()
    }
}

impl Pool {
    /// A connection that is not known to be closed.
    pub(in crate::deliver) fn take(&self, key: &Key) -> Option<HttpConnection> {
        let now = Clock::runtime();
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.connections.retain(|idle| idle.is_usable(now));
        let at = idle.connections.iter().rposition(|idle| idle.key == *key)?;
        idle.connections.remove(at).map(|idle| idle.connection)
    }

    /// Keeps a connection for the next request, until a time at the latest.
    pub(in crate::deliver) fn put(&self, key: Key, mut connection: HttpConnection, usable_until: Instant) {
        if usable_until <= Clock::runtime() {
            return;
        }
        connection.reused = true;
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.connections.len() == IDLE_MAX {
            idle.connections.pop_front();
        }
        idle.connections.push_back(IdleConnection { key, connection, usable_until });
        if !std::mem::replace(&mut idle.is_swept, true) {
            tokio::spawn(sweep(Arc::downgrade(&self.0)));
        }
    }
}

/// Until when a connection may begin another request: `age_max` bounds how long a change of its host's
/// addresses goes unseen, `keep_alive` is the timeout of the receiver's last response.
pub(in crate::deliver) fn usable_until(
    opened_at: Instant,
    age_max: Duration,
    now: Instant,
    keep_alive: Option<Duration>,
) -> Instant {
    let idle = keep_alive.map_or(IDLE_FOR, |timeout| timeout.saturating_sub(CLOSING_MARGIN).min(IDLE_FOR));
    (now + idle).min(opened_at.checked_add(age_max).unwrap_or(now + idle))
}

/// Closes connections that are no longer usable, until none is left.
async fn sweep(idle: Weak<Mutex<IdleConnections>>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let Some(idle) = idle.upgrade() else { return };
        let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Clock::runtime();
        idle.connections.retain(|idle| idle.is_usable(now));
        idle.is_swept = !idle.connections.is_empty();
        if !idle.is_swept {
            return;
        }
    }
}

const IDLE_MAX: usize = 1_024;
/// Without a `Keep-Alive` header.
const IDLE_FOR: Duration = Duration::from_mins(1);
/// A request that arrives as the receiver closes is lost.
const CLOSING_MARGIN: Duration = Duration::from_secs(1);
const SWEEP_EVERY: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_used_as_long_as_its_age_and_its_receiver_allow() {
        let opened_at = Clock::runtime();
        let seconds = Duration::from_secs;
        let now = opened_at + seconds(100);
        let left = |age_max, keep_alive| {
            usable_until(opened_at, age_max, now, keep_alive).saturating_duration_since(now)
        };
        assert_eq!(left(seconds(300), None), IDLE_FOR);
        assert_eq!(left(seconds(110), None), seconds(10));
        assert_eq!(left(seconds(90), None), Duration::ZERO);
        assert_eq!(left(Duration::ZERO, None), Duration::ZERO);
        assert_eq!(left(Duration::MAX, None), IDLE_FOR);
        assert_eq!(left(seconds(300), Some(seconds(5))), seconds(4));
        assert_eq!(left(seconds(102), Some(seconds(5))), seconds(2));
        assert_eq!(left(seconds(300), Some(seconds(1))), Duration::ZERO);
        assert_eq!(left(seconds(300), Some(seconds(3_600))), IDLE_FOR);
    }
}
