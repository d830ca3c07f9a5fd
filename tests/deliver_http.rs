//! The right loop against real sockets: what receivers do, and what becomes of the records.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "a test fails loudly, and is its own documentation"
)]

#[path = "deliver_http/lab.rs"]
mod lab;
#[path = "deliver_http/receiver.rs"]
mod receiver;
#[path = "deliver_http/tls.rs"]
mod tls;

#[path = "deliver_http/again.rs"]
mod again;
#[path = "deliver_http/answers.rs"]
mod answers;
#[path = "deliver_http/batches.rs"]
mod batches;
#[path = "deliver_http/deadline.rs"]
mod deadline;
#[path = "deliver_http/http2.rs"]
mod http2;
#[path = "deliver_http/network.rs"]
mod network;
#[path = "deliver_http/stale.rs"]
mod stale;
#[path = "deliver_http/status.rs"]
mod status;

/// Waits for something that has no bell.
fn until(what: &str, done: impl Fn() -> bool) {
    let by = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !done() {
        assert!(std::time::Instant::now() < by, "waited for {what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
