//! Texts of the pages about jobs.

use crate::admin::page::show::{about, count, number, span};

pub(in crate::admin::page) const LEAD: &str =
    "Requests about more than 1,000 dead letters, since the sidecar started. What a job has done stays done.";
pub(in crate::admin::page) const NONE: &str = "No job was started since the sidecar started.";
pub(in crate::admin::page) const NONE_NEXT: &str = "Select what to redeliver or discard on the page Deliveries or Dead letters: where it is much, a job does it, and its progress is here. A job ends with the process: ask for the same again then.";
pub(in crate::admin::page) const NO: &str = "No.";
pub(in crate::admin::page) const WHAT: &str = "What it does";
pub(in crate::admin::page) const STATE: &str = "State";
pub(in crate::admin::page) const PROGRESS: &str = "Progress";
pub(in crate::admin::page) const RECORDS: &str = "Records so far";
pub(in crate::admin::page) const BY: &str = "Started by";
pub(in crate::admin::page) const STARTED: &str = "Started (UTC)";
pub(in crate::admin::page) const ENDED: &str = "Ended (UTC)";
pub(in crate::admin::page) const BACK: &str = "All jobs";
pub(in crate::admin::page) const RELOAD: &str = "Show its progress now";
pub(in crate::admin::page) const CANCEL: &str = "Cancel the job";
pub(in crate::admin::page) const CANCEL_WHAT: &str =
    "What it has done stays done. The rest stays as it is, and can be asked for again.";
pub(in crate::admin::page) const RUNNING: &str = "Running";
pub(in crate::admin::page) const DONE: &str = "Done";
pub(in crate::admin::page) const CANCELLED: &str = "Cancelled";
pub(in crate::admin::page) const FAILED: &str = "Failed";

pub(in crate::admin::page) fn title(no: u64) -> String {
    format!("Job {no}")
}

pub(in crate::admin::page) fn cancel(no: u64) -> String {
    format!("Cancel job {no}")
}

/// What a job does, by its name in the API.
pub(in crate::admin::page) fn what(name: &str) -> &'static str {
    match name {
        "discard" => "Discards dead letters",
        _ => "Requests one more attempt for dead letters",
    }
}

pub(in crate::admin::page) fn progress(done: u64, total: u64) -> String {
    format!("{} of {}", number(done), count(total, "dead letter", "dead letters"))
}

pub(in crate::admin::page) fn left(seconds: f64) -> String {
    format!("about {} left", span(seconds))
}

/// Of a request that is not made yet.
pub(in crate::admin::page) fn takes(seconds: f64) -> String {
    format!("It takes about {}.", about(seconds))
}
