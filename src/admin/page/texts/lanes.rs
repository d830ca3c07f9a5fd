//! Texts of what is asked of lanes.

pub(in crate::admin::page) mod pause {
    texts! {
        TITLE = "Pause or resume several";
        ABOUT = "Requests in flight are finished; then nothing is sent. Records are kept meanwhile. Say which lanes: of a project, of a host, or all.";
        PROJECT_HINT = "Every callback of it";
        HOST_HINT = "Of the URL: hooks.example.com, or with its port";
        ALL = "All lanes, also those that come later";
        REASON_HINT = "Shown wherever the pause is";
    }
}

pub(in crate::admin::page) mod skip {
    use crate::admin::page::show::count;

    texts! {
        TITLE = "Skip what waits";
        NOTHING = "Nothing waits.";
        NOTHING_NEXT = "Go back to the project.";
    }

    pub(in crate::admin::page) fn about(records: u64) -> String {
        format!(
            "{} not sent. They count as settled, and a replay can still send them. Records that come later are not skipped.",
            count(records, "record is", "records are"),
        )
    }

    pub(in crate::admin::page) fn button(records: u64) -> String {
        format!("Skip {}", count(records, "record", "records"))
    }
}

pub(in crate::admin::page) mod recover {
    use crate::admin::page::show::count;

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

    pub(in crate::admin::page) fn dead_letters(letters: u64, records: u64) -> String {
        format!(
            "{} with {} would be sent once more.",
            count(letters, "dead letter", "dead letters"),
            count(records, "record", "records")
        )
    }

    pub(in crate::admin::page) fn replay(records: u64, size: &str) -> String {
        format!("{} ({size}) would be sent again.", count(records, "record", "records"))
    }
}

pub(in crate::admin::page) mod send_existing {
    texts! {
        TITLE = "Send the documents that exist";
        ABOUT = "The table is read once, and every live document of the project becomes an ingested record, whether or not it was sent before.";
        BUTTON = "Send them";
    }

    pub(in crate::admin::page) fn count(documents: u64, is_estimate: bool) -> String {
        match (documents, is_estimate) {
            (0, true) => "The project has few documents: none is in a sample.".to_owned(),
            (_, true) => format!("The project has about {}, by a sample.", documents_of(documents)),
            (_, false) => format!("The project has {}.", documents_of(documents)),
        }
    }

    fn documents_of(documents: u64) -> String {
        crate::admin::page::show::count(documents, "live document", "live documents")
    }
}
