//! Why there is no stream, in the words of whoever must do something about it.

use super::continuity::{Continuity, Part};
use crate::capture::LedgerError;
use crate::resync::ResyncError;
use crate::source::SourceError;
use crate::source::refusal::CatalogError;
use crate::source::snapshot::SnapshotError;
use crate::source::survey::Wanted;
use crate::spool::SpoolError;

/// Why there is no stream for now.
#[derive(Debug)]
pub(super) enum Trouble {
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
}

/// What keeps a stream from going on, and the way out.
pub(super) fn stands(continuity: &Continuity, wanted: &Wanted) -> Trouble {
    let slot = &wanted.slot;
    let (why, holds) = match continuity {
        Continuity::Diverged { why } => {
            (format!("{why}. Nothing is read or delivered. If this database is the right one: {ANEW}"), true)
        }
        Continuity::SpoolBehind { confirmed } => (
            format!(
                "the slot `{slot}` stands at {}, beyond what the spool holds: the spool was restored, or the slot made \
                 again. Nothing is read or delivered. {ANEW}",
                confirmed.slashed()
            ),
            true,
        ),
        Continuity::SlotGone { from, lost } => (
            format!(
                "the slot `{slot}` is {}: what changed after {} cannot be known from the stream. Delivery goes on. {ANEW}",
                if *lost { "lost" } else { "missing" },
                from.slashed()
            ),
            false,
        ),
        Continuity::Replaced { what: Part::Table, from } => (
            format!(
                "the table {}.{} was dropped and made again: the stream tells neither what went with the old one nor all \
                 that came into the new one after {}. Delivery goes on. {ANEW}",
                wanted.schema,
                wanted.table,
                from.slashed()
            ),
            false,
        ),
        Continuity::Replaced { what: Part::Publication, from } => (
            format!(
                "the publication {} was dropped and made again: the stream does not tell all that changed after {}. \
                 Delivery goes on. {ANEW}",
                wanted.publication,
                from.slashed()
            ),
            false,
        ),
        Continuity::FirstStart { .. } | Continuity::GoOn(_) => (String::new(), false),
    };
    Trouble::Stands { why, holds }
}

/// The only way out in this version, which cannot compare the table with what it knows.
pub(super) const ANEW: &str = "`sidecar teardown`, then `sidecar run` with a new folder in `spool.path`, makes a first \
                               start: `documents.initial = \"ingested\"` sends every document again";

impl From<SourceError> for Trouble {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Refused(_) => Self::Refused(error.to_string()),
            SourceError::SlotActive(_) => Self::SlotHeld(error.to_string()),
            SourceError::Malformed { .. } => Self::Stands { why: error.to_string(), holds: false },
            _ => Self::Later(error.to_string()),
        }
    }
}

impl From<CatalogError> for Trouble {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Refused(_) => Self::Refused(error.to_string()),
            CatalogError::Source(error) => error.into(),
        }
    }
}

impl From<SnapshotError> for Trouble {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Catalog(error) => error.into(),
            SnapshotError::Source(error) => error.into(),
            other @ SnapshotError::Answer(_) => Self::Later(other.to_string()),
        }
    }
}

impl From<ResyncError> for Trouble {
    fn from(error: ResyncError) -> Self {
        match error {
            ResyncError::Source(error) => error.into(),
            ResyncError::Ledger(LedgerError::Spool(error)) => Self::SpoolFailed(error),
            ResyncError::ColumnMissing(_) => Self::Refused(error.to_string()),
            _ => Self::Later(error.to_string()),
        }
    }
}
