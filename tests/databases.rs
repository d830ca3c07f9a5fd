//! Databases that differ from those that the other tests use: wide tables, texts that are no UTF-8,
//! sessions that may not write or are ended.

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

#[path = "databases/encoding.rs"]
mod encoding;
#[path = "databases/read_only.rs"]
mod read_only;
#[path = "databases/told.rs"]
mod told;
#[path = "databases/wide.rs"]
mod wide;
