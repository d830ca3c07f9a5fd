//! Why there is no stream, by who must do something about it.

use super::decide::Block;
use crate::capture::GroupError;
use crate::resync::ResyncError;
use crate::source::SourceError;
use crate::source::catalog::violation::CatalogError;
use crate::source::documents::snapshot::SnapshotError;
use crate::spool::SpoolError;

/// Why there is no stream for now.
#[derive(Debug)]
pub(super) enum StreamError {
    /// Nothing is read until somebody decides.
    Blocked(Block),
    /// A setting or SQL must change.
    Refused(String),
    /// Another process reads from the slot.
    SlotHeld(String),
    SpoolFailed(SpoolError),
    /// The process stops.
    Stopped,
    /// A resync found more documents gone than `recovery.missing_max` allows.
    TooManyGone(String),
    /// It may be over at the next try.
    Transient(String),
    /// A requested resync is not possible, and ends.
    Unfit(String),
}

impl StreamError {
    /// Reading is blocked, delivery goes on.
    pub(super) fn blocked(why: String) -> Self {
        Self::Blocked(Block { why, holds_delivery: false })
    }
}

impl From<SourceError> for StreamError {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Refused(_) => Self::Refused(error.to_string()),
            SourceError::SlotActive(_) => Self::SlotHeld(error.to_string()),
            SourceError::Malformed { .. } | SourceError::Unreadable { .. } => {
                Self::blocked(error.to_string())
            }
            _ => Self::Transient(error.to_string()),
        }
    }
}

impl From<CatalogError> for StreamError {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Refused(_) => Self::Refused(error.to_string()),
            CatalogError::Source(error) => error.into(),
        }
    }
}

impl From<SnapshotError> for StreamError {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Catalog(error) => error.into(),
            SnapshotError::Source(error) => error.into(),
            other @ SnapshotError::Answer(_) => Self::Transient(other.to_string()),
        }
    }
}

impl From<ResyncError> for StreamError {
    fn from(error: ResyncError) -> Self {
        match error {
            ResyncError::Source(error) => error.into(),
            ResyncError::GroupWriter(GroupError::Spool(error)) => Self::SpoolFailed(error),
            // The row, or what is remembered of it, stays as it is until somebody changes it.
            ResyncError::GroupWriter(_) | ResyncError::Row { .. } => Self::blocked(error.to_string()),
            ResyncError::ColumnMissing(_) => Self::Refused(error.to_string()),
            ResyncError::Stopped => Self::Stopped,
            _ => Self::Transient(error.to_string()),
        }
    }
}
