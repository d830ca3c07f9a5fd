//! An index of the rows in a snapshot, in a scratch file: memory does not grow with the table.
//!
//! Identities and documents are kept as 128-bit hashes. Among a billion of them, two share one
//! with a chance of 1 in 10²⁰.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, params};
use xxhash_rust::xxh3::Xxh3;

use crate::classify::Identity;
use crate::record::ProjectNo;

/// Identity, document and state of every row in a snapshot.
#[derive(Debug)]
pub(super) struct SnapshotIndex {
    scratch: Connection,
    path: PathBuf,
}

/// A document, as a hash of (project, id).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Document([u8; 16]);

/// The row of one identity.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct IndexedRow {
    pub(super) document: Document,
    pub(super) live: bool,
}

impl Document {
    pub(super) fn of(project: ProjectNo, id: &str) -> Self {
        let mut hash = Xxh3::new();
        hash.update(&project.0.to_le_bytes());
        hash.update(id.as_bytes());
        Self(hash.digest128().to_le_bytes())
    }
}

impl SnapshotIndex {
    /// Creates an empty scratch file in `folder`, and removes one that a killed process left.
    pub(super) fn create(folder: &Path) -> rusqlite::Result<Self> {
        let path = folder.join("resync.scratch");
        for leftover in [path.clone(), folder.join("resync.scratch-journal")] {
            let _ = std::fs::remove_file(leftover);
        }
        let scratch = Connection::open(&path)?;
        scratch.execute_batch(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -8192;
             CREATE TABLE row (identity BLOB PRIMARY KEY, document BLOB NOT NULL, live INTEGER NOT NULL) WITHOUT ROWID;
             CREATE TABLE moved (identity BLOB PRIMARY KEY, before BLOB NOT NULL) WITHOUT ROWID;
             CREATE TABLE live (document BLOB PRIMARY KEY, identity BLOB NOT NULL) WITHOUT ROWID;
             BEGIN;",
        )?;
        Ok(Self { scratch, path })
    }

    pub(super) fn note(&self, identity: &Identity, row: IndexedRow) -> rusqlite::Result<()> {
        let Document(document) = row.document;
        self.scratch.prepare_cached("INSERT OR REPLACE INTO row VALUES (?1, ?2, ?3)")?.execute(params![
            hashed(identity),
            document,
            row.live
        ])?;
        if row.live {
            self.scratch
                .prepare_cached("INSERT OR IGNORE INTO live VALUES (?1, ?2)")?
                .execute(params![document, &identity.0[..]])?;
        }
        Ok(())
    }

    /// The row of `identity`.
    pub(super) fn row(&self, identity: &Identity) -> rusqlite::Result<Option<IndexedRow>> {
        self.scratch
            .prepare_cached("SELECT document, live FROM row WHERE identity = ?1")?
            .query_row([hashed(identity)], |row| {
                Ok(IndexedRow { document: Document(row.get(0)?), live: row.get(1)? })
            })
            .optional()
    }

    /// The identity of a live row of `document`.
    pub(super) fn identity_of(&self, Document(document): Document) -> rusqlite::Result<Option<Identity>> {
        self.scratch
            .prepare_cached("SELECT identity FROM live WHERE document = ?1")?
            .query_row([document], |row| Ok(Identity(row.get::<_, Vec<u8>>(0)?.into())))
            .optional()
    }

    /// Notes that the document of the entry `before` has a row under another identity.
    pub(super) fn note_move(&self, before: &Identity, document: Document) -> rusqlite::Result<()> {
        let Some(now) = self.identity_of(document)? else { return Ok(()) };
        self.scratch
            .prepare_cached("INSERT OR IGNORE INTO moved VALUES (?1, ?2)")?
            .execute(params![hashed(&now), &before.0[..]])?;
        Ok(())
    }

    /// The identity under which the shadow has the document of `now`, where it is another one.
    pub(super) fn moved_from(&self, now: &Identity) -> rusqlite::Result<Option<Identity>> {
        self.scratch
            .prepare_cached("SELECT before FROM moved WHERE identity = ?1")?
            .query_row([hashed(now)], |row| Ok(Identity(row.get::<_, Vec<u8>>(0)?.into())))
            .optional()
    }

    /// Whether `document` has a live row.
    pub(super) fn is_live(&self, Document(document): Document) -> rusqlite::Result<bool> {
        self.scratch.prepare_cached("SELECT 1 FROM live WHERE document = ?1")?.exists([document])
    }
}

impl Drop for SnapshotIndex {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn hashed(Identity(bytes): &Identity) -> [u8; 16] {
    xxhash_rust::xxh3::xxh3_128(bytes).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_live_where_any_row_of_it_is_live() {
        let folder = tempfile::tempdir().unwrap();
        let snapshot_index = SnapshotIndex::create(folder.path()).unwrap();
        let identity = |text: &str| Identity(text.as_bytes().into());
        let document = Document::of(ProjectNo(1), "7");
        let dead = IndexedRow { document, live: false };
        snapshot_index.note(&identity("a"), dead).unwrap();
        assert!(!snapshot_index.is_live(document).unwrap());
        snapshot_index.note(&identity("b"), IndexedRow { document, live: true }).unwrap();

        assert!(snapshot_index.is_live(document).unwrap());
        assert_eq!(snapshot_index.row(&identity("a")).unwrap(), Some(dead));
        assert_eq!(snapshot_index.row(&identity("c")).unwrap(), None);
        assert!(
            !snapshot_index.is_live(Document::of(ProjectNo(2), "7")).unwrap(),
            "another project's document"
        );
    }

    #[test]
    fn a_file_that_a_killed_process_left_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let document = Document::of(ProjectNo(1), "7");
        let left = SnapshotIndex::create(folder.path()).unwrap();
        left.note(&Identity(b"a".as_slice().into()), IndexedRow { document, live: true }).unwrap();
        left.scratch.execute_batch("COMMIT").unwrap();
        std::mem::forget(left);
        assert!(!SnapshotIndex::create(folder.path()).unwrap().is_live(document).unwrap());
    }
}
