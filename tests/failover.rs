//! The database is another one than it was: a standby that was promoted, a copy that was restored, another
//! cluster; or the spool is an older one. Real clusters, on each version.

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

#[path = "failover/promoted.rs"]
mod promoted;
#[path = "failover/restored.rs"]
mod restored;
#[path = "failover/scene.rs"]
mod scene;
