//! Texts of the list of projects and of the page of one.

pub(in crate::admin::page) mod project {
    use crate::admin::page::show::{count, number, span};
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
        OLDEST = "Oldest pending";
        LAST_ERROR = "Last error";
        ATTEMPTS = "Attempts";
        NO_ATTEMPT = "No attempt in the last 24 h.";
        NOW = "now";
        SINCE = "In this state for";
        HAND_OVER = "Text for the receiver's owner";
        HAND_OVER_BUTTON = "Hand over";
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

    pub(in crate::admin::page) fn callback(callback: Callback) -> &'static str {
        match callback {
            Callback::Excluded => "Excluded",
            Callback::Ingested => "Ingested",
            Callback::Modified => "Modified",
        }
    }

    pub(in crate::admin::page) fn about(callback: Callback) -> &'static str {
        match callback {
            Callback::Excluded => "A document was excluded, deleted or moved to another project.",
            Callback::Ingested => "A document is new, restored, or its content changed.",
            Callback::Modified => "Labels, predicted labels or similarities of a document changed.",
        }
    }

    /// `1,234 attempts, 5 failed`
    pub(in crate::admin::page) fn attempts(all: &str, failed: &str) -> String {
        format!("{all}, {failed} failed")
    }

    /// `2026-11-28 17:46:01 UTC, 5 s ago`
    pub(in crate::admin::page) fn at(time: &str, ago: Option<&str>) -> String {
        ago.map_or_else(|| format!("{time} UTC"), |ago| format!("{time} UTC, {ago}"))
    }

    /// `Send the documents that exist (412,000)`
    pub(in crate::admin::page) fn send_existing(documents: Option<(u64, bool)>) -> String {
        match documents {
            None => SEND_EXISTING.to_owned(),
            Some((count, false)) => format!("{SEND_EXISTING} ({})", number(count)),
            Some((0, true)) => format!("{SEND_EXISTING} (few)"),
            Some((count, true)) => format!("{SEND_EXISTING} (about {})", number(count)),
        }
    }

    pub(in crate::admin::page) fn set_at(at: Option<String>) -> String {
        at.map_or_else(|| "set here".to_owned(), |at| format!("set at {at} UTC"))
    }

    pub(in crate::admin::page) fn set_in(place: &str) -> String {
        format!("set in {place}")
    }

    pub(in crate::admin::page) fn in_time(seconds: f64) -> String {
        if seconds < 1.0 { "now".to_owned() } else { format!("in {}", span(seconds)) }
    }

    pub(in crate::admin::page) fn wider(project: &str, callback: &str) -> String {
        let projects = if project == "*" { "every project" } else { "this project" };
        let callbacks = if callback == "*" { "all callbacks" } else { "this callback" };
        format!("The webhook for {projects} and {callbacks} answers here. One of its own comes before it.")
    }

    pub(in crate::admin::page) fn status(status: u16, failures: u32) -> String {
        format!("The receiver answered {status}, {} in a row.", count(u64::from(failures), "time", "times"))
    }

    pub(in crate::admin::page) fn outcome(outcome: &str, failures: u32) -> String {
        format!(
            "The last attempt failed ({outcome}), {} in a row.",
            count(u64::from(failures), "time", "times")
        )
    }

    pub(in crate::admin::page) fn cause(cause: &str, class: &str) -> String {
        format!("Cause: {cause} (class {class}).")
    }
}
