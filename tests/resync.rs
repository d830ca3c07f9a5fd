//! What the stream cannot tell is found by comparing: exactly the differences go out.

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

#[path = "resync/asked.rs"]
mod asked;
#[path = "resync/corners.rs"]
mod corners;
#[path = "resync/gaps.rs"]
mod gaps;
#[path = "resync/halts.rs"]
mod halts;
#[path = "resync/scene.rs"]
mod scene;
#[path = "resync/writers.rs"]
mod writers;
