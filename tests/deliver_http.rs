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

#[path = "deliver_http/again.rs"]
mod again;
#[path = "deliver_http/answers.rs"]
mod answers;
#[path = "deliver_http/batches.rs"]
mod batches;
#[path = "deliver_http/network.rs"]
mod network;
#[path = "deliver_http/status.rs"]
mod status;
