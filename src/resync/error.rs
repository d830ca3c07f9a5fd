//! The errors of a comparison.

use crate::capture::GroupError;
use crate::classify::{Layout, Row, Unreadable, Unresolved};
use crate::source::SourceError;
use crate::source::documents::snapshot::RowsError;
use crate::spool::{ScratchError, SpoolError};

/// Why a comparison failed. The next one continues from what it committed.
#[derive(Debug, thiserror::Error)]
pub enum ResyncError {
    /// A column that the mapping names is missing.
    #[error(transparent)]
    ColumnMissing(#[from] Unresolved),
    /// It was stopped.
    #[error("stopped")]
    Stopped,
    /// An entry cannot be read, or the spool failed.
    #[error(transparent)]
    GroupWriter(#[from] GroupError),
    /// A row cannot be read.
    #[error("the row with {row}: {error}. Then the comparison goes on by itself")]
    Row {
        /// Its identity.
        row: String,
        /// Why it cannot be read.
        error: Unreadable,
    },
    /// More documents are gone than `recovery.missing_max` allows. No record was made.
    #[error(
        "{gone} of {live} live documents are gone from the table, more than `recovery.missing_max` allows"
    )]
    TooManyGone {
        /// Documents that are no longer in the table.
        gone: u64,
        /// Live documents in the shadow.
        live: u64,
    },
    /// Its scratch file failed.
    #[error("write the scratch file of the comparison: {0}")]
    Scratch(#[from] ScratchError),
    /// The spool is full: another snapshot is taken later.
    #[error("the spool is full")]
    SpoolFull,
    /// The server, or the connection to it, failed.
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
    /// The error of a row, with its identity.
    pub(super) fn of_row(error: GroupError, layout: &Layout, row: &Row<'_>) -> Self {
        match error {
            GroupError::Unreadable(error) => Self::Row { row: layout.shown_identity(row), error },
            other => other.into(),
        }
    }
}
