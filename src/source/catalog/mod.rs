//! Queries of the system catalog. In: a session and names. Out: the table with its columns, types and
//! indexes, the publication and the slot, as values; and what makes one of them unusable, with the SQL
//! that fixes it.
//!
//! Guarantees: nothing is written; every query takes its names as parameters or quotes them, and calls only
//! functions of `pg_catalog`.

/// The values of columns that were added after the rows were written.
pub mod added;
/// The types of columns.
pub mod column_types;
/// The columns that identify a row.
pub mod identity;
/// The publication.
pub mod publication;
/// The types that fit each role.
pub mod roles;
/// The server's settings.
pub mod server_settings;
/// The replication slot.
pub mod slot;
/// The text forms of types.
pub mod types;
/// The values that mark excluded documents, as the server writes them.
pub mod values;
/// A requirement that the server does not meet, and the SQL that fixes it.
pub mod violation;

mod table;

pub use table::{name, nearest, table};
