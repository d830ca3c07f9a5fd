//! The replication client against real servers, and against one that misbehaves.

#![expect(clippy::expect_used, clippy::panic, reason = "what a test needs and does not get fails it")]

#[path = "support/server.rs"]
#[allow(
    dead_code,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "shared with tests that use more of it"
)]
mod cluster;
#[path = "source_client/server.rs"]
mod server;

#[path = "source_client/admission.rs"]
mod admission;
#[path = "source_client/misbehaving.rs"]
mod misbehaving;
#[path = "source_client/rotation.rs"]
mod rotation;
#[path = "source_client/streaming.rs"]
mod streaming;
#[path = "source_client/tls.rs"]
mod tls;
