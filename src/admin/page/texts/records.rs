//! Texts of the pages about records that were made: dead letters, replays, the tail.

pub(in crate::admin::page) mod choice {
    pub(in crate::admin::page) const ANY: &str = "any";
    pub(in crate::admin::page) const FILTER: &str = "Filter";
    pub(in crate::admin::page) const NO_FILTER: &str = "Show all";
}

pub(in crate::admin::page) mod confirm {
    pub(in crate::admin::page) const BACK: &str = "Back";
    pub(in crate::admin::page) const NOT_ALLOWED: &str = "You may see this and not do it: sign in with a token or a link that has the capability for it, or use \
         the command where the sidecar runs.";
}

pub(in crate::admin::page) mod attempts {
    pub(in crate::admin::page) const TITLE: &str = "Attempts";
    pub(in crate::admin::page) const NONE: &str = "No attempt is on record.";
    pub(in crate::admin::page) const NONE_NEXT: &str = "It was given up before it was sent, or its attempts are not kept any more: redeliver it to see an answer.";
    pub(in crate::admin::page) const ATTEMPT: &str = "Attempt";
    pub(in crate::admin::page) const DELIVERED: &str = "Delivered";
    pub(in crate::admin::page) const DURATION: &str = "Duration";
    pub(in crate::admin::page) const FAILED_AT: &str = "Failed at";
    pub(in crate::admin::page) const PEER: &str = "Receiver's address";
    pub(in crate::admin::page) const REUSED: &str = "open connection reused";
    pub(in crate::admin::page) const NEW_CONNECTION: &str = "new connection";
    pub(in crate::admin::page) const NEXT: &str = "Next attempt due (UTC)";
    pub(in crate::admin::page) const REQUEST_ID: &str = "Span of traceparent";
    pub(in crate::admin::page) const ANSWER: &str = "Answer";
    pub(in crate::admin::page) const ANSWER_HEADERS: &str = "Headers";
    pub(in crate::admin::page) const ANSWER_BODY: &str = "Body, its first 4 KiB";
    pub(in crate::admin::page) const DNS: &str = "DNS";
    pub(in crate::admin::page) const CONNECT: &str = "connect";
    pub(in crate::admin::page) const TLS: &str = "TLS";
    pub(in crate::admin::page) const WAIT: &str = "request and wait";
    pub(in crate::admin::page) const READ: &str = "answer";

    pub(in crate::admin::page) fn earlier(attempts: u64) -> String {
        format!(
            "{} not shown here: the API has them.",
            crate::admin::page::show::count(attempts, "earlier attempt is", "earlier attempts are")
        )
    }
}

pub(in crate::admin::page) mod dead_letters {
    use crate::admin::page::show::count;

    pub(in crate::admin::page) const LEAD: &str =
        "Batches that were given up. Their records stay here until you redeliver or discard them.";
    pub(in crate::admin::page) const NONE: &str = "There is no dead letter.";
    pub(in crate::admin::page) const NONE_NEXT: &str = "Records that cannot be delivered are kept in their lane first: the page of a project shows what waits and why.";
    pub(in crate::admin::page) const NONE_FOUND: &str = "No dead letter matches.";
    pub(in crate::admin::page) const NONE_FOUND_NEXT: &str = "Remove a filter, or choose another reason.";
    pub(in crate::admin::page) const NO: &str = "No.";
    pub(in crate::admin::page) const REASON: &str = "Reason";
    pub(in crate::admin::page) const SINCE: &str = "Given up from (UTC)";
    pub(in crate::admin::page) const UNTIL: &str = "Given up before (UTC)";
    pub(in crate::admin::page) const RECOVER: &str = "Recover since a time";
    pub(in crate::admin::page) const RECOVER_WHAT: &str = "After an outage, when its receiver is well again: one more attempt for all that was given up since then, of the project and callback of the filter. They are counted first.";
    pub(in crate::admin::page) const RECOVER_COUNT: &str = "Count them";
    pub(in crate::admin::page) const GIVEN_UP: &str = "Given up (UTC)";
    pub(in crate::admin::page) const RECORDS: &str = "Records";
    pub(in crate::admin::page) const SIZE: &str = "Size";
    pub(in crate::admin::page) const ANSWER: &str = "Last answer";
    pub(in crate::admin::page) const NO_ANSWER: &str = "never sent";
    pub(in crate::admin::page) const REDELIVERING: &str = "Redelivering";
    pub(in crate::admin::page) const SELECT: &str = "Select";
    pub(in crate::admin::page) const SELECT_ONE: &str = "Select dead letter";
    pub(in crate::admin::page) const REDELIVER_SELECTED: &str = "Redeliver selected";
    pub(in crate::admin::page) const DISCARD_SELECTED: &str = "Discard selected";
    pub(in crate::admin::page) const REDELIVER_ALL: &str = "Redeliver all that match";
    pub(in crate::admin::page) const DISCARD_ALL: &str = "Discard all that match";
    pub(in crate::admin::page) const NONE_SELECTED: &str =
        "no dead letter is selected: check the box of one, or use the button for all that match the filter";
    pub(in crate::admin::page) const NO_REPLAY: &str =
        "dead letters are redelivered or discarded: the page Deliveries replays batches";
    pub(in crate::admin::page) const WEBHOOK_ID: &str = "webhook-id";
    pub(in crate::admin::page) const NOT_CUT: &str = "none yet: it is cut when it is redelivered";
    pub(in crate::admin::page) const FIRST_RECORDS: &str = "First records";
    pub(in crate::admin::page) const BACK: &str = "All dead letters";

    pub(in crate::admin::page) fn title(no: i64) -> String {
        format!("Dead letter {no}")
    }

    /// What is selected: `12 dead letters with 1,200 records`.
    pub(in crate::admin::page) fn selected(letters: u64, records: u64) -> String {
        format!(
            "This is about {} with {}.",
            count(letters, "dead letter", "dead letters"),
            count(records, "record", "records")
        )
    }

    pub(in crate::admin::page) fn reason(name: &str) -> &'static str {
        match name {
            "aborted" => "The receiver asked for it",
            "given_up" => "Not delivered in time",
            "lane_full" => "The lane was full",
            "refused" => "The receiver refused the record",
            "spool_full" => "The spool was nearly full",
            "too_large" => "Refused as too large",
            _ => "Another reason",
        }
    }
}

pub(in crate::admin::page) mod replay {
    use crate::admin::page::show::{about, count, span, time};

    pub(in crate::admin::page) const LEAD: &str = "A replay sends records again that are settled and still kept. New records are sent meanwhile, and first.";
    pub(in crate::admin::page) const NEW: &str = "New replay";
    pub(in crate::admin::page) const FROM: &str = "From LSN or position";
    pub(in crate::admin::page) const FROM_HINT: &str =
        "For example 0/16B3748, or 0-16B3748/3 for one record. Set this or a time.";
    pub(in crate::admin::page) const SINCE: &str = "From time (UTC)";
    pub(in crate::admin::page) const SINCE_HINT: &str =
        "Starts with the first transaction committed then or later.";
    pub(in crate::admin::page) const TO: &str = "To LSN or position";
    pub(in crate::admin::page) const TO_HINT: &str = "The last one that is sent. Empty: up to now.";
    pub(in crate::admin::page) const PROJECT_HINT: &str = "Empty: all projects.";
    pub(in crate::admin::page) const ALL_CALLBACKS: &str = "all three";
    pub(in crate::admin::page) const RATE: &str = "Records per second";
    pub(in crate::admin::page) const RATE_HINT: &str =
        "Over all lanes. Empty: as fast as the receivers take them.";
    pub(in crate::admin::page) const COUNT: &str = "Count the records";
    pub(in crate::admin::page) const COUNT_FIRST: &str = "Nothing is sent before you have seen the count.";
    pub(in crate::admin::page) const CHECK: &str = "Check the replay";
    pub(in crate::admin::page) const NOTHING: &str = "No record is in this range.";
    pub(in crate::admin::page) const NOTHING_NEXT: &str = "Choose an earlier start, another project or another callback. Records that wait are sent without a replay.";
    pub(in crate::admin::page) const RUNNING: &str = "Running";
    pub(in crate::admin::page) const NONE_RUNNING: &str = "No replay is running.";
    pub(in crate::admin::page) const NONE_RUNNING_NEXT: &str =
        "Set where to start in the form, and count first.";
    pub(in crate::admin::page) const HISTORY: &str = "History";
    pub(in crate::admin::page) const NO_HISTORY: &str = "No replay has ended.";
    pub(in crate::admin::page) const NO_HISTORY_NEXT: &str =
        "Replays that are done or cancelled are listed here with their counts.";
    pub(in crate::admin::page) const NO: &str = "No.";
    pub(in crate::admin::page) const STATE: &str = "State";
    pub(in crate::admin::page) const RANGE: &str = "Range";
    pub(in crate::admin::page) const SENT: &str = "Sent";
    pub(in crate::admin::page) const SIZE: &str = "Size";
    pub(in crate::admin::page) const RECORDS: &str = "Records";
    pub(in crate::admin::page) const REFUSED: &str = "Refused as too large";
    pub(in crate::admin::page) const STARTED: &str = "Started (UTC)";
    pub(in crate::admin::page) const ENDED: &str = "Ended (UTC)";
    pub(in crate::admin::page) const PROGRESS: &str = "Progress";
    pub(in crate::admin::page) const WITHOUT_WEBHOOK: &str = "Left out: no webhook";
    pub(in crate::admin::page) const CANCEL: &str = "Cancel the replay";
    pub(in crate::admin::page) const CANCEL_WHAT: &str =
        "Its remaining records are not sent. What was sent stays sent, and another replay can send the rest.";
    pub(in crate::admin::page) const DONE: &str = "Done";
    pub(in crate::admin::page) const CANCELLED: &str = "Cancelled";

    pub(in crate::admin::page) fn cancel(no: u64) -> String {
        format!("Cancel replay {no}")
    }

    pub(in crate::admin::page) fn progress(sent: u64, records: u64) -> String {
        format!("{} of {} sent", crate::admin::page::show::number(sent), count(records, "record", "records"))
    }

    pub(in crate::admin::page) fn window(after: &str, from: &str, to: &str) -> String {
        format!("Records committed after {} UTC can be replayed: LSN {from} to {to}.", time(after))
    }

    pub(in crate::admin::page) const NO_WINDOW: &str =
        "Nothing can be replayed before the first start has finished: the page Table shows its progress.";

    pub(in crate::admin::page) fn will_send(records: u64, size: &str) -> String {
        format!("This sends {} ({size}) again.", count(records, "record", "records"))
    }

    pub(in crate::admin::page) fn takes(seconds: f64) -> String {
        format!("At this rate it takes about {}.", about(seconds))
    }

    pub(in crate::admin::page) fn left(per_second: f64, seconds: f64) -> String {
        format!("{per_second:.0} records/s, about {} left", span(seconds))
    }

    pub(in crate::admin::page) fn begins_late(after: &str) -> String {
        format!(
            "Records committed up to {} UTC were asked for and are no longer kept: the replay starts after them.",
            time(after)
        )
    }

    pub(in crate::admin::page) fn newer(documents: u64) -> String {
        format!(
            "{} newer records than this range: their receivers get older content last, unless you leave the end empty.",
            count(documents, "document has", "documents have")
        )
    }

    pub(in crate::admin::page) fn button(records: u64) -> String {
        format!("Send {} again", count(records, "record", "records"))
    }

    pub(in crate::admin::page) fn range(from: &str, to: Option<&str>, of: &str) -> String {
        format!(
            "from {from} {}, {of}",
            to.map_or_else(|| "up to its start".to_owned(), |to| format!("to {to}"))
        )
    }

    /// `12 batches that were selected, acme`
    pub(in crate::admin::page) fn of_batches(batches: u64, of: &str) -> String {
        format!("{} selected, {of}", count(batches, "batch", "batches"))
    }

    pub(in crate::admin::page) const ALL_PROJECTS: &str = "all projects";
}

pub(in crate::admin::page) mod tail {
    use crate::admin::page::show::count;

    pub(in crate::admin::page) const LEAD: &str = "Records as they are classified, from now on, whether or not a webhook takes them. The newest is at the top.";
    pub(in crate::admin::page) const PAUSE: &str = "Pause";
    pub(in crate::admin::page) const RESUME: &str = "Resume";
    pub(in crate::admin::page) const HELD: &str = "held";
    pub(in crate::admin::page) const FREEZES: &str = "The list holds still while the pointer is on it.";
    pub(in crate::admin::page) const POSITION: &str = "Position";
    pub(in crate::admin::page) const RECORD: &str = "Record";
    pub(in crate::admin::page) const EMPTY: &str = "No record yet.";
    pub(in crate::admin::page) const EMPTY_NEXT: &str =
        "Change a document: its record appears here within a second. Without scripts, collect for a while.";
    pub(in crate::admin::page) const COLLECT: &str = "Collect for 10 seconds";
    pub(in crate::admin::page) const COMMAND: &str = "The same on a terminal";

    pub(in crate::admin::page) fn missed(records: u64) -> String {
        format!(
            "{} not shown: they came faster than this page takes them.",
            count(records, "record is", "records are")
        )
    }
}
