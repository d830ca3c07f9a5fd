//! What to do about an error of the server, by its SQLSTATE. Pure.
//! <https://www.postgresql.org/docs/current/errcodes-appendix.html>

/// What to expect of a retry after an error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::source) enum Outlook {
    /// It fails until a setting, a privilege or the server is changed, as the text explains.
    NeedsFix(&'static str),
    /// It succeeds later: the server is unavailable, a lock is held, a limit is reached.
    Passes,
    /// The code alone does not tell. It is retried.
    Unclear,
    /// It fails for good, because the table or the WAL cannot be read. The text explains what to do.
    Unreadable(&'static str),
}

/// The outlook by class, with the codes that differ from their class.
pub(in crate::source) fn outlook(sqlstate: &str) -> Outlook {
    match sqlstate {
        "08P01" => Outlook::NeedsFix(POOLER),
        "25006" => Outlook::NeedsFix(READ_ONLY),
        // The slot or its WAL, or a schema that is just being changed: decided at the next connection.
        "55000" => Outlook::Unclear,
        // A cancelled transaction or session and its aftermath, a lock, a slot in use.
        "25P02" | "25P03" | "25P04" | "55P03" | "55006" => Outlook::Passes,
        "XX001" | "XX002" => Outlook::Unreadable(CORRUPTED),
        _ => of_class(sqlstate.get(..2).unwrap_or_default()),
    }
}

fn of_class(class: &str) -> Outlook {
    match class {
        // Connection, rollback, resources, operator intervention, a statement or cursor that ended with its
        // session, a snapshot that is too old.
        "08" | "26" | "34" | "40" | "53" | "57" | "72" => Outlook::Passes,
        "28" => Outlook::NeedsFix(LOGIN),
        "3D" => Outlook::NeedsFix(DATABASE),
        "0L" | "0P" | "3F" | "42" | "44" => Outlook::NeedsFix(ACCESS),
        "0A" => Outlook::NeedsFix(UNSUPPORTED),
        "25" | "55" | "F0" => Outlook::NeedsFix(STATE),
        "22" => Outlook::Unreadable(DATA),
        "54" => Outlook::Unreadable(LIMIT),
        // The application's functions and triggers, foreign data, the server's files, internal errors.
        _ => Outlook::Unclear,
    }
}

const ACCESS: &str =
    "grant the sidecar's role what it lacks, or create what is missing; `sidecar doctor` names it";
const CORRUPTED: &str = "the server's data is corrupted: restore the table or its index (REINDEX); what the WAL no \
                         longer contains, `sidecar resync` finds";
const DATA: &str = "correct the value in the table; `sidecar resync` then skips it in the WAL";
const DATABASE: &str = "set the database of `postgres.url` to one that exists";
const LIMIT: &str = "a limit of the server is exceeded: make the row, the table or the statement smaller, or raise the \
                     limit; `sidecar resync` then goes past what the log holds of it";
const LOGIN: &str = "correct the role or the password of `postgres.url`, or pg_hba.conf";
const POOLER: &str = "if this is a pooler such as PgBouncer: connect to Postgres itself";
const READ_ONLY: &str = "the session may not write: set `postgres.url` to the primary";
const STATE: &str = "the server's settings or state do not allow it; `sidecar doctor` names what is wrong";
const UNSUPPORTED: &str = "this server cannot do it; `sidecar doctor` names what is wrong";

#[cfg(test)]
mod tests;
