//! The last records of each document in its project's lanes: the next record waits for them.
//!
//! It is derived from the unsettled records and not stored. Memory is bounded, and so is what a start reads of
//! them: documents that are not in memory are *forgotten*. A record of one waits for the last record of any
//! forgotten document of its project. That may be longer than needed, and is never less. It makes no cycle: a
//! record still waits only for records before it.

use foldhash::{HashMap, HashMapExt as _};

use xxhash_rust::xxh3::Xxh3;

use crate::record::{Callback, LaneNo, ProjectNo, Seq, WaitsFor};
use crate::spool::{Cursors, LaneState, Spool, SpoolError};

/// (project, document) → its last records.
#[derive(Debug)]
pub(super) struct DependencyIndex {
    /// Two generations of documents: when the young one is full, the old one is forgotten, and it replaces it.
    young: HashMap<u64, Last>,
    old: HashMap<u64, Last>,
    limits: IndexLimits,
    /// The last records of forgotten documents.
    forgotten: HashMap<ProjectNo, LastRecords>,
    cursors: Cursors,
}

/// What the index may take.
#[derive(Clone, Copy, Debug)]
pub struct IndexLimits {
    /// The most documents with unsettled records that are held in memory, at about 60 bytes each.
    pub documents: usize,
    /// The most unsettled records that a start reads for them.
    pub records_at_start: u64,
}

impl Default for IndexLimits {
    /// 20,000 records are read in about 0.2 s.
    fn default() -> Self {
        Self { documents: 150_000, records_at_start: 20_000 }
    }
}

/// By [`Callback::index`].
type LastRecords = [Seq; 3];

/// A document's last records.
#[derive(Clone, Copy, Debug)]
struct Last {
    project: ProjectNo,
    seqs: LastRecords,
}

impl DependencyIndex {
    /// Over the unsettled records of `lanes`. Those of the lanes with the fewest are read; the documents of the
    /// others are forgotten.
    pub(super) fn rebuild(
        spool: &Spool,
        lanes: &[LaneState],
        cursors: Cursors,
        limits: IndexLimits,
    ) -> Result<Self, SpoolError> {
        let mut pending: Vec<_> = lanes.iter().filter(|state| state.last > state.cursor).collect();
        pending.sort_unstable_by_key(|state| state.pending_records);
        let mut records = 0;
        let is_read = |state: &&&LaneState| {
            records += state.pending_records;
            records <= limits.records_at_start
        };
        let few = pending.iter().take_while(is_read).count();
        let (few, many) = pending.split_at(few);
        let mut index =
            Self { young: HashMap::new(), old: HashMap::new(), limits, forgotten: HashMap::new(), cursors };
        for state in many {
            let seqs = index.forgotten.entry(state.lane.project()).or_default();
            set_last(seqs, state.lane.callback(), state.last);
        }
        let reader = spool.reader()?;
        for state in few {
            let mut seq = Seq(state.cursor.0 + 1);
            while let Some(chunk) = reader.chunk_holding(state.lane, seq)? {
                for record in chunk.records() {
                    let record = record?;
                    if record.seq > state.cursor {
                        index.insert(state.lane, record.document, record.seq);
                    }
                }
                seq = Seq(chunk.last.0 + 1);
            }
        }
        Ok(index)
    }

    /// What a new record of `document` in `callback`'s lane waits for: the document's last records
    /// in the project's other lanes, as far as they are not settled.
    pub(super) fn waits_for(&self, project: ProjectNo, callback: Callback, document: u64) -> WaitsFor {
        let mut seqs = self.last_of(project, document);
        for (other, slot) in Callback::ALL.into_iter().zip(&mut seqs) {
            if other == callback || *slot <= self.cursors.get(LaneNo::new(project, other)) {
                *slot = Seq(0);
            }
        }
        WaitsFor(seqs)
    }

    /// The last record of `document` in `lane`, settled or not.
    pub(super) fn last_in(&self, lane: LaneNo, document: u64) -> Seq {
        let last = self.last_of(lane.project(), document);
        last.get(lane.callback().index()).copied().unwrap_or_default()
    }

    /// Documents that are held in memory.
    pub(crate) fn documents(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// The most of them.
    pub(crate) fn documents_max(&self) -> usize {
        self.limits.documents
    }

    /// `document` has a new last record in `lane`.
    pub(super) fn insert(&mut self, lane: LaneNo, document: u64, seq: Seq) {
        let project = lane.project();
        let key = key(project, document);
        if let Some(last) = self.young.get_mut(&key) {
            set_last(&mut last.seqs, lane.callback(), seq);
            return;
        }
        let mut last =
            self.old.remove(&key).unwrap_or_else(|| Last { project, seqs: self.forgotten_of(project) });
        set_last(&mut last.seqs, lane.callback(), seq);
        self.young.insert(key, last);
        if self.young.len() >= self.limits.documents / 2 {
            self.forget_old();
        }
    }

    /// Gives back the memory of documents whose records are all settled.
    pub(super) fn release_memory(&mut self) {
        let cursors = self.cursors.read();
        for generation in [&mut self.young, &mut self.old] {
            generation.retain(|_, Last { project, seqs }| {
                let mut lanes = Callback::ALL.into_iter().zip(*seqs);
                lanes.any(|(callback, seq)| is_unsettled(&cursors, *project, callback, seq))
            });
            generation.shrink_to_fit();
        }
    }

    fn last_of(&self, project: ProjectNo, document: u64) -> LastRecords {
        let key = key(project, document);
        let known = self.young.get(&key).or_else(|| self.old.get(&key));
        known.map_or_else(|| self.forgotten_of(project), |last| last.seqs)
    }

    fn forgotten_of(&self, project: ProjectNo) -> LastRecords {
        self.forgotten.get(&project).copied().unwrap_or_default()
    }

    /// Settled records are not waited for: of them, nothing is kept.
    fn forget_old(&mut self) {
        let cursors = self.cursors.read();
        self.forgotten.retain(|project, seqs| {
            let mut lanes = Callback::ALL.into_iter().zip(*seqs);
            lanes.any(|(callback, seq)| is_unsettled(&cursors, *project, callback, seq))
        });
        for Last { project, seqs } in self.old.drain().map(|(_, last)| last) {
            for (callback, seq) in Callback::ALL.into_iter().zip(seqs) {
                if is_unsettled(&cursors, project, callback, seq) {
                    set_last(self.forgotten.entry(project).or_default(), callback, seq);
                }
            }
        }
        std::mem::swap(&mut self.young, &mut self.old);
    }
}

fn is_unsettled(cursors: &HashMap<LaneNo, Seq>, project: ProjectNo, callback: Callback, seq: Seq) -> bool {
    seq > cursors.get(&LaneNo::new(project, callback)).copied().unwrap_or_default()
}

fn set_last(seqs: &mut LastRecords, callback: Callback, seq: Seq) {
    if let Some(slot) = seqs.get_mut(callback.index()) {
        *slot = (*slot).max(seq);
    }
}

/// Two documents that share a key only wait for each other's records.
fn key(project: ProjectNo, document: u64) -> u64 {
    let mut hash = Xxh3::with_seed(u64::from(project.0));
    hash.update(&document.to_le_bytes());
    hash.digest()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::position::Position;
    use crate::spool::{Group, GroupBuilder, Op, Opened, Options};
    use crate::time::{Timestamp, Uptime};

    fn open(folder: &Path) -> Opened {
        Spool::open(folder, Options { bytes_max: 64 << 20, retain: Duration::from_hours(24) }).unwrap()
    }

    /// Commits what the builder holds, and starts anew.
    fn restart(spool: &Spool, builder: &mut GroupBuilder, folder: &Path) -> Opened {
        let chunks = builder.finish(Timestamp(0), Uptime(0));
        spool.submit(Op::Commit(Arc::new(Group { chunks, ..Group::default() })), |done| drop(done.unwrap()));
        spool.close();
        open(folder)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// A record waits at least for its document's last unsettled records in the other lanes, and for nothing
        /// that these lanes do not have, however little memory there is, and after a new start. Where memory and
        /// what a start reads suffice, it waits for exactly those.
        #[test]
        fn no_record_waits_for_too_little(
            notes in prop::collection::vec((0_u32..2, 0_usize..3, 0_u64..30), 1..120),
            (settled, started, released) in (0_u64..120, 0_u64..200, 0_u64..200),
            (limit, reads) in (prop_oneof![Just(4_usize), Just(16), Just(1_000)], prop_oneof![Just(0_u64), Just(20), Just(1_000)]),
        ) {
            let limits = IndexLimits { documents: limit, records_at_start: reads };
            let folder = tempfile::tempdir().unwrap();
            let mut spool = open(folder.path()).spool;
            let mut builder = GroupBuilder::new(Seq(0));
            let cursors = Cursors::default();
            let mut index = DependencyIndex::rebuild(&spool, &[], cursors.clone(), limits).unwrap();
            let mut of_document: HashMap<(u32, u64), LastRecords> = HashMap::new();
            let mut of_lane: HashMap<LaneNo, Seq> = HashMap::new();
            for (project, callback, document) in &notes {
                let lane = LaneNo::new(ProjectNo(*project), Callback::ALL[*callback]);
                let after = WaitsFor::default();
                let seq = builder.push(lane, Position::default(), Timestamp(0), after, *document, b"{}");
                index.insert(lane, *document, seq);
                prop_assert!(index.documents() <= limit);
                of_document.entry((*project, *document)).or_default()[*callback] = seq;
                of_lane.insert(lane, seq);
                if seq.0 == settled {
                    cursors.set(of_lane.clone().into_iter());
                }
                if seq.0 == released {
                    index.release_memory();
                }
                if seq.0 == started {
                    let mut opened = restart(&spool, &mut builder, folder.path());
                    for state in &mut opened.lanes {
                        state.cursor = cursors.get(state.lane);
                    }
                    index = DependencyIndex::rebuild(&opened.spool, &opened.lanes, cursors.clone(), limits).unwrap();
                    spool = opened.spool;
                }
            }
            let is_exact = limit == 1_000 && (reads == 1_000 || started > notes.len() as u64);
            for ((project, document), seqs) in &of_document {
                for callback in Callback::ALL {
                    let waits_for = index.waits_for(ProjectNo(*project), callback, *document);
                    for other in Callback::ALL {
                        let (lane, at) = (LaneNo::new(ProjectNo(*project), other), other.index());
                        let is_needed = other != callback && seqs[at] > cursors.get(lane);
                        let (waits, needed) = (waits_for.0[at], if is_needed { seqs[at] } else { Seq(0) });
                        prop_assert!(waits >= needed, "{waits:?} instead of {needed:?}");
                        prop_assert!(waits <= of_lane.get(&lane).copied().unwrap_or_default());
                        prop_assert!(!is_exact || waits == needed, "{waits:?} instead of {needed:?}");
                    }
                }
            }
        }
    }
}
