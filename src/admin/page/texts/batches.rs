//! Texts of the pages about batches and documents.

pub(in crate::admin::page) mod bulk {
    pub(in crate::admin::page) const DISCARD: &str = "Discard";
    pub(in crate::admin::page) const REDELIVER: &str = "Redeliver";
    pub(in crate::admin::page) const REPLAY: &str = "Replay";
    pub(in crate::admin::page) const REDELIVER_WHAT: &str = "One more attempt is made for each, with the same body and the same webhook-id. One that fails stays a dead letter.";
    pub(in crate::admin::page) const DISCARD_WHAT: &str = "Their records are dropped. No replay sends them: only a resync can make records about these documents again.";
    pub(in crate::admin::page) const REPLAY_WHAT: &str = "A replay sends their records again, in new batches and in the order of each lane. New records are sent meanwhile, and first.";
}

pub(in crate::admin::page) mod deliveries {
    use crate::admin::page::show::count;

    pub(in crate::admin::page) const ONE: &str = "Batch";
    pub(in crate::admin::page) const BACK: &str = "All deliveries";
    pub(in crate::admin::page) const NONE: &str = "No batch was cut yet.";
    pub(in crate::admin::page) const NONE_NEXT: &str =
        "Set a webhook on the page of a project, then change a document: its batch appears here.";
    pub(in crate::admin::page) const NONE_FOUND: &str = "No batch matches.";
    pub(in crate::admin::page) const NONE_FOUND_NEXT: &str =
        "Remove a filter. If the document was changed and nothing was sent, the page Document says why.";
    pub(in crate::admin::page) const SEARCH: &str = "Search";
    pub(in crate::admin::page) const SEARCH_BY: &str = "Search by";
    pub(in crate::admin::page) const SEARCH_HINT: &str = "A search for a document id or a key needs the project. The status is a number or a class as in 5xx. Times are in UTC.";
    pub(in crate::admin::page) const SEARCHES: [(&str, &str); 4] =
        [("document", "document id"), ("key", "key"), ("webhook-id", "webhook-id"), ("position", "position")];
    pub(in crate::admin::page) const STATE: &str = "State";
    pub(in crate::admin::page) const CLASS: &str = "Class of failure";
    pub(in crate::admin::page) const STATUS: &str = "HTTP status";
    pub(in crate::admin::page) const SINCE: &str = "Cut from (UTC)";
    pub(in crate::admin::page) const UNTIL: &str = "Cut before (UTC)";
    pub(in crate::admin::page) const FOUND: &str = "Records found";
    pub(in crate::admin::page) const BATCHES: &str = "Their batches";
    pub(in crate::admin::page) const POSITION: &str = "Position";
    pub(in crate::admin::page) const COMMITTED: &str = "Committed (UTC)";
    pub(in crate::admin::page) const SETTLED: &str = "settled";
    pub(in crate::admin::page) const PENDING: &str = "pending";
    pub(in crate::admin::page) const ITS_BATCH: &str = "its batch";
    pub(in crate::admin::page) const ITS_DEAD_LETTER: &str = "Its dead letter";
    pub(in crate::admin::page) const REPLAY: &str = "Send its records again";
    pub(in crate::admin::page) const SELECT: &str = "Select";
    pub(in crate::admin::page) const SELECT_ONE: &str = "Select the batch";
    pub(in crate::admin::page) const SELECTED: &str = "Those selected:";
    pub(in crate::admin::page) const ALL_MATCHING: &str = "All that match:";
    /// What is said of one, and of many.
    pub(in crate::admin::page) const DEAD_ONES: (&str, &str) = ("is a dead letter", "are dead letters");
    pub(in crate::admin::page) const SETTLED_ONES: (&str, &str) =
        ("is settled and kept, and has a webhook", "are settled and kept, and have a webhook");
    pub(in crate::admin::page) const NONE_TO_ACT_ON: &str = "There is nothing to do. Redeliver and discard are for dead letters, replay is for delivered batches and dead letters. What waits is sent without either.";
    pub(in crate::admin::page) const NONE_SELECTED: &str =
        "no batch is selected: check the box of one, or use the button for all that match the filter";
    pub(in crate::admin::page) const SEARCH_NOT_ALL: &str =
        "a search is no filter: check the boxes of the batches that it found";

    /// `12 batches with 1,200 records`
    pub(in crate::admin::page) fn about(
        batches: u64,
        records: u64,
        more: bool,
        (one, many): (&str, &str),
    ) -> String {
        let kind = if batches == 1 { one } else { many };
        let more = if more { "more than " } else { "" };
        format!(
            "This is about {more}{} with {}, which {kind}.",
            count(batches, "batch", "batches"),
            count(records, "record", "records")
        )
    }

    pub(in crate::admin::page) fn left_out(batches: u64, (_, many): (&str, &str)) -> String {
        format!(
            "{} left out: only those that {many} are concerned.",
            count(batches, "batch is", "batches are")
        )
    }
    pub(in crate::admin::page) const CUT: &str = "Cut (UTC)";
    pub(in crate::admin::page) const RECORDS: &str = "Records";
    pub(in crate::admin::page) const SIZE: &str = "Size";
    pub(in crate::admin::page) const ATTEMPTS: &str = "Attempts";
    pub(in crate::admin::page) const LAST_ANSWER: &str = "Last answer";
    pub(in crate::admin::page) const NEXT: &str = "Next attempt (UTC)";
    pub(in crate::admin::page) const WAITS_FOR: &str = "Waits for";
    pub(in crate::admin::page) const OF_REPLAY: &str = "Of replay no.";
    pub(in crate::admin::page) const EPOCH: &str = "Epoch";
    pub(in crate::admin::page) const REQUEST: &str = "Request";
    pub(in crate::admin::page) const NO_WEBHOOK: &str = "the lane has no webhook now";
    pub(in crate::admin::page) const BODY: &str = "Body, byte for byte";
    pub(in crate::admin::page) const NO_BODY: &str = "Its records are not kept any more.";
    pub(in crate::admin::page) const NO_BODY_NEXT: &str = "The setting spool.retain says for how long settled records are kept: a resync makes records from the table.";
    pub(in crate::admin::page) const CURL: &str = "As a command";
    pub(in crate::admin::page) const CURL_HINT: &str = "Secrets are replaced. Fill them in where you run it.";
    pub(in crate::admin::page) const WHY: &str = "what became of it";
    pub(in crate::admin::page) const DEAD_LETTER: &str = "Dead letter";
    pub(in crate::admin::page) const DELIVERED: &str = "Delivered";
    pub(in crate::admin::page) const IN_FLIGHT: &str = "In flight";
    pub(in crate::admin::page) const RETIRED: &str = "Retired";
    pub(in crate::admin::page) const WAITING: &str = "Waiting";
}

pub(in crate::admin::page) mod document {
    pub(in crate::admin::page) const LEAD: &str =
        "What became of a document: its records, their batches, and why nothing was sent where nothing was.";
    pub(in crate::admin::page) const ID: &str = "Document id";
    pub(in crate::admin::page) const FIND: &str = "Find";
    pub(in crate::admin::page) const NONE: &str = "No document is chosen.";
    pub(in crate::admin::page) const NONE_NEXT: &str =
        "Type its project and its id. Who knows only a key finds the id on the page Deliveries.";
    pub(in crate::admin::page) const ROW: &str = "Row in the table";
    pub(in crate::admin::page) const ROW_EXISTS: &str = "exists";
    pub(in crate::admin::page) const ROW_MISSING: &str = "does not exist";
    pub(in crate::admin::page) const SHADOW: &str = "Shadow";
    pub(in crate::admin::page) const NOT_IN_SHADOW: &str = "does not know it";
    pub(in crate::admin::page) const SHADOW_PROJECT: &str = "Project in the shadow";
    pub(in crate::admin::page) const OTHER_PROJECT: &str = "another one";
    pub(in crate::admin::page) const LIVE: &str = "live";
    pub(in crate::admin::page) const NOT_LIVE: &str = "excluded";
    pub(in crate::admin::page) const KEY: &str = "Key";
    pub(in crate::admin::page) const APPLIED: &str = "Stream applied up to";
    pub(in crate::admin::page) const WRITTEN: &str = "Server has written up to";
    pub(in crate::admin::page) const RECORDS: &str = "Records, the newest first";
    pub(in crate::admin::page) const NO_RECORDS: &str = "No record about it is kept.";
    pub(in crate::admin::page) const NO_RECORDS_NEXT: &str = "The sentences above say why. A resync of the project makes an ingested record for each live document.";
    pub(in crate::admin::page) const CAUSE: &str = "Cause";
    pub(in crate::admin::page) const STATE: &str = "What became of it";
    pub(in crate::admin::page) const RECORD: &str = "The record";
    pub(in crate::admin::page) const OLDER: &str = "Older records";
}
