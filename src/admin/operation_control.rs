//! What the routes for the operator call on the running sidecar.

use super::access::Access;
use super::api::{DoctorReport, SettingList};
use super::request_error::RequestError;

/// Checks and settings of the running sidecar. They are of no project.
pub trait OperationControl: Send + Sync {
    /// What the checks of `sidecar doctor` find. Waits for Postgres, for a few seconds at most.
    fn doctor(&self, access: &Access) -> Result<DoctorReport, RequestError>;
    /// The effective settings, as they would be read now. Secrets are not shown.
    fn settings(&self, access: &Access) -> Result<SettingList, RequestError>;
}
