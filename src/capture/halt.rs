//! Why the stream stops.

use super::group_writer::GroupError;
use super::replica_identity::IncompleteReplicaIdentity;
use crate::classify::{TableName, Unresolved};
use crate::position::Lsn;

/// Why the stream stops before a message. Nothing behind it was applied.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Halt {
    /// The catalog could not be asked.
    #[error("ask the catalog about the table: {0}")]
    Catalog(String),
    /// A column that the mapping or the identity names is not there.
    #[error("{0}")]
    ColumnMissing(Unresolved),
    /// The disk has no room. It goes on by itself.
    #[error("the spool's disk is full")]
    DiskFull,
    /// The place that was asked for: all before it is applied, nothing behind it.
    #[error("reached {0}")]
    Reached(Lsn),
    /// A change cannot be applied.
    #[error("at {lsn}, {table}: {error}")]
    GroupWriter {
        /// The transaction.
        lsn: Lsn,
        /// The documents' table.
        table: TableName,
        /// What is wrong.
        error: GroupError,
    },
    /// Bytes that are no message.
    #[error("malformed message after {lsn}: {what}")]
    Malformed {
        /// The last place that was understood.
        lsn: Lsn,
        /// What is wrong.
        what: String,
    },
    /// The log does not tell which document a row was.
    #[error("at {lsn}: {found}")]
    IncompleteReplicaIdentity {
        /// The transaction.
        lsn: Lsn,
        /// Whose replica identity it is, and what it lacks.
        found: IncompleteReplicaIdentity,
    },
    /// Only records of healthy lanes are left to remove. It goes on by itself.
    #[error("the spool is full: nothing is left in it but records that wait for healthy receivers")]
    SpoolFull,
    /// Another table bears the name now; what went with the old one was not told.
    #[error("at {lsn}: the table {table} was dropped and made again")]
    TableReplaced {
        /// The transaction.
        lsn: Lsn,
        /// Its name.
        table: String,
    },
}
