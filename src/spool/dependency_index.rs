//! The last records of each document in its project's lanes: what the next one waits for.
//!
//! It is what the unsettled records say, and so needs no place of its own on the disk: a new start
//! reads it from them. What does not fit into memory lies in a scratch file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rusqlite::{Connection, OptionalExtension as _, params};
use xxhash_rust::xxh3::Xxh3;

use super::engine::Reader;
use super::error::SpoolError;
use super::ops::LaneState;
use super::sqlite::failed;
use crate::record::{Callback, LaneNo, ProjectNo, Seq, WaitsFor};

/// Up to where each lane is settled, for all to read. The writer moves it after each sync.
#[derive(Clone, Debug, Default)]
pub struct Cursors(Arc<RwLock<HashMap<LaneNo, Seq>>>);

/// (project, document) → its last records.
#[derive(Debug)]
pub struct DependencyIndex {
    last: HashMap<u64, Last>,
    limit: usize,
    cursors: Cursors,
    folder: PathBuf,
    /// Made when memory does not suffice for the first time.
    spilled: Option<Spilled>,
}

/// A document's last records, by [`Callback::index`].
#[derive(Clone, Copy, Debug)]
struct Last {
    project: ProjectNo,
    seqs: [Seq; 3],
}

#[derive(Debug)]
struct Spilled {
    scratch: Connection,
    path: PathBuf,
    rows: usize,
}

impl Cursors {
    /// Up to where `lane` is settled.
    pub fn get(&self, lane: LaneNo) -> Seq {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&lane).copied().unwrap_or_default()
    }

    pub(super) fn set(&self, moved: impl Iterator<Item = (LaneNo, Seq)>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).extend(moved);
    }
}

impl DependencyIndex {
    /// Reads it from the unsettled records of `lanes`. Holds up to `limit` documents in memory.
    pub fn rebuild(
        folder: &Path,
        reader: &Reader,
        lanes: &[LaneState],
        cursors: Cursors,
        limit: usize,
    ) -> Result<Self, SpoolError> {
        let mut dependency_index =
            Self { last: HashMap::new(), limit, cursors, folder: folder.to_owned(), spilled: None };
        for state in lanes {
            let mut seq = Seq(state.cursor.0 + 1);
            while let Some(chunk) = reader.chunk_holding(state.lane, seq)? {
                for record in chunk.records() {
                    let record = record.map_err(|error| SpoolError::Damaged(error.to_string()))?;
                    if record.seq > state.cursor {
                        dependency_index.note(state.lane, record.document, record.seq)?;
                    }
                }
                seq = Seq(chunk.last.0 + 1);
            }
        }
        Ok(dependency_index)
    }

    /// What a new record of `document` in `callback`'s lane waits for: the document's last records
    /// in the project's other lanes, as far as they are not settled.
    pub fn after(
        &self,
        project: ProjectNo,
        callback: Callback,
        document: u64,
    ) -> Result<WaitsFor, SpoolError> {
        let mut after = self.last_of(project, document)?;
        for (other, slot) in Callback::ALL.into_iter().zip(&mut after) {
            if other == callback || *slot <= self.cursors.get(LaneNo::new(project, other)) {
                *slot = Seq(0);
            }
        }
        Ok(WaitsFor(after))
    }

    /// The last record of `document` in `lane`, settled or not.
    pub fn last_in(&self, lane: LaneNo, document: u64) -> Result<Seq, SpoolError> {
        let last = self.last_of(lane.project(), document)?;
        Ok(last.get(lane.callback().index()).copied().unwrap_or_default())
    }

    /// Documents that are held in memory.
    pub fn documents(&self) -> usize {
        self.last.len()
    }

    /// `document` has a new last record in `lane`.
    pub fn note(&mut self, lane: LaneNo, document: u64, seq: Seq) -> Result<(), SpoolError> {
        let project = lane.project();
        let key = key(project, document);
        if !self.last.contains_key(&key) {
            if self.last.len() >= self.limit {
                self.make_room()?;
            }
            self.last.insert(key, Last { project, seqs: self.spilled(key)? });
        }
        let slot = self.last.get_mut(&key).and_then(|last| last.seqs.get_mut(lane.callback().index()));
        if let Some(slot) = slot {
            *slot = (*slot).max(seq);
        }
        Ok(())
    }

    fn last_of(&self, project: ProjectNo, document: u64) -> Result<[Seq; 3], SpoolError> {
        let key = key(project, document);
        match self.last.get(&key) {
            Some(last) => Ok(last.seqs),
            None => self.spilled(key),
        }
    }

    fn spilled(&self, key: u64) -> Result<[Seq; 3], SpoolError> {
        match self.spilled.as_ref().filter(|spilled| spilled.rows > 0) {
            Some(spilled) => spilled.find(key).map_err(failed),
            None => Ok([Seq(0); 3]),
        }
    }

    /// Forgets what is settled. Where that is not much, everything goes to the scratch file.
    fn make_room(&mut self) -> Result<(), SpoolError> {
        {
            let cursors = self.cursors.0.read().unwrap_or_else(PoisonError::into_inner);
            self.last.retain(|_, last| {
                Callback::ALL.into_iter().zip(last.seqs).any(|(callback, seq)| {
                    cursors.get(&LaneNo::new(last.project, callback)).is_none_or(|cursor| seq > *cursor)
                        && seq > Seq(0)
                })
            });
        }
        if self.last.len() < self.limit / 2 {
            return Ok(());
        }
        if self.spilled.is_none() {
            self.spilled = Some(Spilled::create(&self.folder).map_err(failed)?);
        }
        if let Some(spilled) = &mut self.spilled {
            spilled.add(std::mem::take(&mut self.last)).map_err(failed)?;
        }
        Ok(())
    }
}

impl Spilled {
    fn create(folder: &Path) -> rusqlite::Result<Self> {
        let path = folder.join("trail.scratch");
        let _ = std::fs::remove_file(&path);
        let scratch = Connection::open(&path)?;
        scratch.execute_batch(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -4096;
             CREATE TABLE last (key INTEGER PRIMARY KEY, excluded INTEGER, ingested INTEGER, modified INTEGER);",
        )?;
        Ok(Self { scratch, path, rows: 0 })
    }

    fn find(&self, key: u64) -> rusqlite::Result<[Seq; 3]> {
        let found = self
            .scratch
            .prepare_cached("SELECT excluded, ingested, modified FROM last WHERE key = ?1")?
            .query_row([key.cast_signed()], |row| {
                let seq = |at: usize| row.get::<_, i64>(at).map(|seq| Seq(seq.cast_unsigned()));
                Ok([seq(0)?, seq(1)?, seq(2)?])
            })
            .optional()?;
        Ok(found.unwrap_or([Seq(0); 3]))
    }

    fn add(&mut self, last: HashMap<u64, Last>) -> rusqlite::Result<()> {
        let mut sorted: Vec<_> = last.into_iter().collect();
        sorted.sort_unstable_by_key(|(key, _)| key.cast_signed());
        self.rows += sorted.len();
        let transaction = self.scratch.unchecked_transaction()?;
        for (key, Last { seqs: [excluded, ingested, modified], .. }) in sorted {
            transaction.prepare_cached("INSERT OR REPLACE INTO last VALUES (?1, ?2, ?3, ?4)")?.execute(
                params![
                    key.cast_signed(),
                    excluded.0.cast_signed(),
                    ingested.0.cast_signed(),
                    modified.0.cast_signed()
                ],
            )?;
        }
        transaction.commit()
    }
}

impl Drop for Spilled {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Two documents that share a key only wait for each other's records.
fn key(project: ProjectNo, document: u64) -> u64 {
    let mut hash = Xxh3::with_seed(u64::from(project.0));
    hash.update(&document.to_le_bytes());
    hash.digest()
}
