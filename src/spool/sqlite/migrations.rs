//! How a file of an older format is brought to the newest.
//!
//! 1. Each step is one transaction that ends with the number of its format, so that a start that was
//!    killed between two steps goes on with the next.
//! 2. Before the first step, the file is copied. The copy stays until a later start has read the new
//!    format whole.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::error::{io_failed, location, open_failed};
use super::permissions::protect;
use crate::spool::error::OpenError;

/// The statements of each step: the first makes format 2 of format 1. A step that was released never
/// changes, and comes with a fixture of the format that it makes (`tests/fixtures/spool-N`).
pub(super) const STEPS: &[&[&str]] = &[FORMAT_2, FORMAT_3];

const FORMAT_2: &[&str] = &[
    // JSON, and NULL in a lane that never failed.
    "ALTER TABLE lane ADD COLUMN policy TEXT",
    // How far a request came. NULL where a step was not needed or did not end.
    "ALTER TABLE attempt ADD COLUMN dns_micros INTEGER",
    "ALTER TABLE attempt ADD COLUMN connect_micros INTEGER",
    "ALTER TABLE attempt ADD COLUMN tls_micros INTEGER",
    "ALTER TABLE attempt ADD COLUMN first_byte_micros INTEGER",
    "ALTER TABLE attempt ADD COLUMN peer TEXT",
    // Bits: 1 the connection was reused, 2 its peer is a proxy.
    "ALTER TABLE attempt ADD COLUMN connection INTEGER",
    "ALTER TABLE attempt ADD COLUMN phase TEXT",
    // The beginning of an answer that is no success. `detail` is NULL where `body` begins with it.
    "ALTER TABLE attempt ADD COLUMN headers TEXT",
    "ALTER TABLE attempt ADD COLUMN body TEXT",
    "ALTER TABLE attempt ADD COLUMN next_at INTEGER",
    WEBHOOKS,
];

const FORMAT_3: &[&str] = &[
    BATCHES_OF_LANE,
    DEAD_BATCHES,
    DEAD_BATCHES_OF_LANE,
    FAILED_ATTEMPTS,
    CHUNK_FILTER,
    CHUNKS_WITHOUT_FILTER,
    CHUNKS_WITH_FILTER,
    CREDENTIALS,
    AUDIT,
];

// Ids grow with time, so each of these gives the newest batches first. All but the first hold nothing of
// a batch that is delivered at its first attempt.
const BATCHES_OF_LANE: &str = "CREATE INDEX batch_of_lane_by_id ON batch (lane, id)";
const DEAD_BATCHES: &str = "CREATE INDEX batch_dead ON batch (state, id) WHERE state = 2";
const DEAD_BATCHES_OF_LANE: &str =
    "CREATE INDEX batch_dead_of_lane ON batch (lane, state, id) WHERE state = 2";
const FAILED_ATTEMPTS: &str =
    "CREATE INDEX attempt_failed ON attempt (outcome, status, batch) WHERE outcome <> 'delivered'";

// What a chunk may hold, for searches by document and key: they read the filters in the index alone, and
// only chunks that may hold what is wanted. NULL in chunks of earlier formats.
const CHUNK_FILTER: &str = "ALTER TABLE chunk ADD COLUMN filter BLOB";
const CHUNKS_WITHOUT_FILTER: &str = "DROP INDEX chunk_of_lane";
const CHUNKS_WITH_FILTER: &str = "CREATE INDEX chunk_of_lane ON chunk (lane, last, filter)";

/// Webhooks that are set while the sidecar runs; `settings` is JSON. A revision is never given twice.
const WEBHOOKS: &str = "CREATE TABLE webhook (
    revision INTEGER PRIMARY KEY AUTOINCREMENT, project TEXT NOT NULL, callback TEXT NOT NULL,
    settings TEXT NOT NULL, changed_at INTEGER NOT NULL, sum INTEGER NOT NULL, UNIQUE (project, callback)
) STRICT";

/// Tokens, links and sessions; `hash` is the SHA-256 of the secret, `content` is JSON.
const CREDENTIALS: &str = "CREATE TABLE credential (
    id TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, content TEXT NOT NULL, sum INTEGER NOT NULL
) STRICT, WITHOUT ROWID";

/// What was changed by whom; `content` is JSON. A number is never given twice.
const AUDIT: &str = "CREATE TABLE audit (
    no INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, project TEXT, content TEXT NOT NULL,
    sum INTEGER NOT NULL
) STRICT";

/// The format that `steps` end with.
pub(super) fn newest(steps: &[&[&str]]) -> i64 {
    FIRST_FORMAT + i64::try_from(steps.len()).unwrap_or(i64::MAX - FIRST_FORMAT)
}

/// Brings the file at `path`, open in `connection`, from format `found` to the newest.
pub(super) fn migrate(
    connection: &Connection,
    path: &Path,
    found: i64,
    steps: &[&[&str]],
) -> Result<(), OpenError> {
    let (newest, done) = (newest(steps), usize::try_from(found - FIRST_FORMAT).unwrap_or(usize::MAX));
    if found == newest {
        return Ok(());
    }
    keep_copy(connection, path, found)?;
    for (to, step) in (found + 1..).zip(steps.iter().skip(done)) {
        let step = step.join("; ");
        let sql = format!("BEGIN IMMEDIATE; {step}; PRAGMA user_version = {to}; COMMIT;");
        if let Err(error) = connection.execute_batch(&sql) {
            let _ = connection.execute_batch("ROLLBACK");
            let (copy, what) = (location(&copy_of(path)), error.to_string());
            return Err(OpenError::Migration { location: location(path), from: to - 1, to, what, copy });
        }
    }
    let copy = copy_of(path);
    tracing::info!(from = found, to = newest, copy = %copy.display(), "migrated the spool; the copy stays until the next start");
    Ok(())
}

/// The statements that make the newest format of the first, for a new file.
pub(super) fn all_steps(steps: &[&[&str]]) -> String {
    let statements = steps.iter().flat_map(|step| step.iter());
    let sql = statements.fold(String::new(), |sql, statement| sql + statement + "; ");
    format!("{sql} PRAGMA user_version = {};", newest(steps))
}

/// A start has read the newest format whole: the copy of the older one is not needed any more.
pub(super) fn remove_copy(path: &Path) -> Result<(), OpenError> {
    let copy = copy_of(path);
    match std::fs::remove_file(&copy) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(io_failed(&copy)(source)),
        _ => Ok(()),
    }
}

/// Where the copy of the file is kept.
pub(super) fn copy_of(path: &Path) -> PathBuf {
    path.with_extension("sqlite.before-migration")
}

/// Copies the file, unless a start that was killed between two steps has done so.
fn keep_copy(connection: &Connection, path: &Path, found: i64) -> Result<(), OpenError> {
    let copy = copy_of(path);
    if format_of(&copy).is_some_and(|kept| kept < found) {
        return Ok(());
    }
    let unfinished = path.with_extension("sqlite.copy");
    let io = io_failed(&unfinished);
    match std::fs::remove_file(&unfinished) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => return Err(io(source)),
        _ => {}
    }
    connection.execute("VACUUM INTO ?1", [unfinished.to_string_lossy()]).map_err(open_failed(&unfinished))?;
    protect(&unfinished, 0o600).map_err(&io)?;
    File::open(&unfinished).and_then(|file| file.sync_all()).map_err(&io)?;
    std::fs::rename(&unfinished, &copy).map_err(&io)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(&io)
}

/// The format of a copy; `None` where there is none, or where it cannot be read.
fn format_of(copy: &Path) -> Option<i64> {
    copy.exists()
        .then(|| Connection::open(copy).ok())
        .flatten()
        .and_then(|file| file.query_row("PRAGMA user_version", [], |row| row.get(0)).ok())
}

/// What [`super::schema`] makes.
const FIRST_FORMAT: i64 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "PRAGMA user_version = 1; CREATE TABLE t (a INTEGER); INSERT INTO t (a) VALUES (7);";
    const STEPS: [&[&str]; 2] = [
        &["ALTER TABLE t ADD COLUMN c INTEGER", "ALTER TABLE t RENAME COLUMN c TO b"],
        &["UPDATE t SET b = a + 1"],
    ];

    struct Spool {
        _folder: tempfile::TempDir,
        path: PathBuf,
    }

    impl Spool {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("spool.sqlite");
            Connection::open(&path)
                .unwrap()
                .execute_batch(&format!("PRAGMA journal_mode = WAL; {OLD}"))
                .unwrap();
            Self { _folder: folder, path }
        }

        fn start(&self, steps: &[&[&str]]) -> Result<(), OpenError> {
            let connection = Connection::open(&self.path).unwrap();
            let found = format_of(&self.path).unwrap();
            migrate(&connection, &self.path, found, steps)
        }

        fn rows(path: &Path) -> (i64, Vec<Vec<Option<i64>>>) {
            let file = Connection::open(path).unwrap();
            let mut found = file.prepare("SELECT * FROM t").unwrap();
            let columns = found.column_count();
            let rows = found.query_map([], |row| (0..columns).map(|at| row.get(at)).collect()).unwrap();
            (format_of(path).unwrap(), rows.map(Result::unwrap).collect())
        }
    }

    #[test]
    fn a_step_that_fails_leaves_the_file_as_it_was_and_a_copy_of_it() {
        let spool = Spool::new();
        let wrong =
            spool.start(&[&["ALTER TABLE t ADD COLUMN b INTEGER", "UPDATE missing SET b = 1"]]).unwrap_err();
        assert!(matches!(wrong, OpenError::Migration { from: 1, to: 2, .. }), "{wrong}");
        let old = (1, vec![vec![Some(7)]]);
        assert_eq!((Spool::rows(&spool.path), Spool::rows(&copy_of(&spool.path))), (old.clone(), old));
    }

    #[test]
    fn a_copy_stays_until_a_start_has_read_the_new_format() {
        let spool = Spool::new();
        spool.start(&STEPS).unwrap();
        assert_eq!(Spool::rows(&spool.path), (3, vec![vec![Some(7), Some(8)]]));
        assert_eq!(Spool::rows(&copy_of(&spool.path)), (1, vec![vec![Some(7)]]));
        spool.start(&STEPS).unwrap();
        remove_copy(&spool.path).unwrap();
        assert!(!copy_of(&spool.path).exists());
        remove_copy(&spool.path).unwrap();
    }

    #[test]
    fn a_start_that_was_killed_between_two_steps_goes_on_and_keeps_the_first_copy() {
        let spool = Spool::new();
        spool.start(&STEPS[..1]).unwrap();
        spool.start(&STEPS).unwrap();
        assert_eq!(Spool::rows(&spool.path), (3, vec![vec![Some(7), Some(8)]]));
        assert_eq!(Spool::rows(&copy_of(&spool.path)).0, 1, "of the format before the first step");
    }

    #[test]
    fn a_copy_that_an_older_version_left_behind_is_made_anew() {
        let spool = Spool::new();
        spool.start(&[&["UPDATE missing SET b = 1"]]).unwrap_err();
        Connection::open(&spool.path).unwrap().execute("UPDATE t SET a = 9", []).unwrap();
        spool.start(&STEPS).unwrap();
        assert_eq!(Spool::rows(&copy_of(&spool.path)), (1, vec![vec![Some(9)]]));
    }
}
