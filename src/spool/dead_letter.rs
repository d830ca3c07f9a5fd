//! Dead letters: records that were given up.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::batch::BatchId;
use crate::record::{LaneNo, Seq};
use crate::time::Timestamp;

/// The number of a dead letter in this spool.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DeadLetterNo(pub i64);

/// Records that were given up together: a batch, or a range that was never cut.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DeadLetter {
    /// Its number.
    pub no: DeadLetterNo,
    /// The lane of its records.
    pub lane: LaneNo,
    /// Its first record.
    pub first: Seq,
    /// Its last record.
    pub last: Seq,
    /// How many records.
    pub records: u64,
    /// Bytes of their fragments.
    pub bytes: u64,
    /// Why it was given up.
    pub reason: DeadReason,
    /// When it was given up.
    pub at: Timestamp,
    /// `None`: it was never cut.
    pub batch: Option<BatchId>,
    /// The id of its redelivery, where one is requested and has not ended.
    pub redelivery: Option<Uuid>,
}

/// Which dead letters are counted.
#[derive(Clone, Debug, Default)]
pub struct DeadLetterFilter {
    /// Only of these lanes; `None`: of any.
    pub lanes: Option<Vec<LaneNo>>,
    /// Only with this reason.
    pub reason: Option<DeadReason>,
    /// Only given up then or later.
    pub since: Option<Timestamp>,
    /// Only given up before.
    pub until: Option<Timestamp>,
    /// Only up to this one.
    pub last: Option<DeadLetterNo>,
}

/// The dead letters of one lane, counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LaneDeadLetters {
    /// The lane.
    pub lane: LaneNo,
    /// How many.
    pub dead_letters: u64,
    /// Their records.
    pub records: u64,
}

/// Why records became a dead letter.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeadReason {
    /// The receiver asked for it, by `webhook-delivery: abort` or `abort-message`.
    Aborted,
    /// `delivery.give_up_after` passed.
    GivenUp,
    /// `spool.lane_bytes_max` was passed.
    LaneFull,
    /// The receiver refused the content of a single record.
    Refused,
    /// `spool.bytes_max` was near.
    SpoolFull,
    /// A single record was refused as too large.
    TooLarge,
}

impl DeadReason {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Aborted, Self::GivenUp, Self::LaneFull, Self::Refused, Self::SpoolFull, Self::TooLarge];

    /// Its name in the spool, in metrics and in commands.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::GivenUp => "given_up",
            Self::LaneFull => "lane_full",
            Self::Refused => "refused",
            Self::SpoolFull => "spool_full",
            Self::TooLarge => "too_large",
        }
    }
}
