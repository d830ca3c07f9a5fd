//! What a replay can reach: settled records from a place or time on.

use super::meta::LowWatermark;
use crate::position::{Place, Position};
use crate::record::{LaneNo, Seq};
use crate::time::Timestamp;

/// What to search for.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// Where it begins.
    pub from: SearchStart,
    /// The last place, where there is an end.
    pub to: Option<Place>,
    /// Places are of the records behind this one: of the current epoch.
    pub epoch_after: Seq,
}

/// Where a search begins.
#[derive(Clone, Copy, Debug)]
pub enum SearchStart {
    /// With the first record at this place or later.
    Place(Place),
    /// With the first record of the first transaction committed then or later.
    Since(Timestamp),
}

/// The result of a search.
#[derive(Clone, Debug)]
pub struct SearchResult {
    /// The low watermark at that time.
    pub low_watermark: Option<LowWatermark>,
    /// What is settled, not discarded, and lies in the range, a lane after the other.
    pub ranges: Vec<RecordRange>,
    /// No record behind this one is in the range, where the search has an end.
    pub end: Option<Seq>,
}

/// Records of one lane without a gap.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RecordRange {
    /// The lane.
    pub lane: LaneNo,
    /// The first.
    pub first: Seq,
    /// The last.
    pub last: Seq,
    /// How many.
    pub records: u64,
    /// Bytes of their fragments.
    pub bytes: u64,
}

/// Where what can be replayed begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReplayWindow {
    /// The first place of the current epoch that can be requested.
    pub first: Position,
    /// Times after this one can be requested.
    pub after: Timestamp,
    /// Records up to here were removed.
    pub low_watermark: LowWatermark,
}
