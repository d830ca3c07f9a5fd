//! Texts of the first page.

pub(in crate::admin::page) mod overview {
    use crate::admin::page::show::count;

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

    pub(in crate::admin::page) fn well(pending: u64) -> String {
        match pending {
            0 => "All is well: changes are read, and every record is delivered.".to_owned(),
            _ => format!(
                "All is well: changes are read, and {} on the way.",
                count(pending, "record is", "records are")
            ),
        }
    }

    pub(in crate::admin::page) fn failing(lanes: u64, records: u64) -> String {
        format!(
            "Changes are read. {} failing, and {} for {}.",
            count(lanes, "lane is", "lanes are"),
            count(records, "record waits", "records wait"),
            if lanes == 1 { "it" } else { "them" },
        )
    }

    pub(in crate::admin::page) fn dead_letters(records: u64) -> String {
        format!(
            "Changes are read, and every lane works. {} in dead letters: redeliver or discard them.",
            count(records, "record is", "records are"),
        )
    }

    pub(in crate::admin::page) fn not_ready(reasons: &[String]) -> String {
        format!("Not ready: {}.", reasons.join("; "))
    }
}

pub(in crate::admin::page) mod alert {
    use crate::admin::page::show::count;

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

    pub(in crate::admin::page) fn not_ready(reason: &str) -> String {
        format!("Not ready: {reason}")
    }

    pub(in crate::admin::page) fn wal(state: &str) -> String {
        format!(
            "The WAL status of the slot is {state}: the server removes WAL that the slot needs, or has done so."
        )
    }

    pub(in crate::admin::page) fn spool_lasts(time: &str) -> String {
        format!("At the rate of the last hour it is full in {time}.")
    }

    pub(in crate::admin::page) fn failing(
        project: &str,
        callback: &str,
        answer: &str,
        since: &str,
    ) -> String {
        format!("{project}, {callback}: failing for {since} ({answer}). ")
    }

    pub(in crate::admin::page) fn kept(
        records: u64,
        gives_up_in: Option<&str>,
        disk: Option<&str>,
    ) -> String {
        let kept = gives_up_in
            .map_or_else(String::new, |time| format!(" for another {time}, then they become dead letters"));
        let disk = disk
            .map_or_else(|| "the disk is enough".to_owned(), |time| format!("the disk is enough for {time}"));
        format!(
            "{} kept{kept}; {disk}; the database is not affected.",
            count(records, "record is", "records are")
        )
    }

    pub(in crate::admin::page) fn more(lanes: u64) -> String {
        format!("{} failing too.", count(lanes, "other lane is", "other lanes are"))
    }

    pub(in crate::admin::page) fn paused(lanes: u64) -> String {
        format!(
            "{} paused: their records are kept, and nothing is sent.",
            count(lanes, "lane is", "lanes are")
        )
    }
}

pub(in crate::admin::page) mod slot {
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

pub(in crate::admin::page) mod spool {
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
