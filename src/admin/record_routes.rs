//! The endpoints of deliveries, documents and records.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::Value;

use super::access::Access;
use super::api::{DeliveryPage, DeliveryQuery, DeliverySelection, DocumentQuery, RecordBody, RecordQuery};
use super::lists::{ListPage, ListRequest};
use super::respond::{AdminState, json, respond};

type Admin = State<Arc<AdminState>>;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new()
        .route("/api/v1/deliveries", get(list_deliveries))
        .route("/api/v1/deliveries/{webhook_id}", get(show_delivery))
        .route("/api/v1/deliveries/redeliver", post(redeliver))
        .route("/api/v1/deliveries/discard", post(discard))
        .route("/api/v1/deliveries/replay", post(replay))
        .route("/api/v1/jobs", get(list_jobs))
        .route("/api/v1/jobs/{no}", get(show_job).delete(cancel_job))
        .route("/api/v1/projects/{project}/documents/{id}", get(show_document))
        .route("/api/v1/projects/{project}/records", get(pull_records))
}

async fn list_deliveries(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Query(query): Query<DeliveryQuery>,
    list: ListRequest,
) -> Response {
    list.respond(admin, move |control| control.deliveries(&query, &access)).await
}

async fn show_delivery(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Path(id): Path<String>,
) -> Response {
    respond(admin, move |control| control.delivery(&id, &access)).await
}

async fn redeliver(State(admin): Admin, Extension(access): Extension<Access>, body: Bytes) -> Response {
    match json::<DeliverySelection>(&body) {
        Ok(selection) => {
            respond(admin, move |control| control.redeliver_deliveries(&selection, &access)).await
        }
        Err(error) => error.into_response(),
    }
}

async fn discard(State(admin): Admin, Extension(access): Extension<Access>, body: Bytes) -> Response {
    match json::<DeliverySelection>(&body) {
        Ok(selection) => respond(admin, move |control| control.discard_deliveries(&selection, &access)).await,
        Err(error) => error.into_response(),
    }
}

async fn replay(State(admin): Admin, Extension(access): Extension<Access>, body: Bytes) -> Response {
    match json::<DeliverySelection>(&body) {
        Ok(selection) => respond(admin, move |control| control.replay_deliveries(&selection, &access)).await,
        Err(error) => error.into_response(),
    }
}

async fn show_document(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Path((project, id)): Path<(String, String)>,
    Query(query): Query<DocumentQuery>,
) -> Response {
    respond(admin, move |control| control.document(&project, &id, &query, &access)).await
}

async fn list_jobs(State(admin): Admin, Extension(access): Extension<Access>) -> Response {
    respond(admin, move |control| Ok(control.jobs(&access))).await
}

async fn show_job(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Path(no): Path<u64>,
) -> Response {
    respond(admin, move |control| control.job(no, &access)).await
}

async fn cancel_job(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Path(no): Path<u64>,
) -> Response {
    respond(admin, move |control| control.cancel_job(no, &access)).await
}

async fn pull_records(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Path(project): Path<String>,
    Query(query): Query<RecordQuery>,
    list: ListRequest,
) -> Response {
    list.respond(admin, move |control| control.records(&project, &query, &access)).await
}

impl ListPage for RecordBody {
    const COLUMNS: &'static [&'static str] = &["position", "commit_lsn", "committed_at", "record"];

    fn items(&self) -> Vec<Value> {
        self.items.iter().filter_map(|record| serde_json::to_value(record).ok()).collect()
    }

    fn next(&self) -> Option<String> {
        self.next.clone().filter(|_| self.more)
    }
}

impl ListPage for DeliveryPage {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "project",
        "callback",
        "state",
        "records",
        "bytes",
        "cut_at",
        "attempts",
        "last_attempt.started_at",
        "last_attempt.took_seconds",
        "last_attempt.status",
        "last_attempt.outcome",
        "last_attempt.class",
        "next_attempt_at",
        "waits_for",
        "dead_letter",
        "replay",
    ];

    fn items(&self) -> Vec<Value> {
        self.deliveries.iter().filter_map(|delivery| serde_json::to_value(delivery).ok()).collect()
    }

    fn next(&self) -> Option<String> {
        self.next.clone()
    }
}
