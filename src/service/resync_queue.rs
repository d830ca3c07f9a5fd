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
    /// Ends the comparison that runs.
    pub(super) cancelled: Notify,
}

#[derive(Debug, Default)]
struct Queued {
    request: Option<ResyncRequest>,
    last: Option<ResyncStatus>,
    /// The one that runs, or waits to start again, is to end.
    is_cancelled: bool,
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
        queued.is_cancelled = false;
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
    pub(super) fn begin(&self, why: &str, from: Lsn, cancellable: bool) {
        let mut queued = self.lock();
        let number = match &queued.last {
            Some(last) if last.state == ResyncState::Running || last.starts_again() => last.number,
            Some(last) => last.number + 1,
            None => 1,
        };
        let running = status(number, ResyncState::Running, why, from);
        queued.last = Some(ResyncStatus { cancellable, ..running });
        // The cancel of another one does not end one that closes a gap.
        queued.is_cancelled &= cancellable;
    }

    /// Cancels the resync that is requested, runs, or waits to start again. Returns its number, or why it goes on.
    pub(super) fn cancel(&self) -> Result<u64, String> {
        let mut queued = self.lock();
        let number = match &queued.last {
            Some(last) if last.state == ResyncState::Running || last.starts_again() => {
                if !last.cancellable {
                    return Err(format!(
                        "this resync is not cancelled: {}. Only one that was requested, and closes no gap, may be",
                        last.why
                    ));
                }
                last.number
            }
            Some(last) if queued.request.is_some() => last.number + 1,
            None if queued.request.is_some() => 1,
            _ => return Err("no resync is under way: `sidecar status` shows the last one".to_owned()),
        };
        if queued.request.take().is_some() {
            let cancelled = status(number, ResyncState::Cancelled, REQUESTED, Lsn(0));
            queued.last = Some(ResyncStatus { result: Some(CANCELLED.to_owned()), ..cancelled });
        } else {
            queued.is_cancelled = true;
            self.cancelled.notify_waiters();
            self.wake.notify_one();
        }
        Ok(number)
    }

    /// The resync that runs closes a gap from here on, and is not cancelled any more. Returns whether it was cancelled
    /// before: then it ends without that.
    pub(super) fn closes_gap(&self, why: &str) -> bool {
        let mut queued = self.lock();
        if !queued.is_cancelled
            && let Some(last) = &mut queued.last
        {
            (last.why, last.cancellable) = (why.to_owned(), false);
        }
        queued.is_cancelled
    }

    /// Whether the resync that runs is to end.
    pub(super) fn is_cancelled(&self) -> bool {
        self.lock().is_cancelled
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
        let mut queued = self.lock();
        let Queued { last, is_cancelled, .. } = &mut *queued;
        if let Some(last) = last {
            (last.state, last.result) = (state, Some(result.to_owned()));
            last.cancellable &= last.starts_again();
            *is_cancelled &= last.starts_again();
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
        cancellable: false,
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

/// How a resync ends that is cancelled.
pub(super) const CANCELLED: &str =
    "cancelled on request: records that it had made are sent, and other differences stay as they were";
/// Why a resync is made that a user requested.
pub(super) const REQUESTED: &str = "`sidecar resync` was requested";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_turns_out_to_close_a_gap_is_not_cancelled_any_more() {
        let queue = ResyncQueue::default();
        queue.submit(ResyncRequest::default()).unwrap();
        queue.take().unwrap();
        queue.begin(REQUESTED, Lsn(7), true);
        assert!(!queue.closes_gap("the stream cannot be read"));
        assert!(queue.cancel().unwrap_err().contains("the stream cannot be read") && !queue.is_cancelled());
        assert!(!queue.last().unwrap().cancellable);
        queue.enter(ResyncState::Done, "compared");
        queue.submit(ResyncRequest::default()).unwrap();
        queue.take().unwrap();
        queue.begin(REQUESTED, Lsn(7), true);
        queue.cancel().unwrap();
        assert!(queue.closes_gap("the stream cannot be read"), "it ends");
        assert_eq!(queue.last().unwrap().why, REQUESTED);
    }

    #[test]
    fn one_that_closes_a_gap_is_not_cancelled_and_one_that_was_requested_is() {
        let queue = ResyncQueue::default();
        assert!(queue.cancel().unwrap_err().contains("no resync is under way"));
        assert_eq!(queue.submit(ResyncRequest::default()), Ok(1));
        assert_eq!(queue.cancel(), Ok(1), "before it begins");
        assert_eq!((queue.take(), queue.last().unwrap().state), (None, ResyncState::Cancelled));
        queue.begin("the slot was lost", Lsn(7), false);
        assert!(queue.cancel().unwrap_err().contains("the slot was lost") && !queue.is_cancelled());
        queue.enter(ResyncState::Done, "compared");
        assert_eq!(queue.submit(ResyncRequest::default()), Ok(3));
        queue.take().unwrap();
        queue.begin(REQUESTED, Lsn(7), true);
        assert_eq!((queue.cancel(), queue.is_cancelled()), (Ok(3), true));
        queue.enter(ResyncState::Cancelled, CANCELLED);
        assert!(queue.cancel().is_err() && !queue.last().unwrap().cancellable);
        assert!(!queue.is_cancelled(), "the next one is another");
    }
}
