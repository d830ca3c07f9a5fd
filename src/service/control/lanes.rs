//! The lanes as delivery sees them, by number.

use std::collections::HashMap;

use crate::deliver::LaneView;
use crate::record::LaneNo;

/// Every lane that delivery has, at one moment.
pub(super) struct Lanes(HashMap<LaneNo, LaneView>);

impl Lanes {
    pub(super) fn of(views: Vec<LaneView>) -> Self {
        Self(views.into_iter().map(|view| (view.lane, view)).collect())
    }

    pub(super) fn get(&self, lane: LaneNo) -> Option<&LaneView> {
        self.0.get(&lane)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &LaneView> {
        self.0.values()
    }

    /// The name of the lane's project.
    pub(super) fn project(&self, lane: LaneNo) -> &str {
        self.get(lane).map_or("", |view| view.project.as_str())
    }
}
