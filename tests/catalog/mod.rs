//! The SQL side of the source against real servers, the oldest and the newest that are tested.

mod doctor;
mod fixture;
mod roles;
mod setup;
mod snapshot;
mod standbys;
mod tables;
