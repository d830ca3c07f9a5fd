//! Texts of the page about the table of documents: first start and resync.

pub(in crate::admin::page) mod table {
    use crate::admin::page::show::{count, number, span};

    pub(in crate::admin::page) const LEAD: &str = "The first start reads the documents that exist. A resync compares the table with the shadow, and makes records for \
         the differences.";
    pub(in crate::admin::page) const PROGRESS: &str = "Progress";
    pub(in crate::admin::page) const SEEDING: &str = "First start";
    pub(in crate::admin::page) const RESYNCING: &str = "Resync";
    pub(in crate::admin::page) const IDLE: &str = "No comparison is under way.";
    pub(in crate::admin::page) const IDLE_NEXT: &str = "Changes are followed from the WAL. Start a resync if the table and the receivers may differ: count first.";
    pub(in crate::admin::page) const SHADOW: &str = "Documents in the shadow";
    pub(in crate::admin::page) const STATE: &str = "State of the stream";
    pub(in crate::admin::page) const LAST: &str = "Last resync";
    pub(in crate::admin::page) const NO_LAST: &str = "There was no resync since the process started.";
    pub(in crate::admin::page) const NO_LAST_NEXT: &str =
        "Counting the differences changes nothing: try it in the form.";
    pub(in crate::admin::page) const NUMBER: &str = "No.";
    pub(in crate::admin::page) const RESULT: &str = "Result";
    pub(in crate::admin::page) const WHY: &str = "Why";
    pub(in crate::admin::page) const FROM: &str = "Stream applied up to";
    pub(in crate::admin::page) const TO: &str = "Snapshot at";
    pub(in crate::admin::page) const ROWS: &str = "Documents in the table";
    pub(in crate::admin::page) const GONE: &str = "Gone from the table";
    pub(in crate::admin::page) const RECORDS: &str = "Records made or counted";
    pub(in crate::admin::page) const START: &str = "Start a resync";
    pub(in crate::admin::page) const KIND: &str = "What it does";
    pub(in crate::admin::page) const OPTIONS: &str = "Options";
    pub(in crate::admin::page) const FORCE: &str = "Proceed however many documents are gone";
    pub(in crate::admin::page) const ADOPT: &str = "Accept another database as the source";
    pub(in crate::admin::page) const GO_ON: &str = "Go on";
    pub(in crate::admin::page) const AS_INGESTED_PROJECT: &str =
        "Project, for \u{201c}send every document as ingested\u{201d}";

    pub(in crate::admin::page) const NONE_TO_CANCEL: &str =
        "No resync that was requested is under way. One that closes a gap in the stream is not cancelled.";
    pub(in crate::admin::page) const KIND_WRONG: &str = "one of the four kinds of resync is expected";
    pub(in crate::admin::page) const PROJECT_MISSING: &str =
        "the project whose documents are to be sent is expected";

    /// The kinds of resync: the value in the form, its name, what it does.
    pub(in crate::admin::page) const COUNT: &str = "Count the differences";
    pub(in crate::admin::page) const KINDS: [(&str, &str, &str); 4] = [
        ("count", COUNT, "The table is read and compared. No record is made, nothing is sent."),
        (
            "repair",
            "Send the differences",
            "A record is made for each difference, and delivered as any other.",
        ),
        ("learn", "Accept the differences", "The shadow is updated without records: receivers are not told."),
        (
            "as_ingested",
            "Send every document of a project as ingested",
            "For a receiver that starts empty: an ingested record for each live document of the project.",
        ),
    ];

    pub(in crate::admin::page) fn done(done: u64, estimate: u64) -> String {
        format!("{} of about {} compared", number(done), count(estimate, "document", "documents"))
    }

    pub(in crate::admin::page) fn speed(per_second: f64, seconds_left: Option<f64>) -> String {
        match seconds_left {
            Some(left) => format!("{per_second:.0} documents/s, about {} left", span(left)),
            None => format!("{per_second:.0} documents/s"),
        }
    }

    pub(in crate::admin::page) fn about(documents: u64) -> String {
        format!(
            "The shadow holds {}: about as many rows are read.",
            count(documents, "document", "documents")
        )
    }

    pub(in crate::admin::page) fn records(ingested: u64, modified: u64, excluded: u64) -> String {
        format!("{} ingested, {} modified, {} excluded", number(ingested), number(modified), number(excluded))
    }
}

pub(in crate::admin::page) mod resync {
    pub(in crate::admin::page) const CANCELLED: &str = "Cancelled";
    pub(in crate::admin::page) const CANCEL: &str = "Cancel the resync";
    pub(in crate::admin::page) const CANCEL_WHAT: &str = "The comparison ends, and the stream goes on. Records that it has made are sent; other differences stay until another resync.";
    pub(in crate::admin::page) const DONE: &str = "Done";
    pub(in crate::admin::page) const RUNNING: &str = "Running";
    pub(in crate::admin::page) const WAITING: &str = "Waits for Postgres";
    pub(in crate::admin::page) const HELD: &str = "Held: too many documents are gone";
    pub(in crate::admin::page) const REFUSED: &str = "Waits for a change of settings or SQL";
}
