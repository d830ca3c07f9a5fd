//! What the sidecar says to people and scripts, and how it treats their database meanwhile.

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

#[path = "manners/commands.rs"]
mod commands;
#[path = "manners/lsns.rs"]
mod lsns;
#[path = "manners/not_kept.rs"]
mod not_kept;
#[path = "manners/scene.rs"]
mod scene;
