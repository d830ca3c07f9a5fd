//! Every part dies, stands still, lies or runs out of room, while the application writes: nothing is
//! lost, changed, out of order, or told to the wrong project.

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

#[path = "crash/damage.rs"]
mod damage;
#[path = "crash/edges.rs"]
mod edges;
#[path = "crash/fault.rs"]
mod fault;
#[path = "crash/matrix.rs"]
mod matrix;
#[path = "crash/slot.rs"]
mod slot;
#[path = "crash/storm.rs"]
mod storm;
