//! From a committed change to a delivered webhook: the real program between real servers and real
//! sockets.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails loudly, and is its own documentation"
)]

mod support;

#[path = "pipe/cases.rs"]
mod cases;
#[path = "pipe/changes.rs"]
mod changes;
#[path = "pipe/crash.rs"]
mod crash;
#[path = "pipe/disk.rs"]
mod disk;
#[path = "pipe/first.rs"]
mod first;
#[path = "pipe/isolation.rs"]
mod isolation;
#[path = "pipe/mappings.rs"]
mod mappings;
#[path = "pipe/room.rs"]
mod room;
#[path = "pipe/start.rs"]
mod start;
