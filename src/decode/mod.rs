//! The bytes of pgoutput, protocol 1 → changes. No I/O, no clock; no input panics.
//!
//! What comes out borrows from what came in. NULL, unchanged and a value are three things.
//! <https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html>

mod message;
mod reader;
mod tuple;

pub use crate::relation::ReplicaIdentity;
pub use message::{Column, Message, OldTuple, Relation};
pub use reader::Malformed;
pub use tuple::{Cell, Tuple};
