//! The shadow with uncommitted changes: a cache over the entries on the disk.

use std::collections::VecDeque;
use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};

use crate::classify::Identity;
use crate::spool::{Growth, Reader, SpoolError};

/// An entry's bytes; `None` where there is no entry.
type CachedEntry = Option<Arc<[u8]>>;

/// A read-through cache. Changed entries stay in it until they are committed.
#[derive(Debug)]
pub(super) struct ShadowCache {
    reader: Reader,
    /// Entries of the group that is being filled, and their bytes.
    open: HashMap<Identity, CachedEntry>,
    open_bytes: usize,
    /// Entries of groups that are submitted and not committed, the oldest first.
    unsynced: VecDeque<HashMap<Identity, CachedEntry>>,
    /// Two generations of entries that were read or changed: when the young one is full, it replaces the old one.
    /// What they lose before it is committed is still in `open` or `unsynced`.
    young: HashMap<Identity, CachedEntry>,
    old: HashMap<Identity, CachedEntry>,
    young_bytes: usize,
    bytes_max: usize,
    growth: Growth,
    /// Entries that were read in the reader's current view; 0: there is none.
    reads_in_view: u32,
}

impl ShadowCache {
    /// Over `reader`, caching up to about `bytes_max`.
    pub(super) fn new(reader: Reader, bytes_max: usize) -> Self {
        Self {
            reader,
            open: HashMap::new(),
            open_bytes: 0,
            unsynced: VecDeque::new(),
            young: HashMap::new(),
            old: HashMap::new(),
            young_bytes: 0,
            bytes_max,
            growth: Growth::default(),
            reads_in_view: 0,
        }
    }

    /// The entry of `identity` after all changes so far.
    pub(super) fn get(&mut self, identity: &Identity) -> Result<CachedEntry, SpoolError> {
        if let Some(known) = self.young.get(identity) {
            return Ok(known.clone());
        }
        let on_its_way = || {
            let groups = std::iter::once(&self.open).chain(self.unsynced.iter().rev());
            groups.into_iter().find_map(|group| group.get(identity).cloned())
        };
        let known = match self.old.remove(identity).or_else(on_its_way) {
            Some(known) => known,
            None => self.read(identity)?,
        };
        self.remember(identity.clone(), known.clone());
        Ok(known)
    }

    /// Changes the entry of `identity` in the group that is being filled. `None` removes it.
    pub(super) fn put(&mut self, identity: Identity, entry: Option<Arc<[u8]>>) -> Result<(), SpoolError> {
        let before = self.get(&identity)?;
        let size = |known: &CachedEntry| known.as_ref().map_or(0, |entry| cost(&identity, entry));
        let now: CachedEntry = entry;
        self.growth.documents += i64::from(now.is_some()) - i64::from(before.is_some());
        self.growth.bytes += signed(size(&now)) - signed(size(&before));
        self.open_bytes += memory(&identity, &now);
        if let Some(replaced) = self.open.insert(identity.clone(), now.clone()) {
            self.open_bytes -= memory(&identity, &replaced);
        }
        self.remember(identity, now);
        Ok(())
    }

    /// Takes the group's changes, sorted by identity. They stay readable until [`ShadowCache::synced`].
    pub(super) fn take(&mut self) -> (Vec<(Identity, CachedEntry)>, Growth) {
        self.end_view();
        let group = std::mem::take(&mut self.open);
        self.open_bytes = 0;
        let mut changes: Vec<_> =
            group.iter().map(|(identity, known)| (identity.clone(), known.clone())).collect();
        changes.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        self.unsynced.push_back(group);
        (changes, std::mem::take(&mut self.growth))
    }

    /// The oldest group that was taken is committed: from now on, its entries are read from the disk.
    pub(super) fn synced(&mut self) {
        self.unsynced.pop_front();
        self.end_view();
    }

    /// Ends the reader's view: one that lasts keeps the spool's log from being reused.
    pub(super) fn end_view(&mut self) {
        if std::mem::take(&mut self.reads_in_view) > 0 {
            self.reader.end_view();
        }
    }

    /// Gives back the memory of entries that are committed.
    pub(super) fn release_memory(&mut self) {
        (self.young, self.old, self.young_bytes) = (HashMap::new(), HashMap::new(), 0);
        self.open.shrink_to_fit();
        self.end_view();
        self.reader.release_memory();
    }

    /// Reads an entry from the disk, in a view of many reads.
    fn read(&mut self, identity: &Identity) -> Result<CachedEntry, SpoolError> {
        if self.reads_in_view >= READS_IN_VIEW_MAX {
            self.end_view();
        }
        if self.reads_in_view == 0 {
            self.reader.begin_view()?;
        }
        self.reads_in_view += 1;
        self.reader.shadow(identity)
    }

    /// Up to `limit` committed entries after `after`.
    pub(super) fn on_disk_after(
        &mut self,
        after: Option<&Identity>,
        limit: u32,
    ) -> Result<Vec<(Identity, Arc<[u8]>)>, SpoolError> {
        self.end_view();
        self.reader.shadow_after(after, limit)
    }

    /// The memory that the entries of the group that is being filled take.
    pub(super) fn open_bytes(&self) -> usize {
        self.open_bytes
    }

    /// The limit of both generations together.
    pub(crate) fn cached_bytes(&self) -> usize {
        2 * self.young_bytes
    }

    fn remember(&mut self, identity: Identity, known: CachedEntry) {
        self.young_bytes += memory(&identity, &known);
        match self.young.entry(identity) {
            Occupied(mut before) => {
                self.young_bytes -= memory(before.key(), before.get());
                before.insert(known);
            }
            Vacant(new) => drop(new.insert(known)),
        }
        if self.young_bytes > self.bytes_max / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }
}

fn cost(Identity(identity): &Identity, entry: &[u8]) -> usize {
    identity.len() + entry.len()
}

/// The memory of an entry in a map.
fn memory(identity: &Identity, known: &CachedEntry) -> usize {
    cost(identity, known.as_deref().unwrap_or_default()) + MAP_COST
}

fn signed(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// A view lasts no longer than a group, or this number of reads.
const READS_IN_VIEW_MAX: u32 = 10_000;
/// The memory that a cached entry takes besides its bytes.
const MAP_COST: usize = 96;
