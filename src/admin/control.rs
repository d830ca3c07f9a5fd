//! What the routes call on the running sidecar.

use std::sync::Arc;

use super::access::Access;
use super::access_control::AccessControl;
use super::api::{
    Activity, DeadLetterCounts, DeadLetterDetail, DeadLetterPage, DeadLetterQuery, DeadLetterSelection,
    ProjectDetail, ProjectPage, ProjectQuery, Readiness, ReplayList, ReplayStatus, ReplaySummary,
    ResyncRequest, Status,
};
use super::operation_control::OperationControl;
use super::record_control::RecordControl;
use super::request_error::RequestError;
use super::webhook_control::WebhookControl;
use crate::replay::ReplayRequest;

/// The running sidecar. Every method except [`Control::readiness`] may wait for the disk. What takes an [`Access`] keeps
/// to its projects.
pub trait Control: AccessControl + OperationControl + RecordControl + WebhookControl {
    /// Whether the sidecar is ready. Probes call it often: it waits for neither the loops nor the disk.
    fn readiness(&self) -> Readiness;
    /// The current status, of all projects.
    fn status(&self, access: &Access) -> Result<Status, RequestError>;
    /// The status as it was at most a second ago. For pages that are open: they ask for it often.
    fn recent_status(&self, access: &Access) -> Result<Arc<Status>, RequestError>;
    /// What was done in the last hour.
    fn activity(&self, access: &Access) -> Result<Activity, RequestError>;
    /// A page of projects.
    fn projects(&self, query: &ProjectQuery, access: &Access) -> Result<ProjectPage, RequestError>;
    /// One project, with its callbacks.
    fn project(&self, project: &str, access: &Access) -> Result<ProjectDetail, RequestError>;
    /// Sets the gauges that are computed on demand, before the metrics are encoded.
    fn refresh_gauges(&self);
    /// Requests a resync. Returns the number under which [`Status`] shows it.
    fn resync(&self, request: ResyncRequest, access: &Access) -> Result<u64, RequestError>;
    /// Cancels the resync that runs. Returns its number.
    fn cancel_resync(&self, access: &Access) -> Result<u64, RequestError>;
    /// Starts a replay; a dry run only counts.
    fn replay(&self, request: ReplayRequest, access: &Access) -> Result<ReplaySummary, RequestError>;
    /// The window and every replay on record, the newest first.
    fn replays(&self, access: &Access) -> Result<ReplayList, RequestError>;
    /// Stops a replay: its remaining records are not sent.
    fn cancel_replay(&self, no: u64, access: &Access) -> Result<ReplayStatus, RequestError>;
    /// A page of dead letters.
    fn dead_letters(&self, query: &DeadLetterQuery, access: &Access) -> Result<DeadLetterPage, RequestError>;
    /// One dead letter, with its first records and its attempts.
    fn dead_letter(&self, no: i64, access: &Access) -> Result<DeadLetterDetail, RequestError>;
    /// Makes one more attempt for each selected dead letter.
    fn redeliver(
        &self,
        selection: &DeadLetterSelection,
        access: &Access,
    ) -> Result<DeadLetterCounts, RequestError>;
    /// Drops the selected dead letters.
    fn discard(
        &self,
        selection: &DeadLetterSelection,
        access: &Access,
    ) -> Result<DeadLetterCounts, RequestError>;
}
