//! The program and its parts against real Postgres servers, real sockets and a real disk. One binary, so that the
//! library is linked once, the servers start once, and every test runs beside others: most wait for sockets.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a test fails loudly, and is its own documentation"
)]

mod access;
mod catalog;
mod databases;
mod delivery;
mod e2e;
mod failover;
mod faults;
mod operations;
mod page;
mod replay;
mod replication;
mod resync;
mod schema;
mod support;
