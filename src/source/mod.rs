//! Postgres → frames, and everything that is asked or made on the server by ordinary SQL.

/// What the catalog says of a table.
pub mod catalog;
/// What can be wrong on the server, before it is.
pub mod doctor;
/// SELECTs over the documents table.
pub mod documents;
/// Which columns tell one row from another.
pub mod identity;
/// The publication.
pub mod publication;
/// Names and texts as SQL writes them.
pub mod quote;
/// What is wrong, and what cures it.
pub mod refusal;
/// The server's settings.
pub mod settings;
/// Makes and removes publication and slot.
pub mod setup;
/// The replication slot.
pub mod slot;
/// The table at one place of the log.
pub mod snapshot;
/// All of it, read at once.
pub mod survey;
/// The forms of types' texts.
pub mod types;
