//! The SQL side of the source against real servers, the oldest and the newest that are tested.

mod catalog;
mod doctor;
mod fixture;
mod roles;
mod setup;
mod snapshot;
mod standbys;
