//! Temporary tables on disk, for what may not grow in memory.
//!
//! A scratch file lies in the spool's folder. It is removed when it is dropped, and what a killed process
//! left is removed when the spool is opened. Nothing in it is synced, and nothing is read after a restart.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};

use super::statements::keep_statements;
use crate::spool::engine::EngineScratch;
use crate::spool::scratch::{ScratchError, ScratchTable};

/// A file of its own, with its tables.
#[derive(Debug)]
pub(super) struct ScratchFile {
    connection: Connection,
    path: PathBuf,
}

impl ScratchFile {
    /// An empty file in `folder`.
    pub(super) fn create(folder: &Path, tables: &[ScratchTable]) -> Result<Self, ScratchError> {
        let path = folder.join(format!("{}{SUFFIX}", uuid::Uuid::now_v7()));
        let scratch = Self { connection: Connection::open(&path)?, path };
        // One transaction that is never committed: without a journal, nothing rolls it back either.
        let mut sql =
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -8192;".to_owned();
        for ScratchTable(name) in tables {
            sql.push_str("CREATE TABLE ");
            sql.push_str(name);
            sql.push_str(" (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;");
        }
        sql.push_str("BEGIN;");
        scratch.connection.execute_batch(&sql)?;
        keep_statements(&scratch.connection, 16)?;
        Ok(scratch)
    }
}

impl EngineScratch for ScratchFile {
    fn get(&self, ScratchTable(name): ScratchTable, key: &[u8]) -> Result<Option<Vec<u8>>, ScratchError> {
        let sql = format!("SELECT value FROM {name} WHERE key = ?1");
        let mut found = self.connection.prepare_cached(&sql)?;
        Ok(found.query_row([key], |row| row.get(0)).optional()?)
    }

    fn contains(&self, ScratchTable(name): ScratchTable, key: &[u8]) -> Result<bool, ScratchError> {
        let sql = format!("SELECT 1 FROM {name} WHERE key = ?1");
        Ok(self.connection.prepare_cached(&sql)?.exists([key])?)
    }

    fn put(&self, ScratchTable(name): ScratchTable, key: &[u8], value: &[u8]) -> Result<(), ScratchError> {
        let sql = format!("INSERT OR REPLACE INTO {name} (key, value) VALUES (?1, ?2)");
        self.connection.prepare_cached(&sql)?.execute(params![key, value])?;
        Ok(())
    }

    fn put_if_absent(
        &self,
        ScratchTable(name): ScratchTable,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), ScratchError> {
        let sql = format!("INSERT OR IGNORE INTO {name} (key, value) VALUES (?1, ?2)");
        self.connection.prepare_cached(&sql)?.execute(params![key, value])?;
        Ok(())
    }

    fn count(&self, ScratchTable(name): ScratchTable) -> Result<u64, ScratchError> {
        let sql = format!("SELECT count(*) FROM {name}");
        let count: i64 = self.connection.query_row(&sql, [], |row| row.get(0))?;
        Ok(count.cast_unsigned())
    }
}

impl Drop for ScratchFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl From<rusqlite::Error> for ScratchError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull,
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// Removes what a killed process left in `folder`, which this process has locked.
pub(super) fn remove_leftovers(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(SUFFIX)) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

const SUFFIX: &str = ".scratch";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::{Options, Spool};

    const TABLE: ScratchTable = ScratchTable("one");

    fn files(folder: &Path) -> usize {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().path().to_string_lossy().ends_with(SUFFIX)).count()
    }

    #[test]
    fn its_file_goes_with_it_and_what_a_killed_process_left_goes_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { bytes_max: 1 << 20, retain: std::time::Duration::from_secs(1) };
        Spool::open(folder.path(), options).unwrap().spool.close();
        drop(ScratchFile::create(folder.path(), &[TABLE]).unwrap());
        assert_eq!(files(folder.path()), 0);
        std::mem::forget(ScratchFile::create(folder.path(), &[TABLE]).unwrap());
        assert_eq!(files(folder.path()), 1);
        Spool::open(folder.path(), options).unwrap().spool.close();
        assert_eq!(files(folder.path()), 0);
    }

    #[test]
    fn a_file_that_cannot_be_made_says_nothing_of_the_spool() {
        let folder = tempfile::tempdir().unwrap();
        let error = ScratchFile::create(&folder.path().join("gone"), &[TABLE]).unwrap_err();
        assert!(matches!(error, ScratchError::Failed(_)), "{error}");
    }
}
