//! `POST /api/v1/resync`: the table is compared with what is remembered of it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::Admin;

/// What is asked for.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "the command's flags")]
pub struct ResyncAsked {
    /// Only counts.
    #[serde(default)]
    pub dry_run: bool,
    /// However many documents are gone.
    #[serde(default)]
    pub force: bool,
    /// Takes the differences over silently.
    #[serde(default)]
    pub learn: bool,
    /// Another database than the one that is known is the right one.
    #[serde(default)]
    pub adopt: bool,
    /// Sends every live document of this project as `ingested`, and nothing else.
    #[serde(default)]
    pub as_ingested: Option<String>,
}

/// The last resync, for whoever looks.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ResyncStatus {
    /// Counts them since the start of the process.
    pub number: u64,
    /// `running`, `done`, `failed`; `held` where it waits for `--force`, `refused` where a setting or SQL
    /// must cure something first, `waiting` where Postgres does not answer: these go on by themselves.
    pub state: String,
    /// Why it was made.
    pub why: String,
    /// How it ended, as a sentence.
    pub result: Option<String>,
    /// What the stream told last before it.
    pub from_lsn: String,
    /// The place of the snapshot.
    pub to_lsn: Option<String>,
    /// Documents in the table.
    pub rows: u64,
    /// Live documents that were gone.
    pub gone: u64,
    /// Records made, or that would be made, for each callback.
    pub ingested: u64,
    /// The same.
    pub modified: u64,
    /// The same.
    pub excluded: u64,
}

pub(super) fn routes() -> Router<Arc<Admin>> {
    Router::new().route("/api/v1/resync", post(ask))
}

async fn ask(State(admin): State<Arc<Admin>>, Json(asked): Json<ResyncAsked>) -> Response {
    match (admin.resync)(asked) {
        Ok(number) => Json(serde_json::json!({ "number": number })).into_response(),
        Err(why) => (StatusCode::CONFLICT, why + "\n").into_response(),
    }
}
