//! `/api/v1/projects/{project}/documents/{id}`: what became of one document.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::deliveries::DeliveryStatus;
use crate::record::Callback;

/// Which page of a document's records.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DocumentQuery {
    /// `next` of the page before.
    #[param(pattern = "^[0-9]{1,18}$")]
    pub after: Option<String>,
    /// The most records to return: 1 to 200, 20 by default.
    #[param(minimum = 1, maximum = 200, default = 20)]
    pub limit: Option<u32>,
}

/// What became of one document.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct DocumentDetail {
    /// The project.
    pub project: String,
    /// The id.
    pub id: String,
    /// What there is to say, a sentence each, the most important first.
    pub summary: Vec<String>,
    /// What the shadow knows; `None`: nothing, or it cannot be found by the id.
    pub shadow: Option<ShadowStatus>,
    /// The row in the database.
    pub row: RowStatus,
    /// How far the stream is applied.
    pub applied_lsn: Option<String>,
    /// How far the server has written its WAL.
    pub server_lsn: Option<String>,
    /// Its records, the newest first.
    pub records: Vec<DocumentRecord>,
    /// `after` of the next page of records; `None` on the last one.
    pub next: Option<String>,
}

/// What the shadow knows of a document.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct ShadowStatus {
    /// The project whose receivers have it; `None`: another one.
    pub project: Option<String>,
    /// The id that receivers have.
    pub id: String,
    /// The key that receivers have.
    pub key: Option<String>,
    /// Whether it is live: not soft-deleted.
    pub live: bool,
}

/// A row of the database.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct RowStatus {
    /// Whether there is such a row; `None`: it is not known.
    pub exists: Option<bool>,
    /// Why it is not known.
    pub error: Option<String>,
}

/// A record of a document.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub struct DocumentRecord {
    /// The callback.
    pub callback: Callback,
    /// Its position.
    pub position: String,
    /// The LSN of its transaction's commit record.
    pub commit_lsn: String,
    /// When its transaction was committed.
    #[schema(format = DateTime)]
    pub committed_at: String,
    /// What happened to the document, as far as it is known.
    pub cause: String,
    /// What became of the record, or what it waits for.
    pub state: String,
    /// Whether it is settled.
    pub settled: bool,
    /// The record as receivers get it.
    #[schema(value_type = Object)]
    pub record: Box<RawValue>,
    /// The newest batch that holds it.
    pub delivery: Option<DeliveryStatus>,
}
