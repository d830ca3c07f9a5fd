//! Reads the next records of lanes, from memory where they were just written.

use std::collections::VecDeque;

use foldhash::{HashMap, HashMapExt as _};

use xxhash_rust::xxh3::xxh3_64;

use crate::deliver::scheduler::Candidate;
use crate::position::Position;
use crate::record::{LaneNo, ProjectNo, Record, Seq, body};
use crate::spool::{Appended, Batch, Chunk, Reader, ReplayNo, SpoolError, Subscription};
use crate::time::{Timestamp, Uptime};

/// Two caches: chunks that were just spooled, and those that were last read. Each has a limit in bytes; when
/// it is reached, all of the cache is dropped.
#[derive(Debug)]
pub(in crate::deliver) struct LaneReader {
    subscription: Subscription,
    recent: HashMap<LaneNo, Recent>,
    recent_bytes: usize,
    /// The chunks that were last read for a lane, none between them left out. They may serve several cuts.
    read: HashMap<LaneNo, VecDeque<Chunk>>,
    read_bytes: usize,
    bytes_max: usize,
    /// Every chunk after this was received.
    started_after: Seq,
}

#[derive(Debug)]
struct Recent {
    /// In order; **all of the lane's unsettled chunks that end at `complete_from` or later are here**.
    chunks: VecDeque<Chunk>,
    complete_from: Seq,
}

/// Which of a lane's records are read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::deliver) enum ReadScope {
    /// Those after its cursor.
    Pending,
    /// All: settled records are not in the recent chunks, and are read from the disk.
    Settled,
}

impl ReadScope {
    /// The scope of a replay, or of pending records.
    pub(in crate::deliver) fn of(replay: Option<ReplayNo>) -> Self {
        if replay.is_some() { Self::Settled } else { Self::Pending }
    }
}

/// The first records of a lane, as chunks that hold them.
#[derive(Debug)]
pub(in crate::deliver) struct Candidates {
    chunks: Vec<Chunk>,
    after: Seq,
}

/// A batch's body, and the facts about its records that the headers need.
#[derive(Clone, Debug)]
pub(in crate::deliver) struct EncodedBatch {
    pub(in crate::deliver) body: bytes::Bytes,
    pub(in crate::deliver) first: Position,
    pub(in crate::deliver) last: Position,
    pub(in crate::deliver) ends: (Seq, Seq),
    pub(in crate::deliver) records: u32,
    /// When its oldest record was committed.
    pub(in crate::deliver) committed_at: Timestamp,
}

impl LaneReader {
    pub(in crate::deliver) fn new(subscription: Subscription, bytes_max: usize) -> Self {
        Self {
            started_after: subscription.received(),
            subscription,
            recent: HashMap::new(),
            recent_bytes: 0,
            read: HashMap::new(),
            read_bytes: 0,
            bytes_max,
        }
    }

    pub(in crate::deliver) fn reader(&self) -> &Reader {
        self.subscription.reader()
    }

    pub(in crate::deliver) fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    pub(in crate::deliver) fn receive(
        &mut self,
        appended: Appended,
    ) -> (Vec<(ProjectNo, String)>, Vec<Chunk>) {
        self.subscription.receive(appended)
    }

    /// The contents of memory: what, how much, and the limit.
    pub(in crate::deliver) fn memory(&self) -> Vec<(&'static str, usize, usize)> {
        vec![
            ("bytes of recent chunks", self.recent_bytes, self.bytes_max),
            ("bytes of chunks that were read", self.read_bytes, self.bytes_max),
        ]
    }

    /// A chunk was spooled. Its bytes may have been left out.
    pub(in crate::deliver) fn offer(&mut self, chunk: Chunk) {
        let bytes = chunk.bytes_in_memory();
        if self.recent_bytes + bytes > self.bytes_max {
            self.recent.values_mut().for_each(Recent::forget);
            self.recent_bytes = 0;
        }
        let recent = recent(&mut self.recent, chunk.lane, self.started_after);
        if chunk.packed.is_empty() || bytes > self.bytes_max {
            self.recent_bytes -= recent.bytes();
            recent.forget();
            recent.complete_from = Seq(chunk.last.0 + 1);
        } else {
            self.recent_bytes += bytes;
            recent.chunks.push_back(chunk);
        }
    }

    /// Records up to `through` are settled, and read no more.
    pub(in crate::deliver) fn settled(&mut self, lane: LaneNo, through: Seq) {
        if let Some(recent) = self.recent.get_mut(&lane) {
            while let Some(behind) = recent.chunks.pop_front_if(|chunk| chunk.last <= through) {
                self.recent_bytes -= behind.bytes_in_memory();
            }
        }
        if let Some(read) = self.read.get_mut(&lane) {
            while let Some(behind) = read.pop_front_if(|chunk| chunk.last <= through) {
                self.read_bytes -= behind.bytes_in_memory();
            }
            if read.is_empty() {
                self.read.remove(&lane);
            }
        }
    }

    /// Whether the records after `after` are in memory, so that reading them costs little.
    pub(in crate::deliver) fn is_at_hand(&mut self, kind: ReadScope, lane: LaneNo, after: Seq) -> bool {
        self.recent_from(kind, lane, Seq(after.0 + 1)).is_some()
    }

    /// At least `records` records, or `bytes` of fragments, after `after`, where the lane has as many.
    pub(in crate::deliver) fn read(
        &mut self,
        kind: ReadScope,
        lane: LaneNo,
        after: Seq,
        records: u32,
        bytes: u64,
    ) -> Result<Candidates, SpoolError> {
        let mut head = Candidates { chunks: Vec::new(), after };
        let (mut records_left, mut bytes_left, mut seq) = (records, bytes, Seq(after.0 + 1));
        while records_left > 0 && bytes_left > 0 {
            let ahead = (records_left, bytes_left);
            let Some(chunk) = self.chunk_holding(kind, lane, seq, ahead)? else { break };
            seq = Seq(chunk.last.0 + 1);
            if chunk.first > after {
                records_left = records_left.saturating_sub(chunk.records);
                bytes_left = bytes_left.saturating_sub(chunk.fragment_bytes);
            } else {
                // Only a part of it is after the cursor.
                for record in records_of(&chunk, after) {
                    if records_left == 0 || bytes_left == 0 {
                        break;
                    }
                    records_left -= 1;
                    bytes_left = bytes_left.saturating_sub(record?.fragment.len() as u64);
                }
            }
            head.chunks.push(chunk);
        }
        Ok(head)
    }

    /// The body of a batch that was cut before, checked against its checksum.
    pub(in crate::deliver) fn encode_again(
        &mut self,
        kind: ReadScope,
        batch: &Batch,
    ) -> Result<EncodedBatch, SpoolError> {
        let after = Seq(batch.first.0.saturating_sub(1));
        let encoded =
            self.read(kind, batch.lane, after, batch.records, u64::MAX)?.encode(batch.records as usize)?;
        let same = xxh3_64(&encoded.body) == batch.body_sum && encoded.ends == (batch.first, batch.last);
        if same {
            Ok(encoded)
        } else {
            Err(SpoolError::Damaged(format!("the records of batch {}", batch.id)))
        }
    }

    /// Up to `limit` records of a lane after `after` and before `until`.
    pub(in crate::deliver) fn documents(
        &mut self,
        lane: LaneNo,
        after: Seq,
        until: Seq,
        limit: usize,
    ) -> Result<Vec<(u64, Seq)>, SpoolError> {
        let (mut found, mut seq) = (Vec::new(), Seq(after.0 + 1));
        while let Some(chunk) = self.chunk_holding(ReadScope::Settled, lane, seq, ONE)? {
            for record in records_of(&chunk, after) {
                let record = record?;
                if record.seq >= until || found.len() >= limit {
                    return Ok(found);
                }
                found.push((record.document, record.seq));
            }
            seq = Seq(chunk.last.0 + 1);
        }
        Ok(found)
    }

    /// When the first record after `after` was spooled.
    pub(in crate::deliver) fn oldest(
        &mut self,
        lane: LaneNo,
        after: Seq,
    ) -> Result<Option<Uptime>, SpoolError> {
        let chunk = self.chunk_holding(ReadScope::Pending, lane, Seq(after.0 + 1), ONE)?;
        Ok(chunk.map(|chunk| chunk.spooled_uptime))
    }

    /// The lane's recent chunks, where all from `seq` on are among them.
    fn recent_from(&mut self, kind: ReadScope, lane: LaneNo, seq: Seq) -> Option<&Recent> {
        let recent = recent(&mut self.recent, lane, self.started_after);
        (kind == ReadScope::Pending && seq >= recent.complete_from).then_some(recent)
    }

    /// `ahead`: records and bytes that are wanted from there on. Where it is read from the disk, so are they.
    fn chunk_holding(
        &mut self,
        kind: ReadScope,
        lane: LaneNo,
        seq: Seq,
        ahead: (u32, u64),
    ) -> Result<Option<Chunk>, SpoolError> {
        if let Some(recent) = self.recent_from(kind, lane, seq) {
            let at = recent.chunks.partition_point(|chunk| chunk.last < seq);
            return Ok(recent.chunks.get(at).cloned());
        }
        if let Some(read) = self.read.get(&lane)
            && read.front().is_some_and(|first| first.first <= seq)
            && let Some(chunk) = read.get(read.partition_point(|chunk| chunk.last < seq))
            // What a replay read may not be received yet.
            && (kind == ReadScope::Settled || chunk.last <= self.subscription.received())
        {
            return Ok(Some(chunk.clone()));
        }
        let (records, bytes) = ahead;
        let found = match kind {
            ReadScope::Pending => self.subscription.chunks_from(lane, seq, records, bytes)?,
            ReadScope::Settled => self.subscription.reader().chunks_from(lane, seq, records, bytes)?,
        };
        let Some(first) = found.first().cloned() else { return Ok(None) };
        self.keep(lane, found.into());
        Ok(Some(first))
    }

    /// Keeps what was read for a lane, in place of what was before.
    fn keep(&mut self, lane: LaneNo, mut chunks: VecDeque<Chunk>) {
        let mut bytes = bytes_of(&chunks);
        while bytes > self.bytes_max && chunks.len() > 1 {
            bytes -= chunks.pop_back().map_or(0, |last| last.bytes_in_memory());
        }
        self.read_bytes -= self.read.remove(&lane).map_or(0, |before| bytes_of(&before));
        if self.read_bytes + bytes > self.bytes_max {
            self.read.clear();
            self.read_bytes = 0;
        }
        self.read_bytes += bytes;
        self.read.insert(lane, chunks);
    }
}

impl Recent {
    fn bytes(&self) -> usize {
        bytes_of(&self.chunks)
    }

    fn forget(&mut self) {
        if let Some(last) = self.chunks.back() {
            self.complete_from = Seq(last.last.0 + 1);
        }
        self.chunks.clear();
    }
}

impl Candidates {
    /// Up to `records` records up to `last`, as the scheduler needs them.
    pub(in crate::deliver) fn candidates(
        &self,
        records: u32,
        last: Option<Seq>,
    ) -> Result<Vec<Candidate>, SpoolError> {
        let head = |record: Record<'_>| Candidate {
            seq: record.seq,
            document: record.document,
            after: record.after,
            bytes: record.fragment.len() as u64,
        };
        let within = |record: &Result<Record<'_>, _>| {
            record.as_ref().map_or(true, |record| last.is_none_or(|last| record.seq <= last))
        };
        let records = self.records().take(usize::try_from(records).unwrap_or(usize::MAX));
        records.take_while(within).map(|record| record.map(head)).collect()
    }

    /// The number of its first record.
    pub(in crate::deliver) fn first(&self) -> Result<Option<Seq>, SpoolError> {
        Ok(self.records().next().transpose()?.map(|record| record.seq))
    }

    /// The body of its first `records` records.
    pub(in crate::deliver) fn encode(&self, records: usize) -> Result<EncodedBatch, SpoolError> {
        let of = self.records().take(records).collect::<Result<Vec<_>, _>>()?;
        let (Some(first), Some(last), Some(chunk)) = (of.first(), of.last(), self.chunks.first()) else {
            return Err(SpoolError::Damaged("a batch without records".into()));
        };
        Ok(EncodedBatch {
            body: body(chunk.lane.callback(), of.iter().map(|record| record.fragment)).into(),
            first: first.position,
            last: last.position,
            ends: (first.seq, last.seq),
            records: u32::try_from(of.len()).unwrap_or(u32::MAX),
            committed_at: of.iter().map(|record| record.committed_at).min().unwrap_or_default(),
        })
    }

    fn records(&self) -> impl Iterator<Item = Result<Record<'_>, SpoolError>> {
        self.chunks.iter().flat_map(|chunk| records_of(chunk, self.after))
    }
}

fn bytes_of(chunks: &VecDeque<Chunk>) -> usize {
    chunks.iter().map(Chunk::bytes_in_memory).sum()
}

fn records_of(chunk: &Chunk, after: Seq) -> impl Iterator<Item = Result<Record<'_>, SpoolError>> {
    chunk
        .records()
        .map(|record| record.map_err(SpoolError::from))
        .filter(move |record| record.as_ref().map_or(true, |record| record.seq > after))
}

fn recent(lanes: &mut HashMap<LaneNo, Recent>, lane: LaneNo, started_after: Seq) -> &mut Recent {
    let complete_from = Seq(started_after.0 + 1);
    lanes.entry(lane).or_insert_with(|| Recent { chunks: VecDeque::new(), complete_from })
}

/// A chunk alone.
const ONE: (u32, u64) = (1, 1);

#[cfg(test)]
mod tests;
