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

#[path = "manners/columns.rs"]
mod columns;
#[path = "manners/commands.rs"]
mod commands;
#[path = "manners/foreign.rs"]
mod foreign;
#[path = "manners/locks.rs"]
mod locks;
#[path = "manners/lsns.rs"]
mod lsns;
#[path = "manners/not_kept.rs"]
mod not_kept;
#[path = "manners/outage.rs"]
mod outage;
#[path = "manners/scene.rs"]
mod scene;
#[path = "manners/starts.rs"]
mod starts;
