//! The resync under way. Pure.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::admin::ResyncRequest;
use crate::position::Lsn;
use crate::service::resync_queue::REQUESTED;

/// A resync, kept in the spool from before it changes anything until its last commit: a killed one
/// starts again. The keys of its JSON are part of the spool's format.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub(super) struct ResyncJob {
    /// The reason, as a sentence without its end.
    pub(super) why: String,
    /// The LSN up to which the stream was applied: a gap begins there.
    pub(super) from: u64,
    /// The stream is applied up to the snapshot first, so that no change is missing.
    pub(super) catches_up: bool,
    /// A slot that the server reports as lost is dropped.
    pub(super) drops_slot: bool,
    /// `recovery.missing_max` does not apply.
    pub(super) forced: bool,
    /// The shadow is updated and no record is made.
    pub(super) learns: bool,
    /// The epoch that begins with it.
    pub(super) epoch: Option<Uuid>,
    /// Nothing is delivered while it waits for a decision.
    #[serde(rename = "holds", default)]
    pub(super) holds_delivery: bool,
    /// It only makes an `ingested` record for every live document of this project.
    pub(super) as_ingested: Option<String>,
    /// It only reads the values that documents hold in new columns. Where it fails, they stay unknown.
    #[serde(rename = "only_learns", default)]
    pub(super) only_backfills: bool,
}

impl ResyncJob {
    /// Closes a gap in the stream that begins at `from`.
    pub(super) fn of_gap(why: String, from: Lsn, drops_slot: bool) -> Self {
        Self {
            why,
            from: from.0,
            catches_up: false,
            drops_slot,
            forced: false,
            learns: false,
            epoch: None,
            holds_delivery: false,
            as_ingested: None,
            only_backfills: false,
        }
    }

    /// Reads the values that documents hold in new `columns`, which the catalog does not have.
    pub(super) fn of_backfill(columns: &[String], from: Lsn) -> Self {
        let why = format!("`{}` was added with values that are not in the catalog", columns.join("`, `"));
        Self { catches_up: true, only_backfills: true, ..Self::of_gap(why, from, false) }
    }

    /// Whether a user may end it: the stream goes on without it.
    pub(super) fn is_cancellable(&self) -> bool {
        self.why == REQUESTED && self.epoch.is_none()
    }

    /// Serves the request of a user.
    pub(super) fn requested(request: &ResyncRequest, from: Lsn, new_epoch: Uuid) -> Self {
        Self {
            catches_up: true,
            forced: request.force,
            learns: request.learn,
            epoch: request.adopt.then_some(new_epoch),
            as_ingested: request.as_ingested.clone(),
            ..Self::of_gap(REQUESTED.to_owned(), from, false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_json_has_the_keys_of_the_spools_format() {
        let gap = ResyncJob::of_gap("why".into(), Lsn(7), false);
        let job = ResyncJob { epoch: Some(Uuid::nil()), as_ingested: Some("p".into()), ..gap };
        let json = concat!(
            r#"{"why":"why","from":7,"catches_up":false,"drops_slot":false,"forced":false,"learns":false,"#,
            r#""epoch":"00000000-0000-0000-0000-000000000000","holds":false,"as_ingested":"p","only_learns":false}"#
        );
        assert_eq!(serde_json::to_string(&job).unwrap(), json);
        assert_eq!(serde_json::from_str::<ResyncJob>(json).unwrap(), job);
    }
}
