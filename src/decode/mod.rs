//! The bytes of pgoutput, protocol version 1 → changes. No I/O, no clock; no input panics.
//!
//! The output borrows from the input. NULL, an unchanged value and a value are three different cells.
//! <https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html>

mod message;
mod reader;
mod tuple;

pub use crate::relation::ReplicaIdentity;
pub use message::{Column, Message, OldTuple, Relation};
pub use reader::Malformed;
pub use tuple::{Cell, Tuple};
