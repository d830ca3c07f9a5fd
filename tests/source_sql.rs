//! The SQL side of the source against real servers, the oldest and the newest that are tested.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "a test fails loudly, and is its own documentation"
)]

#[path = "source_sql/lab.rs"]
mod lab;

#[path = "source_sql/catalog.rs"]
mod catalog;
#[path = "source_sql/doctor.rs"]
mod doctor;
#[path = "source_sql/roles.rs"]
mod roles;
#[path = "support/server.rs"]
mod server;
#[path = "source_sql/setup.rs"]
mod setup;
#[path = "source_sql/snapshot.rs"]
mod snapshot;
#[path = "source_sql/standbys.rs"]
mod standbys;
