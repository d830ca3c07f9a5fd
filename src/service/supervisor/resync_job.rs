//! What resync is under way, or asked for. Pure.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::admin::ResyncRequest;
use crate::position::Lsn;
use crate::service::resync_queue::REQUESTED;

/// A resync, kept in the spool from before it changes anything until its last commit: a killed one
/// starts again.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub(super) struct ResyncJob {
    /// Why, as a sentence without its end.
    pub(super) why: String,
    /// What the stream told last, as the gap begins there.
    pub(super) from: u64,
    /// The stream is applied up to the snapshot first: nothing is missing in it.
    pub(super) catches_up: bool,
    /// A slot that the server calls lost is dropped.
    pub(super) drops_slot: bool,
    /// However many documents are gone.
    pub(super) forced: bool,
    /// Differences are taken over silently.
    pub(super) learns: bool,
    /// The epoch that begins with it.
    pub(super) epoch: Option<Uuid>,
    /// Nothing is delivered while it waits for a decision.
    #[serde(default)]
    pub(super) holds: bool,
    /// Every live document of this project makes an `ingested`, and nothing else.
    pub(super) as_ingested: Option<String>,
    /// It is made to learn what documents hold in columns that came. What cannot be made is left out.
    #[serde(default)]
    pub(super) only_learns: bool,
}

impl ResyncJob {
    /// One that mends what cannot be known from the stream.
    pub(super) fn of_gap(why: String, from: Lsn, drops_slot: bool) -> Self {
        Self {
            why,
            from: from.0,
            catches_up: false,
            drops_slot,
            forced: false,
            learns: false,
            epoch: None,
            holds: false,
            as_ingested: None,
            only_learns: false,
        }
    }

    /// One that finds out what documents hold in `columns`, which the catalog does not tell.
    pub(super) fn of_unlearned(columns: &[String], from: Lsn) -> Self {
        let why = format!("`{}` came with values that the catalog does not tell", columns.join("`, `"));
        Self { catches_up: true, only_learns: true, ..Self::of_gap(why, from, false) }
    }

    /// One that a user asked for.
    pub(super) fn asked(asked: &ResyncRequest, from: Lsn) -> Self {
        Self {
            why: REQUESTED.to_owned(),
            catches_up: true,
            forced: asked.force,
            learns: asked.learn,
            epoch: asked.adopt.then(Uuid::now_v7),
            as_ingested: asked.as_ingested.clone(),
            ..Self::of_gap(String::new(), from, false)
        }
    }
}
