//! The resync that is requested, and the state of the last one. Commands write the first, the supervisor the
//! second.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::admin::{ResyncRequest, ResyncState, ResyncStatus};
use crate::position::Lsn;
use crate::record::Callback;
use crate::resync::Differences;

/// At most one request, and the status of the last resync.
#[derive(Debug, Default)]
pub(super) struct ResyncQueue {
    queued: Mutex<Queued>,
    /// Wakes the supervisor.
    pub(super) wake: Notify,
}

#[derive(Debug, Default)]
struct Queued {
    request: Option<ResyncRequest>,
    last: Option<ResyncStatus>,
}

impl ResyncQueue {
    /// Returns the number under which the status shows it, or why it is not possible.
    pub(super) fn submit(&self, request: ResyncRequest) -> Result<u64, String> {
        let mut queued = self.lock();
        let is_running = queued.last.as_ref().is_some_and(|last| last.state == ResyncState::Running);
        if queued.request.is_some() || is_running {
            return Err("a resync is under way: `sidecar status` shows its progress".to_owned());
        }
        queued.request = Some(request);
        self.wake.notify_one();
        Ok(match &mut queued.last {
            // A resync that waits to start again starts now, with the options of this request.
            Some(last) if last.starts_again() => {
                last.state = ResyncState::Waiting;
                last.number
            }
            Some(last) => last.number + 1,
            None => 1,
        })
    }

    pub(super) fn take(&self) -> Option<ResyncRequest> {
        self.lock().request.take()
    }

    pub(super) fn last(&self) -> Option<ResyncStatus> {
        self.lock().last.clone()
    }

    /// A resync starts. One that starts again keeps its number.
    pub(super) fn begin(&self, why: &str, from: Lsn) {
        let mut queued = self.lock();
        let number = match &queued.last {
            Some(last) if last.state == ResyncState::Running || last.starts_again() => last.number,
            Some(last) => last.number + 1,
            None => 1,
        };
        queued.last = Some(status(number, ResyncState::Running, why, from));
    }

    pub(super) fn compared(&self, at: Lsn, found: &Differences) {
        let mut queued = self.lock();
        let Some(last) = &mut queued.last else { return };
        let of = |callback: Callback| found.records.get(callback.index()).copied().unwrap_or_default();
        last.to_lsn = Some(at.to_string());
        (last.rows, last.gone) = (found.rows, found.gone);
        last.ingested = of(Callback::Ingested);
        last.modified = of(Callback::Modified);
        last.excluded = of(Callback::Excluded);
    }

    /// The resync that began enters another state, for the reason `result`.
    pub(super) fn enter(&self, state: ResyncState, result: &str) {
        if let Some(last) = &mut self.lock().last {
            (last.state, last.result) = (state, Some(result.to_owned()));
        }
    }

    /// The request cannot be served: it gets a number, and fails.
    pub(super) fn refuse(&self, why: &str, from: Lsn) {
        let mut queued = self.lock();
        let number = queued.last.as_ref().map_or(1, |last| last.number + 1);
        let failed = status(number, ResyncState::Failed, REQUESTED, from);
        queued.last = Some(ResyncStatus { result: Some(why.to_owned()), ..failed });
    }

    fn lock(&self) -> MutexGuard<'_, Queued> {
        self.queued.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResyncStatus {
    fn starts_again(&self) -> bool {
        matches!(self.state, ResyncState::Waiting | ResyncState::Refused)
    }
}

fn status(number: u64, state: ResyncState, why: &str, from: Lsn) -> ResyncStatus {
    ResyncStatus {
        number,
        state,
        why: why.to_owned(),
        result: None,
        from_lsn: from.to_string(),
        to_lsn: None,
        rows: 0,
        gone: 0,
        ingested: 0,
        modified: 0,
        excluded: 0,
    }
}

/// Why a resync is made that a user requested.
pub(super) const REQUESTED: &str = "`sidecar resync` was requested";
