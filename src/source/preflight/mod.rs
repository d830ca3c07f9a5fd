//! Checks before a start. In: a session and what the settings require. Out: the server's state, the
//! findings of `sidecar doctor`, and the steps that create or drop publication and slot.
//!
//! Guarantees: only [`setup`] writes; a state in which changes would be lost, or the application's writes
//! would fail, is a violation; every step is safe to repeat.

/// The role of each column.
pub mod column_roles;
/// The checks of `sidecar doctor`.
pub mod doctor;
/// Checks on a sample of documents.
pub mod sample;
/// The server's state, read at once.
pub mod server_state;
/// Creates and drops publication and slot.
pub mod setup;
/// The standbys, as the primary reports them.
pub mod standbys;

mod encoding;
mod finding;

pub use finding::{Finding, Severity};
