//! What the catalog says of a table, as values. No I/O, no clock.
//!
//! In: the catalog's rows, read by [`source`](crate::source). Out: the table with its columns, replica
//! identity and unique indexes; the forms of its types' texts; what rows hold in columns that were added
//! after them; when a document is excluded. Promised: texts that SQL compares as equal are the same in
//! their canonical form, and a default is taken for certain only where the catalog proves it.

/// What rows hold in columns that were added after them.
pub(crate) mod added;
/// The forms of types' texts.
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
