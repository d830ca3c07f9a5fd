//! The SQL side of the source against real servers, the oldest and the newest that are tested.

#[path = "source_sql/lab.rs"]
mod lab;

#[path = "source_sql/catalog.rs"]
mod catalog;
#[path = "source_sql/doctor.rs"]
mod doctor;
#[path = "source_sql/server.rs"]
mod server;
#[path = "source_sql/setup.rs"]
mod setup;
#[path = "source_sql/snapshot.rs"]
mod snapshot;
