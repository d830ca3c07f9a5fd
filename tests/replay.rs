//! What was sent is sent again from a place or time on, and what was given up once more.

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

#[path = "replay/dead.rs"]
mod dead;
#[path = "replay/ranges.rs"]
mod ranges;
#[path = "replay/scene.rs"]
mod scene;
#[path = "replay/weather.rs"]
mod weather;
#[path = "replay/window.rs"]
mod window;
