//! Resyncs on request.

use super::Controller;
use crate::admin::ResyncRequest;
use crate::record::Callback;

impl Controller {
    /// Queues a resync. Returns its number, or why it is not possible.
    pub(super) fn request_resync(&self, request: ResyncRequest) -> Result<u64, String> {
        if self.capture.position().is_none() {
            return Err("the first start has not finished: there is nothing to compare with".to_owned());
        }
        if request.dry_run && request.as_ingested.is_some() {
            return Err(
                "`dry_run` counts differences and `as_ingested` makes none: set one of them".to_owned()
            );
        }
        if let Some(project) = &request.as_ingested
            && self.webhooks.routes().find(project, Callback::Ingested).is_none()
        {
            return Err(format!("no webhook is configured for `ingested` of the project `{project}`"));
        }
        self.state.resyncs.submit(request)
    }

    /// Ends the resync that runs. Returns its number, or why it goes on.
    pub(super) fn end_resync(&self) -> Result<u64, String> {
        self.state.resyncs.cancel()
    }
}
