//! What the catalog says about a table, as values. No I/O, no clock.
//!
//! In: the catalog's rows, read by [`source`](crate::source). Out: the table with its columns, replica
//! identity and unique indexes; the text forms of its types; the values of columns that were added after
//! the rows; when a document is excluded. Guarantees: texts that SQL compares as equal have the same
//! canonical form, and a missing value is reported as certain only if the catalog proves it.

/// The values of columns that were added after the rows.
pub(crate) mod added;
/// The text forms of types.
pub(crate) mod types;

mod column_type;
mod excluded;
pub(crate) mod sql_names;
mod table;

pub use added::{AddedColumns, Filenodes, MissingValue, StreamSchema};
pub use column_type::{ColumnType, TypeClass};
pub(crate) use excluded::BOOL;
pub use excluded::ExcludedWhen;
pub use table::{Column, Generated, Kind, Partition, Persistence, ReplicaIdentity, Table, UniqueIndex};
pub use types::{Element, TypeForm, TypeKind, canonical};
