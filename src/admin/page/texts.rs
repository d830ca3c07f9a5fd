//! Every text of the page.

macro_rules! texts {
    ($($name:ident = $text:literal;)*) => { $(pub(in crate::admin::page) const $name: &str = $text;)* };
}

mod batches;
mod comparisons;
pub(super) mod jobs;
mod lanes;
mod operations;
mod projects;
mod records;
mod status;
mod webhooks;

pub(super) use self::batches::{bulk, deliveries, document};
pub(super) use self::comparisons::{resync, table};
pub(super) use self::lanes::{pause, recover, send_existing, skip};
pub(super) use self::operations::{audit, doctor, settings, sign_in};
pub(super) use self::projects::project;
pub(super) use self::records::{attempts, choice, confirm, dead_letters, replay, tail};
pub(super) use self::status::{alert, overview, slot, spool};
pub(super) use self::webhooks::{hand_over, rotate, test, webhook};
use super::show::{count, span};

texts! {
    PRODUCT = "Sidecar";
    SKIP_LINK = "Skip to the content";
    NAVIGATION = "Pages";
    UNDELIVERED = "undelivered";
    STALE = "The page lost its connection and shows what was. It connects again by itself.";
    COPY = "Copy";
    COPIED = "Copied";
    CANCEL = "Cancel";
    SIGN_IN = "Sign in";
    SIGN_OUT = "Sign out";
    TIMES_IN_UTC = "Times in UTC";
    TIMES_IN_LOCAL = "Times in local time";
    LOCAL_MARK = "(local)";
    YES = "yes";
    PROJECT = "Project";
    CALLBACK = "Callback";
    NEXT_PAGE = "Next page";
    FAILED = "This did not work";
    BACK_TO_PROJECTS = "To the projects";
    UNKNOWN = "unknown";
    NEVER = "none since the sidecar started";
    RECORD = "record";
    RECORDS = "records";
    PENDING_RECORD = "record pending";
    PENDING_RECORDS = "records pending";
    LANE = "lane";
    LANES = "lanes";
    DOCUMENT = "document";
    DOCUMENTS = "documents";
}

/// `the oldest for 5 s`
pub(super) fn oldest(seconds: f64) -> String {
    format!("the oldest for {}", span(seconds))
}

/// `5 s ago`
pub(super) fn ago(seconds: f64) -> String {
    format!("{} ago", span(seconds))
}

/// What a request did, after the redirect to the page. Only words that are known here are shown.
pub(super) fn done(what: &str, n: u64) -> Option<String> {
    let (records, lanes) = (count(n, "record", "records"), count(n, "lane", "lanes"));
    Some(match what {
        "saved" => "The webhook is saved and in force.".to_owned(),
        "removed" => "The webhook is removed.".to_owned(),
        "skipped" => format!("{records} skipped. A replay can still send them."),
        "paused" => format!("Paused: {lanes}. Records are kept until it is resumed."),
        "resumed" => format!("Resumed: {lanes}."),
        "still-paused" => {
            "Resumed, but a pause of a host, of a project or of all still holds: resume that too.".to_owned()
        }
        "discarded" => format!("{} discarded.", count(n, "dead letter is", "dead letters are")),
        "redelivering" => {
            format!("{} made. One that fails stays a dead letter.", count(n, "attempt is", "attempts are"))
        }
        "job" => "A job does it. What it has done so far is shown here.".to_owned(),
        "job-cancelled" => "The job stops after the part that it is at. What was done stays done.".to_owned(),
        "replay-cancelled" => "The replay is cancelled: its remaining records are not sent.".to_owned(),
        "resync-cancelled" => "The resync ends. Its result is shown here.".to_owned(),
        "resync" => "The resync is requested. It starts within a second.".to_owned(),
        "redelivered" => format!("{} will be sent once more.", count(n, "dead letter", "dead letters")),
        "replaying" => format!("A replay of {records} has started."),
        "sending-existing" => {
            "The table is being read: a record is made for each document of the project.".to_owned()
        }
        _ => return None,
    })
}

pub(super) mod nav {
    texts! {
        OVERVIEW = "Overview";
        PROJECTS = "Projects";
        DELIVERIES = "Deliveries";
        DOCUMENT = "Document";
        DEAD_LETTERS = "Dead letters";
        REPLAY = "Replay";
        JOBS = "Jobs";
        TAIL = "Tail";
        TABLE = "Table";
        DOCTOR = "Doctor";
        SETTINGS = "Settings";
        AUDIT = "Audit";
    }
}

pub(super) mod lane {
    texts! {
        BUSY = "Busy";
        FAILING = "Failing";
        IDLE = "Idle";
        NEEDS_OWNER = "Needs owner";
        PAUSED = "Paused";
        THROTTLED = "Throttled";
        WAITING = "Waiting";
        WITHOUT_WEBHOOK = "Without webhook";
    }
}
