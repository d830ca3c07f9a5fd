//! Idle connections, reused for the next request to the same origin.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::HttpConnection;
use crate::deliver::http::connector::Key;

/// Idle connections, of a bounded number, each for a bounded time.
#[derive(Clone, Default)]
pub(in crate::deliver) struct Pool(Arc<Mutex<IdleConnections>>);

#[derive(Default)]
struct IdleConnections {
    /// In the order of their last use.
    wires: VecDeque<(Key, HttpConnection, Rests)>,
    is_swept: bool,
}

/// How many sweeps a connection has seen since it was used.
type Rests = u8;

impl Pool {
    /// A connection that is not known to be closed.
    pub(in crate::deliver) fn take(&self, key: &Key) -> Option<HttpConnection> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.wires.retain(|(_, wire, _)| !wire.is_closed());
        let at = idle.wires.iter().rposition(|(found, ..)| found == key)?;
        idle.wires.remove(at).map(|(_, wire, _)| wire)
    }

    /// Keeps a connection for the next request.
    pub(in crate::deliver) fn put(&self, key: Key, mut wire: HttpConnection) {
        wire.reused = true;
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.wires.len() == IDLE_MAX {
            idle.wires.pop_front();
        }
        idle.wires.push_back((key, wire, 0));
        if !std::mem::replace(&mut idle.is_swept, true) {
            tokio::spawn(sweep(Arc::downgrade(&self.0)));
        }
    }
}

/// Closes connections that were idle for a while, until none is left.
async fn sweep(idle: Weak<Mutex<IdleConnections>>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let Some(idle) = idle.upgrade() else { return };
        let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.wires.retain_mut(|(_, wire, rests)| {
            *rests += 1;
            *rests < RESTS_MAX && !wire.is_closed()
        });
        idle.is_swept = !idle.wires.is_empty();
        if !idle.is_swept {
            return;
        }
    }
}

const IDLE_MAX: usize = 1_024;
const SWEEP_EVERY: Duration = Duration::from_secs(20);
const RESTS_MAX: Rests = 3;
