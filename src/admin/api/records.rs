//! `/api/v1/projects/{project}/records`: records in their bodies, for receivers that cannot be reached.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::dead_letters::DeadLetterRecord;
use crate::record::Callback;

/// Which records.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordQuery {
    /// The callback.
    pub callback: String,
    /// Only records behind this position, of the current epoch: `next` of the page before.
    pub after: Option<String>,
    /// The most records in the body: 1 to 1000, 100 by default.
    pub limit: Option<u32>,
}

/// Records of one lane, settled and pending ones, in order.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct RecordBody {
    /// The project.
    pub project: String,
    /// The callback.
    pub callback: Callback,
    /// The epoch that positions are of. Where it is another than before, begin without `after`.
    pub epoch: String,
    /// Number of records in the body.
    pub records: u64,
    /// The first and the last position, as in the header `sidecar-positions`.
    pub positions: Option<String>,
    /// The body as a webhook gets it.
    pub body: Box<RawValue>,
    /// `after` of the next page: the last position, or the one that was given.
    pub next: Option<String>,
    /// There are more records now.
    pub more: bool,
    /// Records before this position may have been removed.
    pub kept_from: Option<String>,
    /// The records of the body one by one: the items of NDJSON and CSV.
    #[serde(skip)]
    pub items: Vec<DeadLetterRecord>,
}
