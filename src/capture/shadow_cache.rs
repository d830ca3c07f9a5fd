//! The shadow with uncommitted changes: a cache over the entries on the disk.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::classify::Identity;
use crate::spool::{Growth, Reader, SpoolError};

/// An entry's bytes; `None` where there is no entry.
type CachedEntry = Option<Arc<[u8]>>;

/// A read-through cache. Changed entries stay in it until they are committed.
#[derive(Debug)]
pub(super) struct ShadowCache {
    reader: Reader,
    /// Entries of the group that is being filled.
    open: HashMap<Identity, CachedEntry>,
    /// Entries of groups that are submitted and not committed, the oldest first.
    unsynced: VecDeque<HashMap<Identity, CachedEntry>>,
    /// Two generations of entries that were read or committed: when the young one is full, it replaces the
    /// old one.
    young: HashMap<Identity, CachedEntry>,
    old: HashMap<Identity, CachedEntry>,
    young_bytes: usize,
    bytes_max: usize,
    growth: Growth,
}

impl ShadowCache {
    /// Over `reader`, caching up to about `bytes_max`.
    pub(super) fn new(reader: Reader, bytes_max: usize) -> Self {
        Self {
            reader,
            open: HashMap::new(),
            unsynced: VecDeque::new(),
            young: HashMap::new(),
            old: HashMap::new(),
            young_bytes: 0,
            bytes_max,
            growth: Growth::default(),
        }
    }

    /// The entry of `identity` after all changes so far.
    pub(super) fn get(&mut self, identity: &Identity) -> Result<CachedEntry, SpoolError> {
        let on_its_way = || self.unsynced.iter().rev().find_map(|group| group.get(identity));
        let at_hand = self.open.get(identity).or_else(on_its_way).or_else(|| self.young.get(identity));
        if let Some(known) = at_hand {
            return Ok(known.clone());
        }
        let known = match self.old.remove(identity) {
            Some(known) => known,
            None => self.reader.shadow(identity)?.map(Arc::from),
        };
        self.remember(identity.clone(), known.clone());
        Ok(known)
    }

    /// Changes the entry of `identity` in the group that is being filled. `None` removes it.
    pub(super) fn put(&mut self, identity: Identity, entry: Option<Box<[u8]>>) -> Result<(), SpoolError> {
        let before = self.get(&identity)?;
        let size = |known: &CachedEntry| known.as_ref().map_or(0, |entry| cost(&identity, entry));
        let now: CachedEntry = entry.map(Arc::from);
        self.growth.documents += i64::from(now.is_some()) - i64::from(before.is_some());
        self.growth.bytes += signed(size(&now)) - signed(size(&before));
        self.open.insert(identity, now);
        Ok(())
    }

    /// Takes the group's changes, sorted by identity. They stay readable until [`ShadowCache::synced`].
    pub(super) fn take(&mut self) -> (Vec<(Identity, Option<Box<[u8]>>)>, Growth) {
        let group = std::mem::take(&mut self.open);
        let boxed = |known: &CachedEntry| known.as_ref().map(|entry| Box::from(&**entry));
        let mut changes: Vec<_> =
            group.iter().map(|(identity, known)| (identity.clone(), boxed(known))).collect();
        changes.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        self.unsynced.push_back(group);
        (changes, std::mem::take(&mut self.growth))
    }

    /// The oldest group that was taken is committed.
    pub(super) fn synced(&mut self) {
        for (identity, known) in self.unsynced.pop_front().unwrap_or_default() {
            self.remember(identity, known);
        }
    }

    /// Up to `limit` committed entries after `after`.
    pub(super) fn on_disk_after(
        &self,
        after: Option<&Identity>,
        limit: u32,
    ) -> Result<Vec<(Identity, Box<[u8]>)>, SpoolError> {
        self.reader.shadow_after(after, limit)
    }

    /// The limit of both generations together.
    pub(crate) fn cached_bytes(&self) -> usize {
        2 * self.young_bytes
    }

    fn remember(&mut self, identity: Identity, known: CachedEntry) {
        self.young_bytes += cost(&identity, known.as_deref().unwrap_or_default()) + MAP_COST;
        self.young.insert(identity, known);
        if self.young_bytes > self.bytes_max / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }
}

fn cost(Identity(identity): &Identity, entry: &[u8]) -> usize {
    identity.len() + entry.len()
}

fn signed(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// The memory that a cached entry takes besides its bytes.
const MAP_COST: usize = 96;
