//! The last records of each document in its project's lanes: the next record waits for them.
//!
//! It is derived from the unsettled records and not stored: each start rebuilds it. What does not fit
//! into memory is in a scratch file.

use std::collections::HashMap;

use xxhash_rust::xxh3::Xxh3;

use crate::record::{Callback, LaneNo, ProjectNo, Seq, WaitsFor};
use crate::spool::{Cursors, LaneState, Scratch, ScratchError, ScratchTable, Spool, SpoolError};

/// (project, document) → its last records.
#[derive(Debug)]
pub(super) struct DependencyIndex {
    last: HashMap<u64, Last>,
    limit: usize,
    cursors: Cursors,
    spool: Spool,
    /// Created when the limit of memory is first reached.
    spilled: Option<Scratch>,
}

/// A document's last records, by [`Callback::index`].
#[derive(Clone, Copy, Debug)]
struct Last {
    project: ProjectNo,
    seqs: [Seq; 3],
}

impl DependencyIndex {
    /// Rebuilds it from the unsettled records of `lanes`. Holds up to `limit` documents in memory.
    pub(super) fn rebuild(
        spool: &Spool,
        lanes: &[LaneState],
        cursors: Cursors,
        limit: usize,
    ) -> Result<Self, SpoolError> {
        let reader = spool.reader()?;
        let mut dependency_index =
            Self { last: HashMap::new(), limit, cursors, spool: spool.clone(), spilled: None };
        for state in lanes {
            let mut seq = Seq(state.cursor.0 + 1);
            while let Some(chunk) = reader.chunk_holding(state.lane, seq)? {
                for record in chunk.records() {
                    let record = record?;
                    if record.seq > state.cursor {
                        dependency_index.insert(state.lane, record.document, record.seq)?;
                    }
                }
                seq = Seq(chunk.last.0 + 1);
            }
        }
        Ok(dependency_index)
    }

    /// What a new record of `document` in `callback`'s lane waits for: the document's last records
    /// in the project's other lanes, as far as they are not settled.
    pub(super) fn waits_for(
        &self,
        project: ProjectNo,
        callback: Callback,
        document: u64,
    ) -> Result<WaitsFor, SpoolError> {
        let mut seqs = self.last_of(project, document)?;
        for (other, slot) in Callback::ALL.into_iter().zip(&mut seqs) {
            if other == callback || *slot <= self.cursors.get(LaneNo::new(project, other)) {
                *slot = Seq(0);
            }
        }
        Ok(WaitsFor(seqs))
    }

    /// The last record of `document` in `lane`, settled or not.
    pub(super) fn last_in(&self, lane: LaneNo, document: u64) -> Result<Seq, SpoolError> {
        let last = self.last_of(lane.project(), document)?;
        Ok(last.get(lane.callback().index()).copied().unwrap_or_default())
    }

    /// Documents that are held in memory.
    pub(crate) fn documents(&self) -> usize {
        self.last.len()
    }

    /// `document` has a new last record in `lane`.
    pub(super) fn insert(&mut self, lane: LaneNo, document: u64, seq: Seq) -> Result<(), SpoolError> {
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

    fn last_of(&self, project: ProjectNo, document: u64) -> Result<[Seq; 3], ScratchError> {
        let key = key(project, document);
        match self.last.get(&key) {
            Some(last) => Ok(last.seqs),
            None => self.spilled(key),
        }
    }

    fn spilled(&self, key: u64) -> Result<[Seq; 3], ScratchError> {
        let Some(scratch) = &self.spilled else { return Ok([Seq(0); 3]) };
        let found = scratch.get(LAST, &key.to_be_bytes())?;
        Ok(found.map_or([Seq(0); 3], |bytes| decode(&bytes)))
    }

    /// Removes settled records. Where few are, everything moves to the scratch file.
    fn make_room(&mut self) -> Result<(), ScratchError> {
        {
            let cursors = self.cursors.read();
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
        let scratch = match self.spilled.take() {
            Some(scratch) => scratch,
            None => self.spool.scratch(&[LAST])?,
        };
        let scratch = self.spilled.insert(scratch);
        // In the order of the file's pages.
        let mut sorted: Vec<_> = self.last.drain().collect();
        sorted.sort_unstable_by_key(|(key, _)| *key);
        for (key, last) in sorted {
            scratch.put(LAST, &key.to_be_bytes(), &encode(last.seqs))?;
        }
        Ok(())
    }
}

fn encode(seqs: [Seq; 3]) -> Vec<u8> {
    seqs.iter().flat_map(|seq| seq.0.to_le_bytes()).collect()
}

fn decode(bytes: &[u8]) -> [Seq; 3] {
    let (seqs, _) = bytes.as_chunks::<8>();
    let mut last = [Seq(0); 3];
    for (slot, bytes) in last.iter_mut().zip(seqs) {
        *slot = Seq(u64::from_le_bytes(*bytes));
    }
    last
}

/// Two documents that share a key only wait for each other's records.
fn key(project: ProjectNo, document: u64) -> u64 {
    let mut hash = Xxh3::with_seed(u64::from(project.0));
    hash.update(&document.to_le_bytes());
    hash.digest()
}

/// Key → the last records, by [`Callback::index`].
const LAST: ScratchTable = ScratchTable("last");

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::spool::Options;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        /// What a record waits for is exactly its document's last records in the other lanes that are
        /// not settled, however little memory there is, and after a new start.
        #[test]
        fn the_index_is_exact(notes in prop::collection::vec((0_u32..2, 0_usize..3, 0_u64..30), 1..120), settled in 0_u64..60) {
            let folder = tempfile::tempdir().unwrap();
            let options = Options { bytes_max: 64 << 20, retain: Duration::from_hours(24) };
            let spool = Spool::open(folder.path(), options).unwrap().spool;
            let cursors = Cursors::default();
            let mut dependency_index =
                DependencyIndex::rebuild(&spool, &[], cursors.clone(), 8).unwrap();
            let mut last: HashMap<(u32, u64), [Seq; 3]> = HashMap::new();
            for (number, (project, callback, document)) in notes.iter().enumerate() {
                let seq = Seq(number as u64 + 1);
                let lane = LaneNo::new(ProjectNo(*project), Callback::ALL[*callback]);
                dependency_index.insert(lane, *document, seq).unwrap();
                last.entry((*project, *document)).or_default()[*callback] = seq;
                if seq.0 == settled {
                    cursors.set((0..6).map(|lane| (LaneNo(lane), Seq(settled))));
                }
            }
            for ((project, document), seqs) in last {
                for callback in Callback::ALL {
                    let waits_for = dependency_index.waits_for(ProjectNo(project), callback, document).unwrap();
                    for other in Callback::ALL {
                        let wanted = seqs[other.index()];
                        let waits = other != callback && wanted > cursors.get(LaneNo::new(ProjectNo(project), other));
                        prop_assert_eq!(waits_for.0[other.index()], if waits { wanted } else { Seq(0) });
                    }
                }
            }
        }
    }
}
