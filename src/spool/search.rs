//! What a replay can reach: settled records from a place or time on.

use super::meta::LowWatermark;
use crate::position::{Place, Position};
use crate::record::{LaneNo, Seq};
use crate::time::Timestamp;

/// What is looked for.
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

/// What was found.
#[derive(Clone, Debug)]
pub struct SearchResult {
    /// The floor that it was found above.
    pub low_watermark: Option<LowWatermark>,
    /// What is settled, not discarded, and lies in the range, a lane after the other.
    pub spans: Vec<RecordRange>,
    /// No record behind this one is in the range, where an end was asked for.
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

/// What can be replayed begins here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReplayWindow {
    /// The first place of the current epoch that can be asked for.
    pub first: Position,
    /// Times after this one can be asked for.
    pub after: Timestamp,
    /// What lies here or before is no longer there.
    pub low_watermark: LowWatermark,
}
