//! Every text of the page.

mod batches;
mod comparisons;
pub(super) mod jobs;
mod operations;
mod records;

pub(super) use self::batches::{deliveries, document};
pub(super) use self::comparisons::{resync, table};
pub(super) use self::operations::{audit, doctor, settings, sign_in};
pub(super) use self::records::{attempts, choice, confirm, dead_letters, replay, tail};
use super::show::{count, span};

macro_rules! texts {
    ($($name:ident = $text:literal;)*) => { $(pub(in crate::admin::page) const $name: &str = $text;)* };
}

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

pub(super) mod overview {
    use super::super::show::count;

    texts! {
        UNDELIVERED = "Undelivered";
        NOTHING_UNDELIVERED = "Nothing: no dead letter, and no lane that fails. Records that are on their way do not count.";
        IN_DEAD_LETTERS = "In dead letters";
        IN_FAILING_LANES = "In failing lanes";
        LANES = "Lanes by state";
        ALERTS = "What to do";
        NO_ALERT = "Nothing needs you.";
        RECORDS = "Records per second";
        REQUESTS = "Requests per second";
        NOW = "now";
        MOST = "at most";
        HOUR_AGO = "an hour ago";
        NO_LANES = "No lane has had a record.";
        NO_LANES_NEXT = "Set a webhook on the page of a project, then change a document.";
    }

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

pub(super) mod alert {
    use super::super::show::count;

    texts! {
        NOT_READY_FORECAST = "Changes are kept by the database until it is ready: its WAL grows meanwhile. What is spooled is delivered.";
        WAL_FORECAST = "A slot that is lost takes a resync, which sends the differences.";
        WAL_CURE = "ALTER SYSTEM SET max_slot_wal_keep_size = '100GB';\nSELECT pg_reload_conf();";
        SPOOL_NEAR = "The spool is nearly full: delivered records are removed before spool.retain.";
        SPOOL_FULL = "The spool is full: changes are no longer read, and the WAL of the database grows.";
        SPOOL_CURE = "[spool]\nbytes_max = \"20GiB\"   # and a restart";
        SHOW_THEM = "Show them";
        OPEN_PROJECT = "Open the project";
    }

    pub(in super::super) fn not_ready(reason: &str) -> String {
        format!("Not ready: {reason}")
    }

    pub(in super::super) fn wal(state: &str) -> String {
        format!(
            "The WAL status of the slot is {state}: the server removes WAL that the slot needs, or has done so."
        )
    }

    pub(in super::super) fn spool_lasts(time: &str) -> String {
        format!("At the rate of the last hour it is full in {time}.")
    }

    pub(in super::super) fn failing(project: &str, callback: &str, answer: &str, since: &str) -> String {
        format!("{project}, {callback}: failing for {since} ({answer}). ")
    }

    pub(in super::super) fn kept(records: u64, gives_up_in: Option<&str>, disk: Option<&str>) -> String {
        let kept = gives_up_in
            .map_or_else(String::new, |time| format!(" for another {time}, then they become dead letters"));
        let disk = disk
            .map_or_else(|| "the disk is enough".to_owned(), |time| format!("the disk is enough for {time}"));
        format!(
            "{} kept{kept}; {disk}; the database is not affected.",
            count(records, "record is", "records are")
        )
    }

    pub(in super::super) fn more(lanes: u64) -> String {
        format!("{} failing too.", count(lanes, "other lane is", "other lanes are"))
    }

    pub(in super::super) fn paused(lanes: u64) -> String {
        format!(
            "{} paused: their records are kept, and nothing is sent.",
            count(lanes, "lane is", "lanes are")
        )
    }
}

pub(super) mod slot {
    texts! {
        TITLE = "Replication slot";
        STATE = "State";
        NAME = "Slot";
        DATABASE = "Database";
        LAG = "Lag";
        RETAINED = "WAL retained";
        WAL_STATUS = "WAL status";
        CONFIRMED = "Confirmed LSN";
        LAST_MESSAGE = "Last message (UTC)";
    }
}

pub(super) mod spool {
    texts! {
        TITLE = "Spool";
        USED = "Used";
        ROOM = "Room";
        LASTS = "Lasts at this rate";
        DOES_NOT_GROW = "it did not grow in the last hour";
        OPEN = "there is room";
        NEAR = "nearly full: delivered records are removed early";
        FULL = "full: reading has stopped";
        WINDOW = "Replay from (UTC)";
        NO_WINDOW = "not before the first start has finished";
        SHADOW = "Shadow";
        FILE = "File";
    }
}

pub(super) mod project {
    use super::super::show::{count, span};
    use crate::record::Callback;

    texts! {
        WEBHOOKS = "Integration / Webhooks";
        BACK = "To the project";
        SEARCH = "Search";
        SEARCH_HINT = "project, host or owner";
        STATE = "State";
        ANY_STATE = "any";
        FIND = "Search";
        OPEN = "Project by its exact name";
        OPEN_BUTTON = "Open";
        DEFAULTS = "Webhooks for every project";
        DEFAULTS_ABOUT = "These answer for every project that has no webhook of its own.";
        PAUSE_MANY = "Pause several";
        PROJECT = "Project";
        HOST = "Host";
        OWNER = "Owner";
        PENDING = "Pending";
        LAST_SUCCESS = "Last success";
        NONE = "No project has had a record, and none has a webhook.";
        NONE_NEXT = "Open a project by its name, or set the webhooks for every project.";
        NONE_FOUND = "No project fits.";
        NONE_FOUND_NEXT = "Search for less, or choose any state.";
        NO_RECORD = "No record yet";
        NO_WEBHOOK = "No webhook: records of this callback are not kept.";
        NO_WEBHOOK_NEXT = "Set a URL, and the next change is sent there.";
        READ_ONLY = "You can look, and change nothing: that takes a token that can manage.";
        URL = "URL";
        ORIGIN = "Origin";
        REASON = "Reason";
        NOTHING_PENDING = "nothing";
        NEXT_ATTEMPT = "Next attempt";
        SINCE = "In this state for";
        HAND_OVER = "Text for the receiver's owner";
        EDIT = "Edit";
        SET = "Set a webhook";
        TEST = "Send test";
        RECOVER = "Recover since…";
        SEND_EXISTING = "Send the documents that exist";
        SKIP = "Skip what waits";
        PAUSE = "Pause";
        RESUME = "Resume";
        PAUSE_HINT = "While it is paused, records are kept and nothing is sent. After delivery.give_up_after they become dead letters.";
        PAUSED_HINT = "Nothing is sent. Records are kept, and become dead letters after delivery.give_up_after; resume sends them in their order.";
    }

    pub(in super::super) fn callback(callback: Callback) -> &'static str {
        match callback {
            Callback::Excluded => "Excluded",
            Callback::Ingested => "Ingested",
            Callback::Modified => "Modified",
        }
    }

    pub(in super::super) fn about(callback: Callback) -> &'static str {
        match callback {
            Callback::Excluded => "A document was excluded, deleted or moved to another project.",
            Callback::Ingested => "A document is new, restored, or its content changed.",
            Callback::Modified => "Labels, predicted labels or similarities of a document changed.",
        }
    }

    pub(in super::super) fn set_at(at: Option<String>) -> String {
        at.map_or_else(|| "set here".to_owned(), |at| format!("set at {at} UTC"))
    }

    pub(in super::super) fn set_in(place: &str) -> String {
        format!("set in {place}")
    }

    pub(in super::super) fn in_time(seconds: f64) -> String {
        format!("in {}", span(seconds))
    }

    pub(in super::super) fn wider(project: &str, callback: &str) -> String {
        let projects = if project == "*" { "every project" } else { "this project" };
        let callbacks = if callback == "*" { "all callbacks" } else { "this callback" };
        format!("The webhook for {projects} and {callbacks} answers here. One of its own comes before it.")
    }

    pub(in super::super) fn status(status: u16, failures: u32) -> String {
        format!("The receiver answered {status}, {} in a row.", count(u64::from(failures), "time", "times"))
    }

    pub(in super::super) fn outcome(outcome: &str, failures: u32) -> String {
        format!(
            "The last attempt failed ({outcome}), {} in a row.",
            count(u64::from(failures), "time", "times")
        )
    }

    pub(in super::super) fn cause(cause: &str, class: &str) -> String {
        format!("Cause: {cause} (class {class}).")
    }
}

pub(super) mod webhook {
    texts! {
        TITLE = "Webhook";
        OF_FILE = "This webhook is not set here. One that is saved here comes before it.";
        REFUSED = "Nothing was saved.";
        URL = "URL";
        URL_HINT = "http or https. {project} and {callback} in its path or query are filled in. Where it leads to another host, secrets are asked for again.";
        URL_REFERENCE = "The URL refers to";
        HEADERS = "Headers of every request";
        HEADERS_HINT = "Values are never shown. One that is left empty stays as it is.";
        HEADER_NAME = "Name of the header";
        HEADER_VALUE = "Value of the header";
        KEPT = "stays as it is";
        REMOVE_IT = "remove";
        ADD_HEADER = "Another header";
        HEADER_WITHOUT_NAME = "a value is given without a name: give the name too, or clear the value";
        AUTH = "Login at the receiver";
        AUTH_KIND = "Kind";
        OAUTH2 = "OAuth 2 client credentials (set by API or file)";
        AUTH_USER = "User";
        AUTH_USER_HINT = "For Basic";
        AUTH_HEADER = "Header";
        AUTH_HEADER_HINT = "For an API key, such as x-api-key";
        AUTH_SECRET = "Password, token or key";
        AUTH_SECRET_HINT = "Never shown. Left empty, it stays as it is.";
        AUTH_WITHOUT_SECRET = "the password, token or key is missing";
        SIGNING = "Signature";
        SECRET = "Signing secret";
        SECRET_HINT = "Signs each request as Standard Webhooks do: whsec_… or any text. Left empty, it stays as it is.";
        SECRET_REMOVE = "Remove the secret: requests are sent unsigned";
        ROTATE = "Rotate the signing secret";
        PROPERTIES = "Properties";
        PROPERTIES_HINT = "Records of the others are not kept.";
        OWNER = "Owner";
        OWNER_HINT = "Whom alerts name";
        NOTE = "Note";
        NOTE_HINT = "For those who read this page";
        LIMITS = "Limits";
        LIMITS_HINT = "Left empty, the value of the settings file is in force; the usual one stands below each field.";
        RECORDS_MAX = "Records in a request";
        WAIT_MAX = "Longest wait for more records (ms)";
        TIMEOUT = "Time limit of a request (ms)";
        RATE = "Requests per second";
        IN_FLIGHT = "Requests at a time";
        RETRY = "Waits between attempts";
        GIVE_UP = "Give up after";
        ORDER_WAIT = "Wait for other lanes";
        NUMBER_EXPECTED = "a number is expected";
        SAVE = "Save";
        REMOVE = "Remove the webhook";
        UNSAVED = "Changes are not saved.";
    }

    pub(in super::super) const ALL_PROPERTIES: [&str; 3] = ["labels", "predicted_labels", "similarity"];
    pub(in super::super) const AUTH_KINDS: [(&str, &str); 4] = [
        ("none", "None"),
        ("basic", "Basic"),
        ("bearer", "Bearer token"),
        ("api_key", "API key in a header"),
    ];

    pub(in super::super) fn title(project: &str, callback: &str) -> String {
        let project = if project == "*" { "every project" } else { project };
        let callback = if callback == "*" { "all callbacks" } else { callback };
        format!("{project} · {callback}")
    }

    pub(in super::super) fn value_of(name: &str) -> String {
        format!("Value of the header {name}")
    }

    pub(in super::super) fn header_without_value(name: &str) -> String {
        format!("{name}: a value is missing")
    }

    pub(in super::super) fn remove_about(host: &str) -> String {
        format!(
            "Nothing is sent to {host} any more. What waits is kept for spool.retain, and sent if a webhook returns; \
             records that are made meanwhile are not kept. Where a wider webhook is set, it answers from now on."
        )
    }
}

pub(super) mod test {
    texts! {
        TITLE = "Send a test";
        ABOUT = "One request, now, with the header sidecar-test: 1. It is no attempt, and settles nothing.";
        BODY = "What is sent";
        TEXT = "Body for “my own”";
        SEND = "Send test";
        RESULT = "Result";
        DELIVERED = "Delivered";
        NOT_DELIVERED = "Not delivered";
        HOST = "Host";
        ID = "webhook-id";
        BYTES = "Body";
        TOOK = "Took";
        STATUS = "Status";
        DNS = "Name resolved after";
        CONNECT = "Connected in";
        TLS = "TLS in";
        FIRST_BYTE = "First byte after";
        PAUSED = "The lane is paused. Resume it, and what waits is sent.";
        ONE_CALLBACK = "a test is of one callback";
        DOCS_EXAMPLE = "{\"docs\":[{\"id\":\"specimen-id\",\"key\":\"specimen-key\"}]}";
        MODIFIED_EXAMPLE = "{\"modified\":[{\"id\":\"specimen-id\",\"key\":\"specimen-key\",\"labels\":[\"specimen\"]}]}";
    }

    pub(in super::super) const BODIES: [(&str, &str); 4] = [
        ("specimen", "A specimen: one record of each shape"),
        ("last", "The last batch of this lane"),
        ("empty", "An empty list"),
        ("text", "My own, below"),
    ];

    pub(in super::super) fn milliseconds(seconds: f64) -> String {
        format!("{:.1} ms", seconds * 1_000.0)
    }

    pub(in super::super) fn no_json(why: &str) -> String {
        format!("this is no JSON: {why}")
    }
}

pub(super) mod rotate {
    texts! {
        ABOUT = "A new secret is drawn and signs at once, beside the old ones for as long as you say. The receiver takes either.";
        OVERLAP = "Hours for which the old secrets sign too";
        OVERLAP_HINT = "0 ends them at once";
        NEW = "The new secret";
        ONCE = "Copy it now, and give it to the receiver: the page does not show it again.";
        OLD_UNTIL = "Old secrets sign until (UTC)";
        NONE_SIGNS = "none signs any more";
    }
}

pub(super) mod hand_over {
    use super::super::show::count;
    use crate::record::Callback;

    texts! {
        TITLE = "Text for the receiver's owner";
        ABOUT = "It holds no secret: each is replaced by its name.";
        NO_CALLBACK = "There are the callbacks ingested, modified and excluded.";
        REQUEST = "The same kind of request by hand:\n\n";
    }

    pub(in super::super) fn head(project: &str, callback: Callback) -> String {
        format!("Webhook: project {project}, callback {callback}\n\n")
    }

    pub(in super::super) fn problem(
        answer: &str,
        (class, cause): (&str, &str),
        remedy: &str,
        (failures, since): (u32, &str),
        pending: u64,
    ) -> String {
        format!(
            "It fails: {answer}, {} in a row, for {since}. {} for it.\nCause: {cause} (class {class})\nRemedy: {remedy}\n\n",
            count(u64::from(failures), "time", "times"),
            count(pending, "record waits", "records wait"),
        )
    }
}

pub(super) mod pause {
    texts! {
        TITLE = "Pause or resume several";
        ABOUT = "Requests in flight are finished; then nothing is sent. Records are kept meanwhile. Say which lanes: of a project, of a host, or all.";
        PROJECT_HINT = "Every callback of it";
        HOST_HINT = "Of the URL: hooks.example.com, or with its port";
        ALL = "All lanes, also those that come later";
        REASON_HINT = "Shown wherever the pause is";
    }
}

pub(super) mod skip {
    use super::super::show::count;

    texts! {
        TITLE = "Skip what waits";
        NOTHING = "Nothing waits.";
        NOTHING_NEXT = "Go back to the project.";
    }

    pub(in super::super) fn about(records: u64) -> String {
        format!(
            "{} not sent. They count as settled, and a replay can still send them. Records that come later are not skipped.",
            count(records, "record is", "records are"),
        )
    }

    pub(in super::super) fn button(records: u64) -> String {
        format!("Skip {}", count(records, "record", "records"))
    }
}

pub(super) mod recover {
    use super::super::show::count;

    texts! {
        TITLE = "Recover";
        WHAT = "What is sent again";
        FAILED = "What was given up: the dead letters. What waits is sent anyway.";
        ALL = "Everything since a time, also what was delivered: a replay";
        SINCE = "Since (UTC), for a replay";
        COUNT = "Count first";
        BUTTON = "Send again";
        TIME_EXPECTED = "a time is expected, like 2026-01-31T09:00";
    }

    pub(in super::super) fn dead_letters(letters: u64, records: u64, has_more: bool) -> String {
        let more = if has_more { " or more" } else { "" };
        format!(
            "{}{more} with {} would be sent once more.",
            count(letters, "dead letter", "dead letters"),
            count(records, "record", "records")
        )
    }

    pub(in super::super) fn replay(records: u64, size: &str) -> String {
        format!("{} ({size}) would be sent again.", count(records, "record", "records"))
    }
}

pub(super) mod send_existing {
    texts! {
        TITLE = "Send the documents that exist";
        ABOUT = "The table is read once, and every live document of the project becomes an ingested record, whether or not it was sent before.";
        BUTTON = "Send them";
    }
}
