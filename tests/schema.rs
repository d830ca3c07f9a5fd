//! The table and the publication changed while the sidecar runs: what the stream tells is told on, and
//! what it does not tell is noticed.

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

#[path = "schema/columns.rs"]
mod columns;
#[path = "schema/identity.rs"]
mod identity;
#[path = "schema/publication.rs"]
mod publication;
#[path = "schema/renamed.rs"]
mod renamed;
#[path = "schema/rewrites.rs"]
mod rewrites;
#[path = "schema/told.rs"]
mod told;
