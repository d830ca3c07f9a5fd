//! Why the stream is not applied further.

use super::group_writer::GroupError;
use super::replica_identity::IncompleteReplicaIdentity;
use crate::classify::{TableName, Unresolved};
use crate::position::Lsn;

/// Why the stream is not applied beyond a message. Everything before the message is applied, and nothing after
/// it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ApplyError {
    /// The query of the catalog failed.
    #[error("query the catalog about the table: {0}")]
    Catalog(String),
    /// A column that the mapping or the identity names is missing.
    #[error("{0}")]
    ColumnMissing(Unresolved),
    /// The disk is full. Reading resumes by itself.
    #[error("the spool's disk is full")]
    DiskFull,
    /// A change cannot be applied.
    #[error("at {lsn}, {table}: {error}")]
    GroupWriter {
        /// The transaction's commit LSN.
        lsn: Lsn,
        /// The documents' table.
        table: TableName,
        /// The reason.
        error: GroupError,
    },
    /// A row cannot be identified.
    #[error("at {lsn}: {found}")]
    IncompleteReplicaIdentity {
        /// The transaction's commit LSN.
        lsn: Lsn,
        /// The table, and the columns that its replica identity lacks.
        found: IncompleteReplicaIdentity,
    },
    /// A message cannot be decoded.
    #[error("malformed message after {lsn}: {what}")]
    Malformed {
        /// The LSN of the last message that was decoded.
        lsn: Lsn,
        /// The reason.
        what: String,
    },
    /// Only records of healthy lanes are left in the spool. Reading resumes by itself.
    #[error("the spool is full: nothing is left in it but records that wait for healthy receivers")]
    SpoolFull,
    /// Another table has the name now; changes of the one before it may be missing.
    #[error("at {lsn}: the table {table} was dropped and created again")]
    TableReplaced {
        /// The transaction's commit LSN.
        lsn: Lsn,
        /// The table's name.
        table: String,
    },
    /// The stream is applied up to [`Documents::until`](super::Documents::until), and ends there.
    #[error("reached {0}")]
    TargetReached(Lsn),
}
