//! Why there is no stream, in the words of whoever must do something about it.

use super::continuity::{Continuity, Part};
use super::resync_job::ResyncJob;
use crate::capture::GroupError;
use crate::resync::ResyncError;
use crate::source::SourceError;
use crate::source::refusal::CatalogError;
use crate::source::server_state::Required;
use crate::source::snapshot::SnapshotError;
use crate::spool::SpoolError;

/// Why there is no stream for now.
#[derive(Debug)]
pub(super) enum StreamError {
    /// It may be over any time.
    Later(String),
    /// Somebody must change something; as the sentence says.
    Refused(String),
    /// Another process reads from the slot.
    SlotHeld(String),
    SpoolFailed(SpoolError),
    /// Nothing is read until somebody decides; nothing is delivered either where `holds`.
    Stands {
        why: String,
        holds: bool,
    },
    Stopped,
    /// A resync found more documents gone than may be.
    TooManyGone(String),
    /// A resync that was asked for cannot be made, and ends there.
    Unfit(String),
}

/// The resync that a state of the source calls for by itself.
pub(super) fn gap(continuity: &Continuity, required: &Required) -> Option<ResyncJob> {
    let (from, why, drops_slot) = match continuity {
        Continuity::SlotGone { from, lost } => {
            let is = lost.map_or_else(
                || "missing (it was dropped, or the server was restored without it)".to_owned(),
                |why| format!("lost ({why})"),
            );
            (*from, format!("the slot `{}` is {is}: what changed after", required.slot), lost.is_some())
        }
        Continuity::Replaced { what: Part::Table, from } => {
            let table = format!("{}.{}", required.schema, required.table);
            (*from, format!("the table {table} was dropped and made again: what changed after"), false)
        }
        Continuity::Replaced { what: Part::Publication, from } => {
            let publication = &required.publication;
            (
                *from,
                format!("the publication {publication} was dropped and made again: what changed after"),
                false,
            )
        }
        Continuity::Diverged { .. }
        | Continuity::FirstStart { .. }
        | Continuity::GoOn(_)
        | Continuity::SpoolBehind { .. } => return None,
    };
    let why = format!("{why} {from} cannot be known from the stream");
    Some(ResyncJob::of_gap(why, from, drops_slot))
}

/// What keeps a stream from going on until somebody decides, and the way out.
pub(super) fn stands(continuity: &Continuity, required: &Required) -> StreamError {
    let why = match continuity {
        Continuity::Diverged { why } => format!(
            "{why}. Nothing is read or delivered. If this database is the right one: `sidecar resync --adopt`"
        ),
        Continuity::SpoolBehind { confirmed } => format!(
            "the slot `{}` stands at {}, beyond what the spool holds: the spool was restored, or the slot made again. \
             Nothing is read or delivered. `sidecar resync` sends what is different",
            required.slot, confirmed
        ),
        Continuity::FirstStart { .. }
        | Continuity::GoOn(_)
        | Continuity::Replaced { .. }
        | Continuity::SlotGone { .. } => String::new(),
    };
    StreamError::Stands { why, holds: true }
}

impl From<SourceError> for StreamError {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Refused(_) => Self::Refused(error.to_string()),
            SourceError::SlotActive(_) => Self::SlotHeld(error.to_string()),
            SourceError::Malformed { .. } | SourceError::Unreadable { .. } => {
                Self::Stands { why: error.to_string(), holds: false }
            }
            _ => Self::Later(error.to_string()),
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
            other @ SnapshotError::Answer(_) => Self::Later(other.to_string()),
        }
    }
}

impl From<ResyncError> for StreamError {
    fn from(error: ResyncError) -> Self {
        match error {
            ResyncError::Source(error) => error.into(),
            ResyncError::GroupWriter(GroupError::Spool(error)) => Self::SpoolFailed(error),
            // The row, or what is remembered of it, stays as it is until somebody changes it.
            ResyncError::GroupWriter(_) | ResyncError::Row { .. } => {
                Self::Stands { why: error.to_string(), holds: false }
            }
            ResyncError::ColumnMissing(_) => Self::Refused(error.to_string()),
            ResyncError::Stopped => Self::Stopped,
            _ => Self::Later(error.to_string()),
        }
    }
}
