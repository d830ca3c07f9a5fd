//! The file: its tables, how it is opened, and what is refused.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::{io_failed, location, open_failed};
use super::migrations::{self, STEPS};
use super::permissions::protect;
use super::statements::keep_statements;
use crate::spool::error::OpenError;

/// What was at the path of the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum FileState {
    /// No file, or an empty one.
    Nothing,
    /// A file of an older format, which was migrated.
    Older,
    /// A file of the newest format.
    Newest,
}

/// Takes the folder for this process alone: held while the file lives.
pub(super) fn lock(folder: &Path) -> Result<File, OpenError> {
    let io = io_failed(folder);
    std::fs::create_dir_all(folder).map_err(&io)?;
    protect(folder, 0o700).map_err(&io)?;
    let path = folder.join(LOCK_NAME);
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(&io)?;
    protect(&path, 0o600).map_err(&io)?;
    match lock_within(&file, LOCK_TRIES) {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let _ = file.read_to_string(&mut pid);
            let pid = Some(pid.trim().to_owned()).filter(|pid| !pid.is_empty());
            return Err(OpenError::Locked { location: location(folder), pid });
        }
        Err(std::fs::TryLockError::Error(source)) => return Err(io(source)),
    }
    file.set_len(0).map_err(&io)?;
    file.write_all(std::process::id().to_string().as_bytes()).map_err(&io)?;
    Ok(file)
}

/// A predecessor that is just ending holds the lock for a moment more, and so does a child process between its
/// fork and its start.
fn lock_within(file: &File, tries: u32) -> Result<(), std::fs::TryLockError> {
    match file.try_lock() {
        Err(std::fs::TryLockError::WouldBlock) if tries > 1 => {
            std::thread::sleep(LOCK_AGAIN_AFTER);
            lock_within(file, tries - 1)
        }
        locked => locked,
    }
}

/// Opens the file for writing, making it where there is none, and brings it to the newest format.
/// Returns what it was.
pub(super) fn open(folder: &Path) -> Result<(Connection, FileState), OpenError> {
    let path = folder.join(FILE_NAME);
    let existed = path.metadata().is_ok_and(|file| file.len() > 0);
    let refused = open_failed(&path);
    let connection = Connection::open(&path).map_err(&refused)?;
    protect(&path, 0o600).map_err(io_failed(&path))?;
    let number =
        |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i64>(0)).map_err(&refused);
    let (application, format) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
    // A new file is one in which the schema's transaction never ended.
    let is_new = (application, format) == (0, 0) && number("SELECT count(*) FROM sqlite_schema")? == 0;
    if !is_new && application != APPLICATION {
        return Err(OpenError::NotASpool { location: location(&path) });
    }
    let known = migrations::newest(STEPS);
    if existed && format > known {
        return Err(OpenError::Newer { location: location(&path), found: format, known });
    }
    connection.execute_batch(SETTINGS).map_err(&refused)?;
    keep_statements(&connection, 64).map_err(&refused)?;
    if is_new {
        let steps = migrations::all_steps(STEPS);
        connection.execute_batch(&format!("BEGIN; {TABLES} {steps} COMMIT;")).map_err(&refused)?;
        return Ok((connection, FileState::Nothing));
    }
    migrations::migrate(&connection, &path, format, STEPS)?;
    Ok((connection, if format < known { FileState::Older } else { FileState::Newest }))
}

/// Opens the file for reading, concurrently with the writer.
pub(super) fn open_reader(folder: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(folder.join(FILE_NAME), flags)?;
    connection
        .execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -4096; PRAGMA busy_timeout = 10000;")?;
    keep_statements(&connection, 32)?;
    Ok(connection)
}

/// Gives back the memory of the page cache.
pub(super) fn release_memory(connection: &Connection) {
    // What cannot be given back stays: nothing depends on it.
    let _ = connection.execute_batch("PRAGMA shrink_memory");
}

pub(super) const FILE_NAME: &str = "spool.sqlite";
const LOCK_NAME: &str = "lock";
const LOCK_TRIES: u32 = 20;
const LOCK_AGAIN_AFTER: Duration = Duration::from_millis(25);

/// "sdcr", in SQLite's header, so that `file` and we tell a spool from any other database.
const APPLICATION: i64 = 0x7364_6372;
/// FULL: every commit is synced before it is answered. The log is copied into the file every 32 MiB, by
/// `checkpoint` where it runs.
const SETTINGS: &str = "
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = 8192;
PRAGMA journal_size_limit = 67108864;
PRAGMA cache_size = -16384;
PRAGMA temp_store = MEMORY;
PRAGMA busy_timeout = 10000;
";

/// The tables of format 1. The steps of `migrations` make the newest format of them, in a new file too.
///
/// Times are microseconds since 1970 (`_at`) or, where they end with `uptime` and in the health of a lane,
/// milliseconds of uptime; LSNs are their 64 bits; `sum` is the xxh3 of the row's content (`RowBytes`).
const TABLES: &str = "
PRAGMA application_id = 0x73646372;
PRAGMA user_version = 1;

-- How far the stream is applied, and what is counted. One row.
CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    resume_lsn INTEGER, last_end_lsn INTEGER NOT NULL,
    open_commit_lsn INTEGER, open_changes INTEGER NOT NULL, open_records INTEGER NOT NULL,
    last_seq INTEGER NOT NULL, uptime INTEGER NOT NULL,
    live_bytes INTEGER NOT NULL, shadow_documents INTEGER NOT NULL, shadow_bytes INTEGER NOT NULL,
    dead_letter_records INTEGER NOT NULL, low_watermark_seq INTEGER, low_watermark_commit INTEGER,
    low_watermark_number INTEGER, low_watermark_at INTEGER, sum INTEGER NOT NULL
) STRICT;

-- What is remembered by name: epoch, identity, layouts, mapping, resync, source.
CREATE TABLE fact (name TEXT PRIMARY KEY, value BLOB NOT NULL, sum INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE project (no INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, sum INTEGER NOT NULL) STRICT;

-- The records of one callback of a project: excluded, ingested or modified. Other tables refer to a lane
-- by its number, which says nothing of project and callback. Records up to cursor are settled.
CREATE TABLE lane (
    no INTEGER PRIMARY KEY, project INTEGER NOT NULL, callback TEXT NOT NULL, cursor INTEGER NOT NULL,
    pending_records INTEGER NOT NULL, pending_bytes INTEGER NOT NULL,
    failures INTEGER NOT NULL, failing_since_uptime INTEGER, retry_uptime INTEGER,
    paused_uptime INTEGER, paused_reason TEXT, without_webhook_at INTEGER, sum INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX lane_of_callback ON lane (project, callback);

-- Records of one lane from one group, packed.
CREATE TABLE chunk (
    last INTEGER PRIMARY KEY, lane INTEGER NOT NULL, first INTEGER NOT NULL, records INTEGER NOT NULL,
    fragment_bytes INTEGER NOT NULL, spooled_at INTEGER NOT NULL, spooled_uptime INTEGER NOT NULL,
    last_commit INTEGER NOT NULL, last_number INTEGER NOT NULL, committed_max INTEGER NOT NULL,
    sum INTEGER NOT NULL, packed BLOB NOT NULL
) STRICT;
CREATE INDEX chunk_of_lane ON chunk (lane, last);
CREATE INDEX chunk_committed ON chunk (committed_max, last);

-- Consecutive records that go out as one request. State: 0 open, 1 delivered, 2 dead letter,
-- 3 retired.
-- `replay` is the one that it belongs to; none: it belongs to the lane itself.
CREATE TABLE batch (
    id BLOB PRIMARY KEY, lane INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    records INTEGER NOT NULL, body_bytes INTEGER NOT NULL, body_sum INTEGER NOT NULL, cut_at INTEGER NOT NULL,
    epoch BLOB NOT NULL, attempts INTEGER NOT NULL, state INTEGER NOT NULL, replay INTEGER, sum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX batch_of_lane ON batch (lane, last);
CREATE INDEX batch_open ON batch (lane, first) WHERE state = 0;

-- Requests on the wire, and those that a crash lost.
CREATE TABLE attempt (
    no INTEGER PRIMARY KEY, batch BLOB NOT NULL, number INTEGER NOT NULL, started_at INTEGER NOT NULL,
    took_micros INTEGER NOT NULL, status INTEGER, outcome TEXT NOT NULL, detail TEXT
) STRICT;
CREATE INDEX attempt_of_batch ON attempt (batch);

-- Records given up: a batch, or a range that was never cut. `redelivery` is set from the moment
-- when a redelivery was requested until it ended.
CREATE TABLE dead_letter (
    no INTEGER PRIMARY KEY AUTOINCREMENT, lane INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    records INTEGER NOT NULL, bytes INTEGER NOT NULL, reason TEXT NOT NULL, at INTEGER NOT NULL, batch BLOB,
    redelivery BLOB, sum INTEGER NOT NULL
) STRICT;
CREATE INDEX dead_letter_of_lane ON dead_letter (lane, last);
CREATE INDEX dead_letter_redelivery ON dead_letter (lane, first) WHERE redelivery IS NOT NULL;

-- Records that were discarded while their chunk stays: no replay sends them.
CREATE TABLE discarded (
    lane INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, sum INTEGER NOT NULL,
    PRIMARY KEY (lane, first)
) STRICT, WITHOUT ROWID;

-- Settled records that are sent again. State: 0 running, 1 done, 2 cancelled; rate: records a second.
CREATE TABLE replay (
    no INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL, request TEXT NOT NULL, requested_at INTEGER NOT NULL,
    rate INTEGER, state INTEGER NOT NULL, ended_at INTEGER, sum INTEGER NOT NULL
) STRICT;

-- What a replay sends of one lane: a range without gaps. Records up to cursor were sent, or refused as
-- too large; `is_running` ends with the last of them, or with the replay.
CREATE TABLE replay_range (
    replay INTEGER NOT NULL, lane INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    cursor INTEGER NOT NULL, records INTEGER NOT NULL, sent INTEGER NOT NULL, refused INTEGER NOT NULL,
    is_running INTEGER NOT NULL, sum INTEGER NOT NULL,
    PRIMARY KEY (replay, lane, first)
) STRICT, WITHOUT ROWID;
CREATE INDEX replay_range_running ON replay_range (lane, last) WHERE is_running = 1;

-- What is remembered of each document; each entry ends with its checksum.
CREATE TABLE shadow (identity BLOB PRIMARY KEY, entry BLOB NOT NULL) STRICT, WITHOUT ROWID;
";
