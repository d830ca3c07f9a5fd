//! What the routes of deliveries, documents and records call on the running sidecar.

use super::api::{DeliveryDetail, DeliveryPage, DeliveryQuery, DocumentDetail, DocumentQuery};
use super::request_error::RequestError;

/// The part of the running sidecar that knows batches and records. A caller who may see one project alone has
/// its name as `scope`, and finds nothing of others.
pub trait RecordControl: Send + Sync {
    /// A page of batches, or what a search finds.
    fn deliveries(&self, query: &DeliveryQuery) -> Result<DeliveryPage, RequestError>;
    /// One batch, by its `webhook-id`.
    fn delivery(&self, id: &str, scope: Option<&str>) -> Result<DeliveryDetail, RequestError>;
    /// What became of one document. Asks the database, for a few seconds at most.
    fn document(
        &self,
        project: &str,
        id: &str,
        query: &DocumentQuery,
        scope: Option<&str>,
    ) -> Result<DocumentDetail, RequestError>;
}
