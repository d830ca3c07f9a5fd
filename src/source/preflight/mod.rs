//! Checks before a start. In: a session and what the settings require. Out: the server's state, the
//! findings of `sidecar doctor`, and the steps that create or remove publication and slot.
//!
//! Promised: nothing is written but by [`setup`]; a state in which changes would be lost, or the
//! application's writes would fail, is refused; every step is safe to repeat.

/// What each column is taken for.
pub mod column_roles;
/// What can be wrong on the server, before it is.
pub mod doctor;
/// A look at some documents.
pub mod sample;
/// All of it, read at once.
pub mod server_state;
/// Makes and removes publication and slot.
pub mod setup;
/// The standbys, as a primary sees them.
pub mod standbys;

mod encoding;
mod finding;

pub use finding::{Finding, Severity};
