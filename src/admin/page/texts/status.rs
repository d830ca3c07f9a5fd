//! Texts of the first page.

pub(in crate::admin::page) mod overview {
    use crate::admin::page::show::count;

    texts! {
        OK = "OK";
        LOOK = "Look at it";
        ACT_NOW = "Act now";
        LOSES_WAL = "The server removes WAL that the replication slot needs: changes may be lost, and then take a resync.";
        NEARLY_FULL = "Changes are read and delivered, but the spool is nearly full.";
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

    pub(in crate::admin::page) fn gives_up(lanes: u64) -> String {
        let they = if lanes == 1 { "its" } else { "their" };
        format!(
            "{} about to give up: {they} oldest records become dead letters within the hour.",
            count(lanes, "lane is", "lanes are")
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
        PAUSED_FORECAST = "After delivery.give_up_after their records become dead letters.";
        DEAD_LETTERS_FORECAST = "They are kept for spool.retain, less where the spool is nearly full, and can be redelivered until then.";
        SHOW_THEM = "Show them";
        OPEN_DOCTOR = "Ask the doctor";
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

    /// What becomes of the records of a lane that fails.
    pub(in crate::admin::page) struct Forecast<'a> {
        pub(in crate::admin::page) records: u64,
        /// When they are given up.
        pub(in crate::admin::page) until: Option<&'a str>,
        /// How long the disk lasts; `None`: the spool does not grow.
        pub(in crate::admin::page) disk: Option<&'a str>,
        /// How long it takes to deliver them.
        pub(in crate::admin::page) pace: Option<&'a str>,
    }

    impl Forecast<'_> {
        pub(in crate::admin::page) fn sentence(&self) -> String {
            let until = self
                .until
                .map_or_else(String::new, |time| format!(" until {time}, then they become dead letters"));
            let disk = self.disk.map_or_else(
                || "the disk is enough".to_owned(),
                |time| format!("the disk is enough for {time}"),
            );
            let pace = self
                .pace
                .map_or_else(String::new, |time| format!("; once it works, it catches up in about {time}"));
            format!(
                "{} kept{until}; {disk}; the database is not affected{pace}.",
                count(self.records, "record is", "records are")
            )
        }
    }

    pub(in crate::admin::page) fn lag(seconds: &str, bytes: &str) -> String {
        format!("Reading is {seconds} ({bytes} of WAL) behind the database.")
    }

    pub(in crate::admin::page) fn catches_up(time: Option<&str>) -> String {
        time.map_or_else(
            || {
                "At the rate of the last minute it does not catch up, and the slot retains more and more WAL."
                    .to_owned()
            },
            |time| format!("It catches up in about {time}."),
        )
    }

    pub(in crate::admin::page) fn dead_letters(records: u64) -> String {
        format!("{} in dead letters: redeliver or discard them.", count(records, "record is", "records are"))
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
        SAFE = "WAL until it may be lost";
        NO_LIMIT = "without a limit (max_slot_wal_keep_size)";
        WAITS_FOR = "Walsender waits for";
        LAST_MESSAGE = "Last message (UTC)";
    }

    pub(in crate::admin::page) fn lag(bytes: &str, time: &str) -> String {
        format!("{bytes}, {time}")
    }

    pub(in crate::admin::page) fn lag_ends(lag: &str, time: &str) -> String {
        format!("{lag}; catches up in about {time}")
    }

    pub(in crate::admin::page) fn confirmed(lsn: &str, time: &str) -> String {
        format!("{lsn}, for {time}")
    }

    /// A wait event of the server, in words.
    pub(in crate::admin::page) fn waits_for(event: Option<&str>) -> String {
        let Some(event) = event else {
            return "nothing, or the role may not see it".to_owned();
        };
        let name = event.rsplit('/').next().unwrap_or(event).to_ascii_lowercase();
        let what = match name.as_str() {
            "walsendermain" | "walsenderwaitforwal" => "changes",
            "walsenderwritedata" => "the sidecar to read",
            "waitforstandbyconfirmation" => "a standby to confirm",
            _ => return event.to_owned(),
        };
        format!("{what} ({event})")
    }
}

pub(in crate::admin::page) mod spool {
    texts! {
        TITLE = "Spool";
        USED = "Used";
        ROOM = "Room";
        DISK_FREE = "Free on its disk";
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

    pub(in crate::admin::page) fn window(after: &str, span: &str) -> String {
        format!("{after} ({span} back)")
    }
}
