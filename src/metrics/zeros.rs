//! Counters at zero: one that appears with its first event hides the event from `increase()`.

use super::{
    AlertLabel, AttemptLabel, BoolLabel, CallbackLabel, Metrics, OperationLabel, OutcomeLabel, PropertyLabel,
    ReasonLabel, ReusedLabel, StateLabel,
};
use crate::outcome::OutcomeKind;
use crate::record::{Callback, Property};

impl Metrics {
    /// Makes each value of a label that is known here.
    pub(super) fn zero(&self) {
        for operation in ["insert", "update", "delete", "truncate"] {
            drop(self.changes.get_or_create(&OperationLabel { operation }));
        }
        for callback in Callback::ALL {
            drop(self.records.get_or_create(&CallbackLabel { callback }));
            drop(self.records_dropped.get_or_create(&CallbackLabel { callback }));
            drop(self.batches_delivered.get_or_create(&CallbackLabel { callback }));
            for outcome in OutcomeKind::ALL {
                drop(self.attempts.get_or_create(&AttemptLabel { callback, outcome }));
            }
        }
        for state in LANE_STATES {
            drop(self.lane_transitions.get_or_create(&StateLabel { state }));
        }
        for property in Property::ALL {
            drop(self.records_filtered.get_or_create(&PropertyLabel { property }));
        }
        for reason in ["aborted", "given_up", "lane_full", "refused", "spool_full", "too_large"] {
            drop(self.dead_letters.get_or_create(&ReasonLabel { reason }));
        }
        for outcome in ["done", "failed", "held"] {
            drop(self.resyncs.get_or_create(&OutcomeLabel { outcome }));
        }
        for outcome in ["done", "cancelled"] {
            drop(self.replays.get_or_create(&OutcomeLabel { outcome }));
        }
        for outcome in ["posted", "dropped"] {
            drop(self.alerts.get_or_create(&AlertLabel { alert: "failing", outcome }));
        }
        for reused in [true, false] {
            drop(self.http_connections.get_or_create(&ReusedLabel { reused: BoolLabel(reused) }));
        }
    }
}

/// As lanes are shown.
const LANE_STATES: [&str; 8] =
    ["busy", "failing", "idle", "needs owner", "paused", "throttled", "waiting", "without webhook"];
