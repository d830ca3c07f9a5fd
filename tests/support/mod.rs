//! What tests against the real program share.

#![allow(
    dead_code,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "a test fails loudly, is its own documentation, and uses what it needs of this"
)]

pub mod check;
pub mod cluster;
pub mod database;
pub mod model;
pub mod port;
pub mod process;
pub mod proxy;
pub mod receiver;
pub mod schemas;
pub mod server;
pub mod tmpfs;
pub mod workload;

use std::time::{Duration, Instant};

/// Waits for a condition. Where it is not met in time, says what it waited for, and how long.
pub async fn until<T>(what: &str, met: impl AsyncFnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, met).await
}

/// As [`until`], for at most `patience`.
pub async fn until_within<T>(patience: Duration, what: &str, mut met: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = met().await {
            return found;
        }
        assert!(began.elapsed() < patience, "waited {patience:?} for {what}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// As [`until`], in a test without a runtime.
pub fn until_blocking<T>(what: &str, mut met: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = met() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// No machine is slower than this, however many tests run beside one another.
pub const PATIENCE: Duration = Duration::from_mins(2);
pub const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The versions that are tested.
pub const VERSIONS: [u32; 2] = [15, 18];
