//! The endpoints of deliveries, documents and records.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, State};
use axum::response::Response;
use axum::routing::get;
use utoipa::OpenApi;

use super::access::Access;
use super::api::{
    DeliveryDetail, DeliveryFilter, DeliveryPage, DeliveryQuery, DocumentDetail, DocumentQuery, JobList,
    JobStatus, RecordBody, RecordQuery,
};
use super::extract::{Path, Query};
use super::lists::ListRequest;
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
    responses((status = 200, body = DeliveryPage))
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
async fn list_jobs(State(admin): Admin, Extension(access): Extension<Access>, list: ListRequest) -> Response {
    list.respond(admin, move |control| Ok(control.jobs(&access))).await
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
    responses((status = 200, body = RecordBody))
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
