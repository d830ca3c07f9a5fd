//! What capture commits in one transaction, and its records, packed by lane as they are made.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};

use super::chunk::{Before, Chunk, pack};
use super::fact::Fact;
use super::filter::{filter, key_hash, key_in};
use super::stream_position::StreamPosition;
use crate::classify::Identity;
use crate::position::Position;
use crate::record::{LaneNo, ProjectNo, Record, Seq, WaitsFor};
use crate::time::{Timestamp, Uptime};

/// What the capture loop commits in one transaction.
#[derive(Debug, Default)]
pub struct Group {
    /// Records, packed by lane.
    pub chunks: Vec<Chunk>,
    /// Shadow entries written (`Some`) or removed, sorted by identity, each identity once.
    pub shadow: Vec<(Identity, Option<Arc<[u8]>>)>,
    /// How far the stream is applied with it; `None` leaves it as it is.
    pub position: Option<StreamPosition>,
    /// Projects seen for the first time.
    pub projects: Vec<(ProjectNo, String)>,
    /// Facts written (`Some`) or removed.
    pub facts: Vec<(Fact, Option<Vec<u8>>)>,
    /// What `shadow` does to the shadow's size.
    pub growth: Growth,
    /// When the snapshot of `position` was taken; `None`: the position is the stream's.
    pub taken_at: Option<Timestamp>,
}

/// A change of the shadow's size.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Growth {
    /// Documents more, or fewer.
    pub documents: i64,
    /// Bytes of identities and entries more, or fewer.
    pub bytes: i64,
}

/// The records of the group that is being filled.
#[derive(Debug)]
pub struct GroupBuilder {
    /// The last number that was given.
    last: Seq,
    open: HashMap<LaneNo, OpenChunk>,
    closed: Vec<OpenChunk>,
    bytes: usize,
    records: usize,
}

#[derive(Debug)]
struct OpenChunk {
    lane: LaneNo,
    first: Seq,
    last: Seq,
    records: u32,
    fragment_bytes: u64,
    last_position: Position,
    committed_max: Timestamp,
    before: Before,
    packed: Vec<u8>,
    /// Of the ids and keys of its records.
    hashes: Vec<u64>,
}

impl GroupBuilder {
    /// Numbers go on after `last`.
    pub fn new(last: Seq) -> Self {
        Self { last, open: HashMap::new(), closed: Vec::new(), bytes: 0, records: 0 }
    }

    /// Adds a record and returns its number.
    pub fn push(
        &mut self,
        lane: LaneNo,
        position: Position,
        committed_at: Timestamp,
        after: WaitsFor,
        document: u64,
        fragment: &[u8],
    ) -> Seq {
        self.last = Seq(self.last.0 + 1);
        let seq = self.last;
        let chunk = self.open.entry(lane).or_insert_with(|| OpenChunk::new(lane, seq));
        let before = chunk.packed.len();
        pack(
            &mut chunk.packed,
            &mut chunk.before,
            &Record { seq, position, committed_at, after, document, fragment },
        );
        self.bytes += chunk.packed.len() - before;
        self.records += 1;
        chunk.hashes.push(document);
        chunk.hashes.extend(key_in(fragment).map(key_hash));
        chunk.last = seq;
        chunk.last_position = position;
        chunk.committed_max = chunk.committed_max.max(committed_at);
        chunk.records += 1;
        chunk.fragment_bytes += fragment.len() as u64;
        if chunk.packed.len() >= CHUNK_BYTES_MAX || chunk.records >= CHUNK_RECORDS_MAX {
            self.closed.extend(self.open.remove(&lane));
        }
        seq
    }

    /// Bytes packed so far.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Records so far.
    pub fn records(&self) -> usize {
        self.records
    }

    /// The last number that was given.
    pub fn last(&self) -> Seq {
        self.last
    }

    /// Takes the records that were added, as chunks in the order of numbers, spooled now.
    pub fn finish(&mut self, now: Timestamp, uptime: Uptime) -> Vec<Chunk> {
        self.bytes = 0;
        self.records = 0;
        let mut chunks: Vec<OpenChunk> =
            self.closed.drain(..).chain(self.open.drain().map(|(_, chunk)| chunk)).collect();
        chunks.sort_unstable_by_key(|chunk| chunk.last);
        let spooled = |open: OpenChunk| Chunk {
            lane: open.lane,
            first: open.first,
            last: open.last,
            records: open.records,
            fragment_bytes: open.fragment_bytes,
            spooled_at: now,
            spooled_uptime: uptime,
            last_position: open.last_position,
            committed_max: open.committed_max,
            filter: filter(&open.hashes).into(),
            packed: open.packed.into(),
        };
        chunks.into_iter().map(spooled).collect()
    }
}

impl OpenChunk {
    fn new(lane: LaneNo, first: Seq) -> Self {
        let (before, packed) = (Before::default(), Vec::new());
        Self {
            lane,
            first,
            last: first,
            records: 0,
            fragment_bytes: 0,
            last_position: Position::default(),
            committed_max: Timestamp(i64::MIN),
            before,
            packed,
            hashes: Vec::new(),
        }
    }
}

/// A chunk is read whole, so it stays small enough for that.
const CHUNK_BYTES_MAX: usize = 256 * 1024;
const CHUNK_RECORDS_MAX: u32 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_run_over_all_lanes_and_chunks_are_closed_when_full() {
        let mut builder = GroupBuilder::new(Seq(10));
        let mut push = |lane| {
            builder.push(LaneNo(lane), Position::default(), Timestamp(1), WaitsFor::default(), 0, b"{}")
        };
        assert_eq!((push(1), push(2), push(1)), (Seq(11), Seq(12), Seq(13)));
        for _ in 0..CHUNK_RECORDS_MAX {
            push(2);
        }
        let chunks = builder.finish(Timestamp(5), Uptime(6));
        let found: Vec<_> = chunks.iter().map(|chunk| (chunk.lane.0, chunk.first.0, chunk.records)).collect();
        assert_eq!(found, [(1, 11, 2), (2, 12, CHUNK_RECORDS_MAX), (2, 269, 1)]);
        assert_eq!(chunks[0].fragment_bytes, 4);
        assert_eq!(builder.finish(Timestamp(5), Uptime(6)), []);
        assert_eq!(builder.last(), Seq(269));
    }
}
