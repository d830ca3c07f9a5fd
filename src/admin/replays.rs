//! `/api/v1/replays` and `/api/v1/dead-letters`: what is sent again, and what was given up.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::Admin;
use crate::replay::ReplayAsked;

/// What the routes ask of the running sidecar. Each may wait for the disk.
pub trait Again: Send + Sync {
    /// Enters a replay, or, as a dry run, only counts.
    fn replay(&self, asked: ReplayAsked) -> Result<ReplayAnswer, Refusal>;
    /// The window, and all replays that are remembered, the newest first.
    fn replays(&self) -> Result<ReplaysStatus, Refusal>;
    /// Sends nothing more of one.
    fn cancel_replay(&self, no: u64) -> Result<ReplayStatus, Refusal>;
    /// A page of dead letters.
    fn dead_letters(&self, asked: &DeadLettersAsked) -> Result<DeadLettersPage, Refusal>;
    /// One, with its records and attempts.
    fn dead_letter(&self, no: i64) -> Result<DeadLetterShown, Refusal>;
    /// One more attempt for each.
    fn redeliver(&self, asked: &DeadLettersPicked) -> Result<DeadLettersDone, Refusal>;
    /// They are dropped.
    fn discard(&self, asked: &DeadLettersPicked) -> Result<DeadLettersDone, Refusal>;
}

/// Why a question is not answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// It makes no sense.
    Wrong(String),
    /// What it is about is not there.
    Missing(String),
    /// Not now, or not any more.
    Conflict(String),
    /// The spool cannot be read or written.
    Failed(String),
}

/// What a replay sends.
#[derive(Clone, Debug, Serialize)]
pub struct ReplayAnswer {
    /// Its number; none for a dry run, or where nothing is to be sent.
    pub no: Option<u64>,
    /// Its id, as requests bear it in `sidecar-replay`.
    pub id: Option<String>,
    /// Records, over all lanes.
    pub records: u64,
    /// Bytes of their JSON.
    pub bytes: u64,
    /// Lane by lane.
    pub lanes: Vec<LaneCount>,
    /// Lanes that would have records and take no part, as no webhook answers for them.
    pub without_webhook: Vec<LaneCount>,
    /// What was committed up to then is no longer there, though it was asked for.
    pub begins_late: Option<String>,
    /// Of a dry run with an end: documents that have newer records than what would be sent.
    pub documents_with_newer_records: Option<u64>,
}

/// Records of one lane.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct LaneCount {
    /// Whose.
    pub project: String,
    /// Of which callback.
    pub callback: &'static str,
    /// How many.
    pub records: u64,
    /// Bytes of their JSON.
    pub bytes: u64,
}

/// What can be replayed, and what is.
#[derive(Clone, Debug, Serialize)]
pub struct ReplaysStatus {
    /// None before the first start has ended.
    pub window: Option<WindowStatus>,
    /// The newest first.
    pub replays: Vec<ReplayStatus>,
}

/// What can be replayed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct WindowStatus {
    /// The first LSN that can be asked for.
    pub from_lsn: String,
    /// Times after this one can be asked for.
    pub after: String,
    /// How far the stream is read.
    pub to_lsn: String,
}

/// One replay.
#[derive(Clone, Debug, Serialize)]
pub struct ReplayStatus {
    /// Its number.
    pub no: u64,
    /// As requests bear it.
    pub id: String,
    /// `running`, `done` or `cancelled`.
    pub state: &'static str,
    /// What was asked for.
    pub asked: serde_json::Value,
    /// When.
    pub asked_at: String,
    /// When it was done or cancelled.
    pub ended_at: Option<String>,
    /// Records a second over all lanes.
    pub rate: Option<u32>,
    /// Records that it covers.
    pub records: u64,
    /// Records that were sent.
    pub sent: u64,
    /// Records that a receiver refused as too large, and that were passed over.
    pub refused: u64,
    /// Lanes with records left, and how each stands.
    pub waiting: Vec<WaitingLane>,
}

/// A lane with records of a replay left to send.
#[derive(Clone, Debug, Serialize)]
pub struct WaitingLane {
    /// Whose.
    pub project: String,
    /// Of which callback.
    pub callback: &'static str,
    /// As `sidecar status` calls it.
    pub state: String,
    /// Records left.
    pub records: u64,
}

/// Which dead letters, and from where.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadLettersAsked {
    /// Of this project.
    pub project: Option<String>,
    /// Of this callback.
    pub callback: Option<String>,
    /// Given up for this reason.
    pub reason: Option<String>,
    /// Behind this number.
    pub after: Option<i64>,
    /// So many at most.
    pub limit: Option<u32>,
}

/// Dead letters by number, or by filter.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DeadLettersPicked {
    /// These.
    #[serde(default)]
    pub numbers: Vec<i64>,
    /// Of this project.
    #[serde(default)]
    pub project: Option<String>,
    /// Of this callback.
    #[serde(default)]
    pub callback: Option<String>,
    /// Given up for this reason.
    #[serde(default)]
    pub reason: Option<String>,
    /// All of them: said, where neither numbers nor a filter are given.
    #[serde(default)]
    pub all: bool,
}

/// Some dead letters.
#[derive(Clone, Debug, Serialize)]
pub struct DeadLettersPage {
    /// In the order of their numbers.
    pub dead_letters: Vec<DeadLetterStatus>,
    /// Ask for those behind this one; none: these were the last.
    pub next: Option<i64>,
}

/// One dead letter.
#[derive(Clone, Debug, Serialize)]
pub struct DeadLetterStatus {
    /// Its number.
    pub no: i64,
    /// Whose.
    pub project: String,
    /// Of which callback.
    pub callback: &'static str,
    /// `given_up`, `lane_full`, `spool_full` or `too_large`.
    pub reason: &'static str,
    /// When it was given up.
    pub at: String,
    /// How many records.
    pub records: u64,
    /// Bytes of their JSON.
    pub bytes: u64,
    /// Its `webhook-id`; none: it was given up before it was cut, and is cut when it is redelivered.
    pub batch: Option<String>,
    /// One more attempt is under way or waits for its turn.
    pub redelivering: bool,
}

/// One dead letter, whole.
#[derive(Clone, Debug, Serialize)]
pub struct DeadLetterShown {
    /// As it is listed.
    #[serde(flatten)]
    pub dead_letter: DeadLetterStatus,
    /// Its first records, as receivers are sent them.
    pub first_records: Vec<ShownRecord>,
    /// Attempts that are remembered, in order.
    pub attempts: Vec<ShownAttempt>,
}

/// A record, as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct ShownRecord {
    /// Its place, as `sidecar-positions` gives it.
    pub position: String,
    /// The LSN of its transaction's commit record.
    pub commit_lsn: String,
    /// When its transaction was committed.
    pub committed_at: String,
    /// As receivers are sent it.
    pub record: Box<serde_json::value::RawValue>,
}

/// An attempt, as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct ShownAttempt {
    /// 1, 2, …
    pub number: u32,
    /// When it began.
    pub started_at: String,
    /// How long it took.
    pub took_seconds: f64,
    /// The answer's status.
    pub status: Option<u16>,
    /// `delivered`, or the word for what went wrong.
    pub outcome: String,
    /// The error's sentence, or the beginning of the answer.
    pub detail: Option<String>,
}

/// What was done with dead letters.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct DeadLettersDone {
    /// How many they were.
    pub dead_letters: u64,
    /// Their records, where they were discarded.
    pub records: u64,
}

pub(super) fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/api/v1/replays", get(replays).post(replay))
        .route("/api/v1/replays/{no}", delete(cancel_replay))
        .route("/api/v1/dead-letters", get(dead_letters))
        .route("/api/v1/dead-letters/{no}", get(dead_letter))
        .route("/api/v1/dead-letters/redeliver", post(redeliver))
        .route("/api/v1/dead-letters/discard", post(discard))
}

async fn replay(State(admin): State<Arc<Admin>>, Json(asked): Json<ReplayAsked>) -> Response {
    answer(admin, move |again| again.replay(asked)).await
}

async fn replays(State(admin): State<Arc<Admin>>) -> Response {
    answer(admin, |again| again.replays()).await
}

async fn cancel_replay(State(admin): State<Arc<Admin>>, Path(no): Path<u64>) -> Response {
    answer(admin, move |again| again.cancel_replay(no)).await
}

async fn dead_letters(State(admin): State<Arc<Admin>>, Query(asked): Query<DeadLettersAsked>) -> Response {
    answer(admin, move |again| again.dead_letters(&asked)).await
}

async fn dead_letter(State(admin): State<Arc<Admin>>, Path(no): Path<i64>) -> Response {
    answer(admin, move |again| again.dead_letter(no)).await
}

async fn redeliver(State(admin): State<Arc<Admin>>, Json(asked): Json<DeadLettersPicked>) -> Response {
    answer(admin, move |again| again.redeliver(&asked)).await
}

async fn discard(State(admin): State<Arc<Admin>>, Json(asked): Json<DeadLettersPicked>) -> Response {
    answer(admin, move |again| again.discard(&asked)).await
}

/// Asked where waiting harms nobody.
async fn answer<T: Serialize + Send + 'static>(
    admin: Arc<Admin>,
    ask: impl FnOnce(&dyn Again) -> Result<T, Refusal> + Send + 'static,
) -> Response {
    match tokio::task::spawn_blocking(move || ask(&*admin.again)).await {
        Ok(Ok(answer)) => Json(answer).into_response(),
        Ok(Err(refusal)) => refusal.into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, why) = match self {
            Self::Wrong(why) => (StatusCode::BAD_REQUEST, why),
            Self::Missing(why) => (StatusCode::NOT_FOUND, why),
            Self::Conflict(why) => (StatusCode::CONFLICT, why),
            Self::Failed(why) => (StatusCode::INTERNAL_SERVER_ERROR, why),
        };
        (status, why + "\n").into_response()
    }
}
