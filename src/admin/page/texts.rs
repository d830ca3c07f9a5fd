//! Every text of the page.

mod batches;
mod comparisons;
mod operations;
mod records;

pub(super) use self::batches::{deliveries, document};
pub(super) use self::comparisons::{resync, table};
pub(super) use self::operations::{audit, doctor, settings, sign_in};
pub(super) use self::records::{attempts, choice, confirm, dead_letters, replay, tail};
use super::show::count;

/// What the page is called.
pub(super) const PRODUCT: &str = "Sidecar";
pub(super) const SKIP_LINK: &str = "Skip to the content";
pub(super) const NAVIGATION: &str = "Pages";
pub(super) const UNDELIVERED: &str = "undelivered";
pub(super) const STALE: &str =
    "The page lost its connection and shows what was. It connects again by itself.";
pub(super) const COPY: &str = "Copy";
pub(super) const COPIED: &str = "Copied";

pub(super) const FAILED: &str = "Failed";
pub(super) const BACK_TO_PROJECTS: &str = "Back to the projects";
pub(super) const NEXT_PAGE: &str = "Next page";
pub(super) const SIGN_IN: &str = "Sign in";
pub(super) const SIGN_OUT: &str = "Sign out";
pub(super) const YES: &str = "yes";
pub(super) const CANCEL: &str = "Cancel";
pub(super) const PROJECT: &str = "Project";
pub(super) const CALLBACK: &str = "Callback";

pub(super) const UNKNOWN: &str = "unknown";
pub(super) const RECORD: &str = "record";
pub(super) const RECORDS: &str = "records";
pub(super) const PENDING_RECORD: &str = "record pending";
pub(super) const PENDING_RECORDS: &str = "records pending";
pub(super) const OLDEST: &str = "the oldest for";
pub(super) const LANE: &str = "lane";
pub(super) const LANES: &str = "lanes";
pub(super) const DOCUMENT: &str = "document";
pub(super) const DOCUMENTS: &str = "documents";

pub(super) mod nav {
    pub(in super::super) const OVERVIEW: &str = "Overview";
    pub(in super::super) const DELIVERIES: &str = "Deliveries";
    pub(in super::super) const DOCUMENT: &str = "Document";
    pub(in super::super) const DEAD_LETTERS: &str = "Dead letters";
    pub(in super::super) const REPLAY: &str = "Replay";
    pub(in super::super) const TAIL: &str = "Tail";
    pub(in super::super) const TABLE: &str = "Table";
    pub(in super::super) const DOCTOR: &str = "Doctor";
    pub(in super::super) const SETTINGS: &str = "Settings";
    pub(in super::super) const AUDIT: &str = "Audit";
}

pub(super) mod lane {
    pub(in super::super) const BUSY: &str = "Busy";
    pub(in super::super) const FAILING: &str = "Failing";
    pub(in super::super) const IDLE: &str = "Idle";
    pub(in super::super) const NEEDS_OWNER: &str = "Needs owner";
    pub(in super::super) const PAUSED: &str = "Paused";
    pub(in super::super) const THROTTLED: &str = "Throttled";
    pub(in super::super) const WAITING: &str = "Waiting";
    pub(in super::super) const WITHOUT_WEBHOOK: &str = "Without webhook";
}

pub(super) mod overview {
    use super::super::show::count;

    pub(in super::super) const UNDELIVERED: &str = "Undelivered";
    pub(in super::super) const NOTHING_UNDELIVERED: &str =
        "Nothing: no dead letter, and no lane that fails. Records that are on their way do not count.";
    pub(in super::super) const IN_DEAD_LETTERS: &str = "In dead letters";
    pub(in super::super) const IN_FAILING_LANES: &str = "In failing lanes";
    pub(in super::super) const LANES: &str = "Lanes by state";
    pub(in super::super) const NO_LANES: &str = "No lane has had a record.";
    pub(in super::super) const NO_LANES_NEXT: &str =
        "Set a webhook on the page of a project, then change a document.";

    pub(in super::super) fn well(pending: u64) -> String {
        match pending {
            0 => "All is well: changes are read, and every record is delivered.".to_owned(),
            _ => format!(
                "All is well: changes are read, and {} on the way.",
                count(pending, "record is", "records are")
            ),
        }
    }

    pub(in super::super) fn failing(lanes: u64, records: u64) -> String {
        format!(
            "Changes are read. {} failing, and {} for {}.",
            count(lanes, "lane is", "lanes are"),
            count(records, "record waits", "records wait"),
            if lanes == 1 { "it" } else { "them" },
        )
    }

    pub(in super::super) fn dead_letters(records: u64) -> String {
        format!(
            "Changes are read, and every lane works. {} in dead letters: redeliver or discard them.",
            count(records, "record is", "records are"),
        )
    }

    pub(in super::super) fn not_ready(reasons: &[String]) -> String {
        format!("Not ready: {}.", reasons.join("; "))
    }
}

pub(super) mod slot {
    pub(in super::super) const TITLE: &str = "Replication slot";
    pub(in super::super) const STATE: &str = "State";
    pub(in super::super) const NAME: &str = "Slot";
    pub(in super::super) const DATABASE: &str = "Database";
    pub(in super::super) const LAG: &str = "Lag";
    pub(in super::super) const RETAINED: &str = "WAL retained";
    pub(in super::super) const WAL_STATUS: &str = "WAL status";
    pub(in super::super) const CONFIRMED: &str = "Confirmed LSN";
    pub(in super::super) const LAST_MESSAGE: &str = "Last message (UTC)";
}

pub(super) mod spool {
    pub(in super::super) const TITLE: &str = "Spool";
    pub(in super::super) const USED: &str = "Used";
    pub(in super::super) const ROOM: &str = "Room";
    pub(in super::super) const OPEN: &str = "there is room";
    pub(in super::super) const NEAR: &str = "nearly full: delivered records are removed early";
    pub(in super::super) const FULL: &str = "full: reading has stopped";
    pub(in super::super) const WINDOW: &str = "Replay from (UTC)";
    pub(in super::super) const NO_WINDOW: &str = "not before the first start has finished";
    pub(in super::super) const SHADOW: &str = "Shadow";
    pub(in super::super) const FILE: &str = "File";
}

/// What a request did, after the redirect to the page. Only words that are known here are shown.
pub(super) fn done(what: &str, n: u64) -> Option<String> {
    let records = count(n, "record", "records");
    Some(match what {
        "discarded" => format!("{} discarded.", count(n, "dead letter is", "dead letters are")),
        "redelivering" => {
            format!("{} made. One that fails stays a dead letter.", count(n, "attempt is", "attempts are"))
        }
        "replaying" => format!("The replay has started: {records}."),
        "replay-cancelled" => "The replay is cancelled: its remaining records are not sent.".to_owned(),
        "resync" => "The resync is requested. It starts within a second.".to_owned(),
        "saved" => "The webhook is saved and in force.".to_owned(),
        "skipped" => format!("{records} skipped. A replay can still send them."),
        _ => return None,
    })
}
