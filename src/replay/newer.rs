//! How many documents of a replay have newer records: their receivers would get the old state again, and not
//! the new one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};
use xxhash_rust::xxh3::Xxh3;

use crate::record::{Callback, LaneNo, ProjectNo, Seq};
use crate::spool::{Reader, Span, SpoolError};

/// Counts the documents of `spans` that have records behind `end`, in any lane of their project.
/// Memory does not grow with them: they are kept in a scratch file in `folder`.
pub fn documents_with_newer_records(
    reader: &Reader,
    folder: &Path,
    spans: &[Span],
    end: Seq,
) -> Result<u64, SpoolError> {
    let scratch = Scratch::create(folder).map_err(unknown)?;
    for span in spans {
        for_each_document(reader, span.lane, span.first, span.last, &mut |key| {
            scratch.run("INSERT OR IGNORE INTO document (key) VALUES (?1)", key)
        })?;
    }
    let projects: BTreeSet<ProjectNo> = spans.iter().map(|span| span.lane.project()).collect();
    for lane in projects.iter().flat_map(|project| Callback::ALL.map(|of| LaneNo::new(*project, of))) {
        for_each_document(reader, lane, Seq(end.0 + 1), Seq(u64::MAX >> 1), &mut |key| {
            scratch.run("UPDATE document SET newer = 1 WHERE key = ?1", key)
        })?;
    }
    let count = "SELECT count(*) FROM document WHERE newer = 1";
    let count: i64 = scratch.file.query_row(count, [], |row| row.get(0)).map_err(unknown)?;
    Ok(count.cast_unsigned())
}

/// Calls `visit` with the document key of each record in `first..=last` of a lane.
fn for_each_document(
    reader: &Reader,
    lane: LaneNo,
    first: Seq,
    last: Seq,
    visit: &mut dyn FnMut(i64) -> rusqlite::Result<()>,
) -> Result<(), SpoolError> {
    let mut from = first;
    while let Some(chunk) = reader.chunk_holding(lane, from)?.filter(|chunk| chunk.first <= last) {
        for record in chunk.records() {
            let record = record.map_err(|error| SpoolError::Damaged(error.to_string()))?;
            if (first..=last).contains(&record.seq) {
                visit(key(lane.project(), record.document)).map_err(unknown)?;
            }
        }
        from = Seq(chunk.last.0 + 1);
    }
    Ok(())
}

fn key(project: ProjectNo, document: u64) -> i64 {
    let mut hash = Xxh3::with_seed(u64::from(project.0));
    hash.update(&document.to_le_bytes());
    hash.digest().cast_signed()
}

struct Scratch {
    file: Connection,
    path: PathBuf,
}

impl Scratch {
    fn create(folder: &Path) -> rusqlite::Result<Self> {
        let path = folder.join(format!("replay-{}.scratch", uuid::Uuid::now_v7()));
        let file = Connection::open(&path)?;
        file.execute_batch(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -8192;
             CREATE TABLE document (key INTEGER PRIMARY KEY, newer INTEGER NOT NULL DEFAULT 0);
             BEGIN;",
        )?;
        Ok(Self { file, path })
    }

    fn run(&self, sql: &str, key: i64) -> rusqlite::Result<()> {
        self.file.prepare_cached(sql)?.execute(params![key]).map(drop)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn unknown(error: rusqlite::Error) -> SpoolError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => SpoolError::DiskFull,
        _ => SpoolError::Unknown(format!("a scratch file: {error}")),
    }
}
