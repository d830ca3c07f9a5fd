//! `/api/v1/projects/{project}/records`: records in their bodies, for receivers that cannot be reached.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::openapi::schema::AnyOfBuilder;
use utoipa::openapi::{Ref, Schema};
use utoipa::{IntoParams, ToSchema};

use super::dead_letters::DeadLetterRecord;
use crate::record::Callback;

/// The body of any of the three callbacks.
fn webhook_body() -> Schema {
    let body = |name: &str| Ref::from_schema_name(name);
    let bodies = AnyOfBuilder::new().item(body("IngestedBody")).item(body("ModifiedBody"));
    bodies.item(body("ExcludedBody")).build().into()
}

/// Which records.
#[derive(Clone, Debug, Deserialize, IntoParams, Serialize)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RecordQuery {
    /// The callback.
    #[param(value_type = Callback)]
    pub callback: String,
    /// Only records behind this position, of the current epoch: `next` of the page before.
    #[param(pattern = "^[0-9A-Fa-f]{1,8}[/-][0-9A-Fa-f]{1,8}(/[0-9]{1,9})?$")]
    pub after: Option<String>,
    /// The most records in the body: 1 to 1000, 100 by default.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub limit: Option<u32>,
}

/// Records of one lane, settled and pending ones, in order.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
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
    #[schema(schema_with = webhook_body)]
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
