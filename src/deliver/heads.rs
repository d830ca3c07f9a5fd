//! The heads of lanes: what is read of them, and what need not be read as it was just written.

use std::collections::{HashMap, VecDeque};

use xxhash_rust::xxh3::xxh3_64;

use super::dispatch::Head;
use crate::moment::{Moment, Running};
use crate::position::Position;
use crate::record::{LaneNo, Record, Seq, body};
use crate::spool::{Batch, Chunk, Reader, SpoolError};

/// Chunks that were just spooled, and those that were last read. Its size has a limit.
#[derive(Debug)]
pub(super) struct Heads {
    reader: Reader,
    lanes: HashMap<LaneNo, Recent>,
    bytes: usize,
    bytes_max: usize,
    /// Everything spooled after this was offered to the cache.
    since: Seq,
}

#[derive(Debug)]
struct Recent {
    /// In order; **all of the lane's chunks that end at `complete_from` or later are here**, or else
    /// a later chunk would be taken for the one that is asked for, and records passed over.
    chunks: VecDeque<Chunk>,
    complete_from: Seq,
    /// The last that was read from the disk: a chunk is cut piece by piece.
    read: Option<Chunk>,
}

/// The first records of a lane, as chunks that hold them.
#[derive(Debug)]
pub(super) struct LaneHead {
    chunks: Vec<Chunk>,
    after: Seq,
}

/// A batch's body, and what its headers tell of its records.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) body: bytes::Bytes,
    pub(super) first: Position,
    pub(super) last: Position,
    pub(super) ends: (Seq, Seq),
    pub(super) records: u32,
    /// When its oldest record was committed.
    pub(super) committed_at: Moment,
}

impl Heads {
    pub(super) fn new(reader: Reader, since: Seq, bytes_max: usize) -> Self {
        Self { reader, lanes: HashMap::new(), bytes: 0, bytes_max, since }
    }

    pub(super) fn reader(&self) -> &Reader {
        &self.reader
    }

    /// A chunk was spooled.
    pub(super) fn offer(&mut self, chunk: Chunk) {
        let recent = recent(&mut self.lanes, chunk.lane, self.since);
        if self.bytes + chunk.packed.len() <= self.bytes_max {
            self.bytes += chunk.packed.len();
            recent.chunks.push_back(chunk);
            return;
        }
        self.bytes -= recent.chunks.iter().map(|chunk| chunk.packed.len()).sum::<usize>();
        recent.chunks.clear();
        recent.complete_from = Seq(chunk.last.0 + 1);
    }

    /// Up to about `records` records, or `bytes` of fragments, behind `after`.
    pub(super) fn head(
        &mut self,
        lane: LaneNo,
        after: Seq,
        records: u32,
        bytes: u64,
    ) -> Result<LaneHead, SpoolError> {
        let mut head = LaneHead { chunks: Vec::new(), after };
        let (mut counted, mut measured, mut seq) = (0_u64, 0_u64, Seq(after.0 + 1));
        while counted < u64::from(records) && measured < bytes {
            let Some(chunk) = self.chunk_holding(lane, seq)? else { break };
            seq = Seq(chunk.last.0 + 1);
            if chunk.first > after {
                counted += u64::from(chunk.records);
                measured += chunk.fragment_bytes;
            } else {
                // Part of it lies behind the cursor.
                for record in LaneHead::records_of(&chunk, after) {
                    counted += 1;
                    measured += record?.fragment.len() as u64;
                }
            }
            head.chunks.push(chunk);
        }
        Ok(head)
    }

    /// The body of a batch that was cut before; that it is the same is checked.
    pub(super) fn remake(&mut self, batch: &Batch) -> Result<Made, SpoolError> {
        let after = Seq(batch.first.0.saturating_sub(1));
        let made = self.head(batch.lane, after, batch.records, u64::MAX)?.make(batch.records as usize)?;
        let same = xxh3_64(&made.body) == batch.body_sum && made.ends == (batch.first, batch.last);
        if same { Ok(made) } else { Err(SpoolError::Damaged(format!("the records of batch {}", batch.id))) }
    }

    /// When the first record behind `after` was spooled.
    pub(super) fn oldest(&mut self, lane: LaneNo, after: Seq) -> Result<Option<Running>, SpoolError> {
        Ok(self.chunk_holding(lane, Seq(after.0 + 1))?.map(|chunk| chunk.spooled_running))
    }

    fn chunk_holding(&mut self, lane: LaneNo, seq: Seq) -> Result<Option<Chunk>, SpoolError> {
        let recent = recent(&mut self.lanes, lane, self.since);
        if let Some(read) = recent.read.as_ref().filter(|read| read.first <= seq && seq <= read.last) {
            return Ok(Some(read.clone()));
        }
        if seq >= recent.complete_from {
            return Ok(recent.chunks.iter().find(|chunk| chunk.last >= seq).cloned());
        }
        recent.read = self.reader.chunk_holding(lane, seq)?;
        Ok(recent.read.clone())
    }

    /// Forgets what is settled: nothing before `through` is asked for again.
    pub(super) fn settled(&mut self, lane: LaneNo, through: Seq) {
        let Some(recent) = self.lanes.get_mut(&lane) else { return };
        recent.read.take_if(|read| read.last <= through);
        while let Some(behind) = recent.chunks.pop_front_if(|chunk| chunk.last <= through) {
            self.bytes -= behind.packed.len();
        }
        // What ends at `through` or before is gone from here, so no more is promised of it.
        recent.complete_from = recent.complete_from.max(Seq(through.0 + 1));
    }
}

impl LaneHead {
    /// What the decision needs to know of each record.
    pub(super) fn heads(&self) -> Result<Vec<Head>, SpoolError> {
        let head = |record: Record<'_>| Head { after: record.after, bytes: record.fragment.len() as u64 };
        self.records().map(|record| record.map(head)).collect()
    }

    /// The body of its first `records` records.
    pub(super) fn make(&self, records: usize) -> Result<Made, SpoolError> {
        let of = self.records().take(records).collect::<Result<Vec<_>, _>>()?;
        let (Some(first), Some(last), Some(chunk)) = (of.first(), of.last(), self.chunks.first()) else {
            return Err(SpoolError::Damaged("a batch without records".into()));
        };
        Ok(Made {
            body: body(chunk.lane.callback(), of.iter().map(|record| record.fragment)).into(),
            first: first.position,
            last: last.position,
            ends: (first.seq, last.seq),
            records: u32::try_from(of.len()).unwrap_or(u32::MAX),
            committed_at: of.iter().map(|record| record.committed_at).min().unwrap_or_default(),
        })
    }

    fn records(&self) -> impl Iterator<Item = Result<Record<'_>, SpoolError>> {
        self.chunks.iter().flat_map(|chunk| Self::records_of(chunk, self.after))
    }

    fn records_of(chunk: &Chunk, after: Seq) -> impl Iterator<Item = Result<Record<'_>, SpoolError>> {
        chunk
            .records()
            .map(|record| record.map_err(|error| SpoolError::Damaged(error.to_string())))
            .filter(move |record| record.as_ref().map_or(true, |record| record.seq > after))
    }
}

fn recent(lanes: &mut HashMap<LaneNo, Recent>, lane: LaneNo, since: Seq) -> &mut Recent {
    let complete_from = Seq(since.0 + 1);
    lanes.entry(lane).or_insert_with(|| Recent { chunks: VecDeque::new(), complete_from, read: None })
}
