//! Subscriptions: committed groups reach delivery through the spool itself.
//!
//! 1. A subscriber gets the lanes as of one moment and then exactly the groups committed after it, in
//!    commit order: the writer takes the subscription between two transactions.
//! 2. A group is on the disk a moment before its subscriber receives it, and one of its records may wait
//!    for a record of a lane that the subscriber does not know yet. So pending records are read only up
//!    to what was received.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::chunk::Chunk;
use super::engine::Reader;
use super::error::SpoolError;
use super::group::Group;
use super::lane::LaneState;
use crate::record::{LaneNo, ProjectNo, Seq};
use crate::time::Uptime;

/// A committed group on its way to a subscriber, who opens it with [`Subscription::receive`].
#[derive(Debug)]
pub struct Appended {
    projects: Vec<(ProjectNo, String)>,
    chunks: Vec<Chunk>,
}

/// The subscriber's end: what was there at the start, and what may be read since.
#[derive(Debug)]
pub struct Subscription {
    /// Every lane at the start.
    pub lanes: Vec<LaneState>,
    /// Names of the projects at the start, in the order of their numbers.
    pub projects: Vec<String>,
    reader: Reader,
    /// The last record that was received, or was there at the start.
    received: Seq,
    queued_bytes: Arc<AtomicUsize>,
}

/// The writer's end.
pub(super) struct Publisher {
    notify: Box<dyn Fn(Appended) + Send>,
    /// Bytes of chunks that were sent and not yet received.
    queued_bytes: Arc<AtomicUsize>,
    queued_bytes_max: usize,
}

/// Where a new subscription starts: what all groups committed so far amount to.
#[derive(Debug)]
pub(super) struct SubscriptionStart {
    pub(super) projects: Vec<String>,
    pub(super) last_seq: Seq,
}

impl Subscription {
    /// Opens a group: its projects, and its chunks, of which some may come without their packed bytes
    /// (they are read from the disk).
    pub fn receive(&mut self, appended: Appended) -> (Vec<(ProjectNo, String)>, Vec<Chunk>) {
        let Appended { projects, chunks } = appended;
        for chunk in &chunks {
            self.queued_bytes.fetch_sub(chunk.bytes_in_memory(), Ordering::Relaxed);
            self.received = self.received.max(chunk.last);
        }
        (projects, chunks)
    }

    /// The last record that was received, or was there at the start.
    pub fn received(&self) -> Seq {
        self.received
    }

    /// Reads what does not depend on what was received: settled records, replays, dead letters.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The first received chunk of `lane` that ends at `seq` or later, and the next ones until they have `records`
    /// records or `bytes` of fragments.
    pub fn chunks_from(
        &self,
        lane: LaneNo,
        seq: Seq,
        records: u32,
        bytes: u64,
    ) -> Result<Vec<Chunk>, SpoolError> {
        let mut found = self.reader.chunks_from(lane, seq, records, bytes)?;
        found.retain(|chunk| chunk.last <= self.received);
        Ok(found)
    }

    /// The last received record of `lane` that was spooled at `before` or earlier.
    pub fn last_spooled_by(&self, lane: LaneNo, before: Uptime) -> Result<Option<Seq>, SpoolError> {
        Ok(self.reader.last_spooled_by(lane, before)?.map(|seq| seq.min(self.received)))
    }

    /// The received record of `lane` behind `cursor` up to which at least `bytes` of fragments lie.
    pub fn seq_freeing(&self, lane: LaneNo, cursor: Seq, bytes: u64) -> Result<Option<Seq>, SpoolError> {
        Ok(self.reader.seq_freeing(lane, cursor, bytes)?.map(|seq| seq.min(self.received)))
    }
}

impl Publisher {
    pub(super) fn new(queued_bytes_max: usize, notify: Box<dyn Fn(Appended) + Send>) -> Self {
        Self { notify, queued_bytes: Arc::default(), queued_bytes_max }
    }

    /// The other end. Between this and the first group that is published, nothing may be committed.
    pub(super) fn subscription(
        &self,
        start: &SubscriptionStart,
        reader: Reader,
    ) -> Result<Subscription, SpoolError> {
        Ok(Subscription {
            lanes: reader.lanes()?,
            projects: start.projects.clone(),
            reader,
            received: start.last_seq,
            queued_bytes: Arc::clone(&self.queued_bytes),
        })
    }

    /// Sends a group that is durable. Its chunks come together: a record may wait for another of its
    /// group. A slow subscriber costs no memory: bytes above the limit are left out.
    pub(super) fn publish(&self, group: &Group) {
        let (projects, mut chunks) = (group.projects.clone(), group.chunks.clone());
        for chunk in &mut chunks {
            chunk.filter = bytes::Bytes::new();
            let queued = self.queued_bytes.load(Ordering::Relaxed);
            if queued + chunk.bytes_in_memory() > self.queued_bytes_max {
                chunk.packed = bytes::Bytes::new();
            }
            self.queued_bytes.fetch_add(chunk.bytes_in_memory(), Ordering::Relaxed);
        }
        (self.notify)(Appended { projects, chunks });
    }
}

impl SubscriptionStart {
    /// Counts a group in. Says whether it has anything for subscribers.
    pub(super) fn count(&mut self, group: &Group) -> bool {
        for (no, name) in &group.projects {
            no.set_name(&mut self.projects, name.clone());
        }
        let last = group.chunks.iter().map(|chunk| chunk.last).max();
        self.last_seq = self.last_seq.max(last.unwrap_or_default());
        !group.chunks.is_empty() || !group.projects.is_empty()
    }
}
