//! Batches, documents and records on request, within the caller's scope.

use super::Controller;
use super::document_records::Document;
use crate::admin::{
    Access, DeliveryDetail, DeliveryPage, DeliveryQuery, DocumentDetail, DocumentQuery, JobList, JobStatus,
    RecordBody, RecordControl, RecordQuery, RequestError,
};

impl RecordControl for Controller {
    fn deliveries(&self, query: &DeliveryQuery, access: &Access) -> Result<DeliveryPage, RequestError> {
        let project = access.scope.narrowed(query.project.as_deref())?;
        self.list_deliveries(&DeliveryQuery { project, ..query.clone() })
    }

    fn delivery(&self, id: &str, access: &Access) -> Result<DeliveryDetail, RequestError> {
        self.show_delivery(id, &access.scope)
    }

    fn document(
        &self,
        project: &str,
        id: &str,
        query: &DocumentQuery,
        access: &Access,
    ) -> Result<DocumentDetail, RequestError> {
        access.scope.require(project)?;
        self.explain(Document { project, id, is_scoped: access.scope.project().is_some() }, query)
    }

    fn records(
        &self,
        project: &str,
        query: &RecordQuery,
        access: &Access,
    ) -> Result<RecordBody, RequestError> {
        access.scope.require(project)?;
        self.pull(project, query)
    }

    fn jobs(&self, access: &Access) -> JobList {
        self.list_jobs(&access.scope)
    }

    fn job(&self, no: u64, access: &Access) -> Result<JobStatus, RequestError> {
        self.show_job(no, &access.scope)
    }

    fn cancel_job(&self, no: u64, access: &Access) -> Result<JobStatus, RequestError> {
        self.stop_job(no, &access.scope)
    }
}
