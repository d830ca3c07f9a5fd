//! Up to where each lane is settled, shared by the writer and its readers.

use foldhash::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use crate::record::{LaneNo, Seq};

/// Up to where each lane is settled. The writer moves it after each sync.
#[derive(Clone, Debug, Default)]
pub struct Cursors(Arc<RwLock<HashMap<LaneNo, Seq>>>);

impl Cursors {
    /// Up to where `lane` is settled.
    pub fn get(&self, lane: LaneNo) -> Seq {
        self.read().get(&lane).copied().unwrap_or_default()
    }

    /// All lanes, as they are now. The writer waits while this is held.
    pub fn read(&self) -> RwLockReadGuard<'_, HashMap<LaneNo, Seq>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, moved: impl Iterator<Item = (LaneNo, Seq)>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).extend(moved);
    }
}
