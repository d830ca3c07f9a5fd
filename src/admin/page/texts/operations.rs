//! Texts of the pages for the operator: audit, doctor, settings.

pub(in crate::admin::page) mod audit {
    pub(in crate::admin::page) const LEAD: &str = "Every change that was made on the page, by the API and by commands. Of a URL it has the host and a fingerprint only.";
    pub(in crate::admin::page) const NONE: &str = "Nothing was changed yet.";
    pub(in crate::admin::page) const NONE_NEXT: &str =
        "Set a webhook or pause a lane on the page of a project: it is listed here, with who did it.";
    pub(in crate::admin::page) const AT: &str = "Time (UTC)";
    pub(in crate::admin::page) const BY: &str = "By";
    pub(in crate::admin::page) const WHAT: &str = "What";
    pub(in crate::admin::page) const MORE: &str = "More";
    pub(in crate::admin::page) const FINGERPRINT: &str = "URL's fingerprint";
    pub(in crate::admin::page) const OLDER: &str = "Older entries";
}

pub(in crate::admin::page) mod doctor {
    use crate::admin::page::show::count;

    pub(in crate::admin::page) const LEAD: &str = "Connects to Postgres as the sidecar does, and checks server, table, disk and webhooks. It writes nothing.";
    pub(in crate::admin::page) const RUN: &str = "Run the checks";
    pub(in crate::admin::page) const AGAIN: &str = "Run them again";
    pub(in crate::admin::page) const NOT_RUN: &str = "The checks were not run.";
    pub(in crate::admin::page) const NOT_RUN_NEXT: &str =
        "They take a few seconds, and make a new connection to Postgres: use the button.";
    pub(in crate::admin::page) const CURE: &str = "The SQL that fixes it:";
    pub(in crate::admin::page) const OK: &str = "Ok";
    pub(in crate::admin::page) const NOTE: &str = "Note";
    pub(in crate::admin::page) const WARNING: &str = "Warning";
    pub(in crate::admin::page) const PROBLEM: &str = "Problem";

    pub(in crate::admin::page) fn verdict(problems: u64, warnings: u64) -> String {
        match (problems, warnings) {
            (0, 0) => "All is as it should be.".to_owned(),
            (0, _) => format!("No problem, and {}.", count(warnings, "warning", "warnings")),
            _ => format!(
                "{} to be fixed before the sidecar can start again, and {}.",
                count(problems, "problem is", "problems are"),
                count(warnings, "warning", "warnings")
            ),
        }
    }
}

pub(in crate::admin::page) mod settings {
    pub(in crate::admin::page) const LEAD: &str = "The settings as file and environment have them now, each with what set it: as the command sidecar config prints \
         them. Where the process uses another value meanwhile, that one is shown too: settings marked [SIGHUP] in \
         sidecar.toml change with SIGHUP, the others with a restart. Secrets are not shown.";
    /// Of a value that is not in use yet.
    pub(in crate::admin::page) fn at_start(value: &str) -> String {
        format!("in use: {value}")
    }

    pub(in crate::admin::page) const SEARCH: &str = "Part of the name";
    pub(in crate::admin::page) const CHANGED: &str = "Only those that differ from the defaults";
    pub(in crate::admin::page) const NAME: &str = "Setting";
    pub(in crate::admin::page) const VALUE: &str = "Value";
    pub(in crate::admin::page) const SOURCE: &str = "Set by";
    pub(in crate::admin::page) const NONE: &str = "No setting matches.";
    pub(in crate::admin::page) const NONE_NEXT: &str = "Type a part of a name, such as batch or retain.";
}

pub(in crate::admin::page) mod sign_in {
    pub(in crate::admin::page) const TITLE: &str = "Sign in";
    pub(in crate::admin::page) const TOKEN: &str = "Token";
    pub(in crate::admin::page) const TOKEN_HINT: &str = "A command makes one where the sidecar runs:";
    pub(in crate::admin::page) const OPEN_TITLE: &str = "Open the page";
    pub(in crate::admin::page) const OPEN: &str = "Open";
    pub(in crate::admin::page) const ONCE: &str =
        "The link works once. After it, this browser stays signed in until the link ends.";
}
