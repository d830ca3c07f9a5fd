//! What systemd is told (`Type=notify`): that the service runs, its state in one line, that it is alive, and
//! that it reads its settings or stops. Without `NOTIFY_SOCKET` nothing is sent.
//!
//! Ready means to systemd that commands and the admin port answer. A first start may take hours, and Postgres may
//! be away: that is in the status, and `/-/ready` says it.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;

use super::control::Controller;
use crate::admin::Control as _;

/// The service runs, and its settings are read.
pub(super) fn ready() {
    send(&[NotifyState::Ready]);
}

/// The settings are read again; [`ready`] ends it.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!("tell systemd of the reload: {error}"),
    }
}

/// The service stops.
pub(super) fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// Tells systemd the state, where it changes, and, while the delivery loop answers, that the service is alive.
pub(super) async fn watch(controller: Arc<Controller>) {
    let watchdog = sd_notify::watchdog_enabled();
    if watchdog.is_none() && std::env::var_os(SOCKET).is_none() {
        return;
    }
    // As sd_watchdog_enabled(3) advises, twice in each interval.
    let every = watchdog.map_or(STATUS_EVERY, |watchdog| (watchdog / 2).min(STATUS_EVERY));
    let mut shown = String::new();
    loop {
        let read = Arc::clone(&controller);
        let read = tokio::task::spawn_blocking(move || {
            let readiness = read.readiness();
            let status = if readiness.ready { "ready".to_owned() } else { readiness.reasons.join("; ") };
            (status, read.deliver.responds())
        });
        let Ok((status, responds)) = read.await else { return };
        if watchdog.is_some() && responds {
            send(&[NotifyState::Watchdog]);
        }
        // One line: a new one would be another variable.
        let status: String = status.replace(char::is_control, " ").chars().take(STATUS_MAX).collect();
        if status != shown {
            send(&[NotifyState::Status(&status)]);
            shown = status;
        }
        tokio::time::sleep(every).await;
    }
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!("notify systemd: {error}");
    }
}

const SOCKET: &str = "NOTIFY_SOCKET";
const STATUS_EVERY: Duration = Duration::from_secs(5);
const STATUS_MAX: usize = 500;
