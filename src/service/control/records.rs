//! Batches, documents and records on request, within the caller's scope.

use super::Controller;
use super::bulk::Action;
use super::document_records::Document;
use crate::admin::{
    Access, DeliveryCounts, DeliveryDetail, DeliveryFilter, DeliveryPage, DeliveryQuery, DeliverySelection,
    DocumentDetail, DocumentQuery, JobList, JobStatus, RecordBody, RecordControl, RecordQuery, RequestError,
};
use crate::service::audit::Entry;

impl RecordControl for Controller {
    fn deliveries(&self, query: &DeliveryQuery, access: &Access) -> Result<DeliveryPage, RequestError> {
        let project = access.scope.narrowed(query.filter.project.as_deref())?;
        let filter = DeliveryFilter { project, ..query.filter.clone() };
        self.list_deliveries(&DeliveryQuery { filter, ..query.clone() })
    }

    fn delivery(&self, id: &str, access: &Access) -> Result<DeliveryDetail, RequestError> {
        self.show_delivery(id, &access.scope)
    }

    fn redeliver_deliveries(
        &self,
        selection: &DeliverySelection,
        access: &Access,
    ) -> Result<DeliveryCounts, RequestError> {
        self.act_on_deliveries(Action::Redeliver, selection, access)
    }

    fn discard_deliveries(
        &self,
        selection: &DeliverySelection,
        access: &Access,
    ) -> Result<DeliveryCounts, RequestError> {
        self.act_on_deliveries(Action::Discard, selection, access)
    }

    fn replay_deliveries(
        &self,
        selection: &DeliverySelection,
        access: &Access,
    ) -> Result<DeliveryCounts, RequestError> {
        self.replay_deliveries_of(selection, access)
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
        let stopped = self.stop_job(no, &access.scope)?;
        let about = Entry::about("a job was cancelled", stopped.project.as_deref());
        self.record(access, Entry { detail: Some(format!("job {no}: {}", stopped.what)), ..about });
        Ok(stopped)
    }
}
