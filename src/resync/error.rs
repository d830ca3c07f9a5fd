//! Why a comparison ends early.

use crate::capture::GroupError;
use crate::classify::{Layout, Row, Unreadable, Unresolved};
use crate::source::SourceError;
use crate::source::snapshot::RowsError;
use crate::spool::{ScratchError, SpoolError};

/// Why a comparison ended early. What it made durable is made good use of by the next.
#[derive(Debug, thiserror::Error)]
pub enum ResyncError {
    /// A column that the mapping names is not there.
    #[error(transparent)]
    ColumnMissing(#[from] Unresolved),
    /// It was told to end.
    #[error("told to end")]
    Stopped,
    /// An entry cannot be read, or the spool failed.
    #[error(transparent)]
    GroupWriter(#[from] GroupError),
    /// A row cannot be read.
    #[error("the row with {row}: {error}. Then the comparison goes on by itself")]
    Row {
        /// Its identity.
        row: String,
        /// What is wrong with it.
        error: Unreadable,
    },
    /// More documents are gone than `recovery.missing_max` lets pass. Nothing was made.
    #[error(
        "{gone} of {live} live documents are gone from the table, more than `recovery.missing_max` lets pass"
    )]
    TooManyGone {
        /// Documents that no row shows any more.
        gone: u64,
        /// Documents that were live.
        live: u64,
    },
    /// Its scratch file.
    #[error("write the scratch file of the comparison: {0}")]
    Scratch(#[from] ScratchError),
    /// There is no room: the snapshot is given up, and taken anew later.
    #[error("the spool is full")]
    SpoolFull,
    /// The server or the way to it.
    #[error("read the table: {0}")]
    Source(#[from] SourceError),
}

impl From<RowsError<ResyncError>> for ResyncError {
    fn from(error: RowsError<ResyncError>) -> Self {
        match error {
            RowsError::Stopped(error) => error,
            RowsError::Source(error) => Self::Source(error),
        }
    }
}

impl From<SpoolError> for ResyncError {
    fn from(error: SpoolError) -> Self {
        Self::GroupWriter(error.into())
    }
}

impl ResyncError {
    /// Of a row that is not what it must be: with its identity.
    pub(super) fn of_row(error: GroupError, layout: &Layout, row: &Row<'_>) -> Self {
        match error {
            GroupError::Unreadable(error) => Self::Row { row: layout.shown_identity(row), error },
            other => other.into(),
        }
    }
}
