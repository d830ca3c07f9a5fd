//! What the routes of deliveries, documents and records call on the running sidecar.

use super::access::Access;
use super::api::{
    DeliveryCounts, DeliveryDetail, DeliveryPage, DeliveryQuery, DeliverySelection, DocumentDetail,
    DocumentQuery, JobList, JobStatus, RecordBody, RecordQuery,
};
use super::request_error::RequestError;

/// The part of the running sidecar that knows batches and records. Each method keeps to the caller's projects.
pub trait RecordControl: Send + Sync {
    /// A page of batches, or what a search finds.
    fn deliveries(&self, query: &DeliveryQuery, access: &Access) -> Result<DeliveryPage, RequestError>;
    /// One batch, by its `webhook-id`.
    fn delivery(&self, id: &str, access: &Access) -> Result<DeliveryDetail, RequestError>;
    /// Makes one more attempt for each selected batch that is a dead letter.
    fn redeliver_deliveries(
        &self,
        selection: &DeliverySelection,
        access: &Access,
    ) -> Result<DeliveryCounts, RequestError>;
    /// Drops the selected batches that are dead letters.
    fn discard_deliveries(
        &self,
        selection: &DeliverySelection,
        access: &Access,
    ) -> Result<DeliveryCounts, RequestError>;
    /// Sends the records of the selected batches again, as a replay.
    fn replay_deliveries(
        &self,
        selection: &DeliverySelection,
        access: &Access,
    ) -> Result<DeliveryCounts, RequestError>;
    /// What became of one document. Asks the database, for a few seconds at most.
    fn document(
        &self,
        project: &str,
        id: &str,
        query: &DocumentQuery,
        access: &Access,
    ) -> Result<DocumentDetail, RequestError>;
    /// Records of one lane, in the body that its webhook gets.
    fn records(
        &self,
        project: &str,
        query: &RecordQuery,
        access: &Access,
    ) -> Result<RecordBody, RequestError>;
    /// The last jobs.
    fn jobs(&self, access: &Access) -> JobList;
    /// One job.
    fn job(&self, no: u64, access: &Access) -> Result<JobStatus, RequestError>;
    /// Stops a job: what was done stays done.
    fn cancel_job(&self, no: u64, access: &Access) -> Result<JobStatus, RequestError>;
}
