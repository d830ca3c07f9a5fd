//! The inputs of the driver.

use std::sync::mpsc;
use std::time::Duration;

use uuid::Uuid;

use super::pending_write::PendingWrite;
use crate::deliver::params::{LaneCounts, LaneView};
use crate::deliver::pauses::{LaneScope, Pauses};
use crate::deliver::request_limits::HostLimits;
use crate::deliver::scheduler::retry::Outcome;
use crate::deliver::scheduler::surge::SurgeLimit;
use crate::record::{LaneNo, Seq};
use crate::spool::{Appended, Batch, DeadLetterNo, Done, Exchange, LaneReplay, ReplayNo, SpoolError};
use crate::time::Timestamp;

/// An input of the loop.
pub(in crate::deliver) enum Event {
    Appended(Appended),
    AttemptEnded(Box<EndedAttempt>),
    Count(mpsc::SyncSender<LaneCounts>),
    CancelReplay {
        replay: ReplayNo,
        reply: Option<mpsc::SyncSender<Result<(), SpoolError>>>,
    },
    Epoch {
        after: Seq,
        epoch: Uuid,
    },
    Hold(bool),
    /// These pauses stand from now on. Other lanes of `resumed` are resumed.
    Pauses {
        pauses: Pauses,
        resumed: Option<LaneScope>,
        /// For each lane that changes, once that is durable.
        reply: mpsc::Sender<Result<(), SpoolError>>,
    },
    /// Dead letters of these lanes have a requested redelivery.
    Redeliver {
        lanes: Vec<LaneNo>,
    },
    Replay {
        replay: ReplayNo,
        id: Uuid,
        rate: Option<u32>,
        ranges: Vec<LaneReplay>,
    },
    Routed {
        in_flight_max: usize,
        host_limits: HostLimits,
        lane_bytes_max: u64,
        surge: Option<SurgeLimit>,
    },
    Skip {
        lane: LaneNo,
        through: Seq,
        patience: Duration,
        reply: mpsc::SyncSender<Result<Done, SpoolError>>,
    },
    Stop {
        patience: Duration,
    },
    View(mpsc::SyncSender<Vec<LaneView>>),
    ViewOf {
        lanes: Vec<LaneNo>,
        reply: mpsc::SyncSender<Vec<LaneView>>,
    },
    /// An operation of the spool is durable, or has failed.
    Written(PendingWrite, Result<Done, SpoolError>),
}

/// An attempt that ended.
pub(in crate::deliver) struct EndedAttempt {
    pub(in crate::deliver) lane: LaneNo,
    pub(in crate::deliver) batch: Batch,
    /// The dead letter that it redelivered.
    pub(in crate::deliver) dead: Option<DeadLetterNo>,
    pub(in crate::deliver) outcome: Outcome,
    pub(in crate::deliver) exchange: Exchange,
    pub(in crate::deliver) started_at: Timestamp,
    pub(in crate::deliver) took: Duration,
    /// When the oldest of its records was committed.
    pub(in crate::deliver) committed_at: Timestamp,
}
