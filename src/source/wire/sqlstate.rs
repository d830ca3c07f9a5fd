//! What an error of the server means to whoever must decide: whether it passes by itself. Pure.
//! <https://www.postgresql.org/docs/current/errcodes-appendix.html>

/// What to expect after an error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::source) enum Outlook {
    /// It is the same at each try until a setting, a privilege or the server is changed: how.
    NeedsCure(&'static str),
    /// It passes by itself: no answer for now, a lock, a limit that others have reached.
    Passes,
    /// Nobody can tell from the code alone. It is tried again.
    Unclear,
    /// What lies in the table or the log cannot be read, and is the same at each try: what to do.
    Unreadable(&'static str),
}

/// By class, with the codes that differ from their class.
pub(in crate::source) fn outlook(sqlstate: &str) -> Outlook {
    match sqlstate {
        "08P01" => Outlook::NeedsCure(POOLER),
        "25006" => Outlook::NeedsCure(READ_ONLY),
        // The slot or its log, or a schema that changes at this moment: decided at the next connection.
        "55000" => Outlook::Unclear,
        // A cancelled transaction or session, and what follows in it; a lock; a slot that is in use.
        "25P02" | "25P03" | "25P04" | "55P03" | "55006" => Outlook::Passes,
        "XX001" | "XX002" => Outlook::Unreadable(CORRUPTED),
        _ => of_class(sqlstate.get(..2).unwrap_or_default()),
    }
}

fn of_class(class: &str) -> Outlook {
    match class {
        // Connection, rollback, resources, an operator's intervention, a statement or cursor that went
        // with its session, a snapshot that is too old.
        "08" | "26" | "34" | "40" | "53" | "57" | "72" => Outlook::Passes,
        "28" => Outlook::NeedsCure(LOGIN),
        "3D" => Outlook::NeedsCure(DATABASE),
        "0L" | "0P" | "3F" | "42" | "44" => Outlook::NeedsCure(ACCESS),
        "0A" => Outlook::NeedsCure(UNSUPPORTED),
        "25" | "55" | "F0" => Outlook::NeedsCure(STATE),
        "22" => Outlook::Unreadable(DATA),
        "54" => Outlook::Unreadable(LIMIT),
        // Functions and triggers of the application's, foreign data, the server's files, its own bugs.
        _ => Outlook::Unclear,
    }
}

const ACCESS: &str =
    "grant the sidecar's role what it lacks, or make what is missing; `sidecar doctor` names it";
const CORRUPTED: &str = "the server's data is corrupted: restore the table or its index (REINDEX); what the log no \
                         longer tells, `sidecar resync` does";
const DATA: &str = "correct the value in the table; `sidecar resync` then goes past what the log holds of it";
const DATABASE: &str = "set the database of `postgres.url` to one that there is";
const LIMIT: &str = "a limit of the server is exceeded: make the row, the table or the statement smaller, or raise the \
                     limit; `sidecar resync` then goes past what the log holds of it";
const LOGIN: &str = "correct the role or the password of `postgres.url`, or pg_hba.conf";
const POOLER: &str = "where this is a pooler such as PgBouncer: connect to Postgres itself";
const READ_ONLY: &str = "the session may not write: set `postgres.url` to the primary";
const STATE: &str = "the server's settings or state do not allow it; `sidecar doctor` names what is wrong";
const UNSUPPORTED: &str = "this server cannot do it; `sidecar doctor` names what is wrong";

#[cfg(test)]
mod tests;
