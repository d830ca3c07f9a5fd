//! The state of the replication side: written by the supervisor, read by the status.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::resync_queue::ResyncQueue;
use super::slot_history::SlotHistory;
use crate::admin::SourceState;
use crate::clock::Clock;
use crate::resync::ComparisonProgress;
use crate::source::catalog::slot::Slot;
use crate::time::Timestamp;

/// What the supervisor is doing.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    Connecting,
    Resyncing {
        progress: ComparisonProgress,
        estimate: u64,
        began: Timestamp,
        why: String,
    },
    Seeding {
        progress: ComparisonProgress,
        estimate: u64,
        began: Timestamp,
    },
    /// Reading has stopped for this reason.
    Stopped(String),
    Stopping,
    Streaming,
    WaitingForPostgres(String),
    WaitingForSlot(String),
    /// It is not known yet which records have a webhook.
    WaitingForWebhooks(String),
}

/// The server, as last seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Server {
    pub(super) version: Option<String>,
    pub(super) system_id: Option<String>,
    pub(super) timeline: Option<u32>,
    /// What the slot retains, and when that was queried.
    pub(super) slot: Option<(SlotFigures, Timestamp)>,
    /// How far the slot was behind before.
    pub(super) slot_history: SlotHistory,
    pub(super) last_message_at: Option<Timestamp>,
    /// The epoch that began since the process started.
    pub(super) epoch: Option<uuid::Uuid>,
}

/// What the slot retains on the server.
#[derive(Clone, Debug, Default)]
pub(super) struct SlotFigures {
    pub(super) lag_bytes: Option<u64>,
    pub(super) retained_bytes: Option<u64>,
    pub(super) wal_status: Option<String>,
    /// WAL that can be written before the slot may be lost; `None`: without a limit.
    pub(super) safe_wal_bytes: Option<u64>,
    /// What its walsender waits for.
    pub(super) waits_for: Option<String>,
}

impl Server {
    /// The figures, where they are current, and when they were queried.
    pub(super) fn slot_figures(&self, now: Timestamp) -> (SlotFigures, Option<Timestamp>) {
        let current = self.slot.as_ref().filter(|(_, queried_at)| now.since(*queried_at) < CURRENT_FOR);
        let queried_at = self.slot.as_ref().map(|(_, queried_at)| *queried_at);
        (current.map(|(figures, _)| figures.clone()).unwrap_or_default(), queried_at)
    }
}

/// Shared by the supervisor and the controller.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) phase: Arc<Mutex<Phase>>,
    pub(super) server: Arc<Mutex<Server>>,
    pub(super) resyncs: Arc<ResyncQueue>,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            phase: Arc::new(Mutex::new(Phase::Connecting)),
            server: Arc::default(),
            resyncs: Arc::default(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn enter(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    pub(super) fn server(&self) -> Server {
        self.server.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn update_server(&self, change: impl FnOnce(&mut Server)) {
        change(&mut self.server.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Keeps the slot as the server describes it; `None` where it is missing.
    pub(super) fn set_slot(&self, slot: Option<&Slot>) {
        let figure = |bytes: Option<i64>| bytes.and_then(|bytes| u64::try_from(bytes).ok());
        let figures = slot.map(|slot| SlotFigures {
            lag_bytes: figure(slot.lag_bytes),
            retained_bytes: figure(slot.retained_bytes),
            wal_status: slot.wal_status.clone(),
            safe_wal_bytes: figure(slot.safe_wal_size),
            waits_for: slot.waits_for.clone(),
        });
        let now = Clock::now();
        let confirmed = slot.and_then(|slot| slot.confirmed).map(|confirmed| confirmed.0);
        self.update_server(|server| {
            let figures = figures.unwrap_or_default();
            if let (Some(lag), Some(confirmed)) = (figures.lag_bytes, confirmed) {
                server.slot_history.push(now, confirmed.saturating_add(lag), confirmed);
            }
            server.slot = Some((figures, now));
        });
    }
}

impl Phase {
    /// The state, and the reason for it.
    pub(super) fn describe(&self) -> (SourceState, Option<String>) {
        match self {
            Self::Connecting => (SourceState::Connecting, None),
            Self::Resyncing { why, .. } => (SourceState::Resyncing, Some(why.clone())),
            Self::Seeding { .. } => {
                (SourceState::Seeding, Some("the first start reads the existing documents".into()))
            }
            Self::Stopped(why) => (SourceState::Stopped, Some(why.clone())),
            Self::Stopping => (SourceState::Stopping, None),
            Self::Streaming => (SourceState::Streaming, None),
            Self::WaitingForPostgres(why) => (SourceState::WaitingForPostgres, Some(why.clone())),
            Self::WaitingForSlot(why) => (SourceState::WaitingForSlot, Some(why.clone())),
            Self::WaitingForWebhooks(why) => (SourceState::WaitingForWebhooks, Some(why.clone())),
        }
    }
}

/// A few queries may fail.
const CURRENT_FOR: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_the_slot_are_shown_while_they_are_current_and_then_only_when_they_were() {
        let queried_at = Clock::now();
        let figures = SlotFigures {
            lag_bytes: Some(1),
            retained_bytes: Some(2),
            wal_status: Some("lost".into()),
            ..SlotFigures::default()
        };
        let server = Server { slot: Some((figures, queried_at)), ..Server::default() };
        let shown = |after: Duration| {
            let (figures, at) = server.slot_figures(queried_at.plus(after));
            assert_eq!(at, Some(queried_at));
            (figures.lag_bytes, figures.retained_bytes, figures.wal_status)
        };
        assert_eq!(shown(CURRENT_FOR / 2), (Some(1), Some(2), Some("lost".into())));
        assert_eq!(shown(CURRENT_FOR), (None, None, None));
        assert_eq!(Server::default().slot_figures(queried_at).1, None);
    }
}
