//! The endpoints of deliveries, documents and records.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, State};
use axum::response::Response;
use axum::routing::get;
use serde_json::Value;
use utoipa::OpenApi;

use super::access::Access;
use super::api::{
    DeliveryDetail, DeliveryFilter, DeliveryPage, DeliveryQuery, DocumentDetail, DocumentQuery, JobList,
    JobStatus, RecordBody, RecordQuery,
};
use super::extract::{Path, Query};
use super::lists::{ListPage, ListRequest};
use super::respond::{AdminState, respond};

type Admin = State<Arc<AdminState>>;

/// What is described of these endpoints.
#[derive(OpenApi)]
#[openapi(paths(
    list_deliveries,
    show_delivery,
    show_document,
    list_jobs,
    show_job,
    cancel_job,
    pull_records
))]
pub(super) struct RecordPaths;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new()
        .route("/api/v1/deliveries", get(list_deliveries))
        .route("/api/v1/deliveries/{webhook_id}", get(show_delivery))
        .route("/api/v1/jobs", get(list_jobs))
        .route("/api/v1/jobs/{no}", get(show_job).delete(cancel_job))
        .route("/api/v1/projects/{project}/documents/{id}", get(show_document))
        .route("/api/v1/projects/{project}/records", get(pull_records))
}

/// Batches, the newest first, or those that a search finds.
#[utoipa::path(
    get,
    path = "/api/v1/deliveries",
    params(DeliveryFilter, DeliveryQuery),
    responses((
        status = 200,
        content(
            (DeliveryPage = "application/json"),
            (String = "application/x-ndjson"),
            (String = "text/csv")
        ),
        headers(("link" = String, description = "The next page, as `<?…>; rel=\"next\"`; absent on the last one."))
    ))
)]
async fn list_deliveries(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Query(query): Query<DeliveryQuery>,
    list: ListRequest,
) -> Response {
    list.respond(admin, move |control| control.deliveries(&query, &access)).await
}

/// One batch: its request, its records and its attempts.
#[utoipa::path(
    get,
    path = "/api/v1/deliveries/{webhook_id}",
    params(("webhook_id" = String, Path, format = "uuid", description = "Its `webhook-id`.")),
    responses((status = 200, body = DeliveryDetail))
)]
async fn show_delivery(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Path(id): Path<String>,
) -> Response {
    respond(admin, move |control| control.delivery(&id, &access)).await
}

/// What became of one document, and why.
///
/// It asks the database, for three seconds at most.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/documents/{id}",
    params(
        ("project" = String, Path, description = "The project."),
        ("id" = String, Path, description = "The id of the document, as receivers have it."),
        DocumentQuery
    ),
    responses((status = 200, body = DocumentDetail))
)]
async fn show_document(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Path((project, id)): Path<(String, String)>,
    Query(query): Query<DocumentQuery>,
) -> Response {
    respond(admin, move |control| control.document(&project, &id, &query, &access)).await
}

/// The last 100 jobs since the start.
#[utoipa::path(get, path = "/api/v1/jobs", responses((status = 200, body = JobList)))]
async fn list_jobs(State(admin): Admin, Extension(access): Extension<Access>) -> Response {
    respond(admin, move |control| Ok(control.jobs(&access))).await
}

/// One job, with its progress.
#[utoipa::path(
    get,
    path = "/api/v1/jobs/{no}",
    params(("no" = u64, Path, description = "Its number.")),
    responses((status = 200, body = JobStatus))
)]
async fn show_job(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Path(no): Path<u64>,
) -> Response {
    respond(admin, move |control| control.job(no, &access)).await
}

/// Stops a job: what was done stays done.
#[utoipa::path(
    delete,
    path = "/api/v1/jobs/{no}",
    params(("no" = u64, Path, description = "Its number.")),
    responses((status = 200, body = JobStatus))
)]
async fn cancel_job(
    State(admin): Admin,
    Extension(access): Extension<Access>,
    Path(no): Path<u64>,
) -> Response {
    respond(admin, move |control| control.cancel_job(no, &access)).await
}

/// Records in the body that a webhook gets, for receivers that cannot be reached.
///
/// Settled and pending records, in order, without those that were discarded. Ask again with `after` = `next`.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/records",
    params(("project" = String, Path, description = "The project."), RecordQuery),
    responses((
        status = 200,
        content(
            (RecordBody = "application/json"),
            (String = "application/x-ndjson"),
            (String = "text/csv")
        ),
        headers(("link" = String, description = "The next page, as `<?…>; rel=\"next\"`; absent on the last one."))
    ))
)]
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
