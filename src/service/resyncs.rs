//! Resyncs as users ask for them and see them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::admin::{ResyncAsked, ResyncStatus};
use crate::position::Lsn;
use crate::record::Callback;
use crate::resync::Differences;

/// The one that is asked for, and the one that was made last.
#[derive(Debug, Default)]
pub(super) struct Resyncs {
    state: Mutex<Asks>,
    /// Wakes whoever has to make it.
    pub(super) told: Notify,
}

#[derive(Debug, Default)]
struct Asks {
    pending: Option<ResyncAsked>,
    last: ResyncStatus,
}

impl Resyncs {
    /// Says the number under which it is seen, or why there can be none.
    pub(super) fn ask(&self, asked: ResyncAsked) -> Result<u64, String> {
        let mut state = self.state();
        if state.pending.is_some() || state.last.state == RUNNING {
            return Err("a resync is under way: `sidecar status` shows how far it is".to_owned());
        }
        state.pending = Some(asked);
        self.told.notify_one();
        if state.last.waits() {
            // It is made now, as this one asks.
            WAITING.clone_into(&mut state.last.state);
            return Ok(state.last.number);
        }
        Ok(state.last.number + 1)
    }

    pub(super) fn take(&self) -> Option<ResyncAsked> {
        self.state().pending.take()
    }

    pub(super) fn last(&self) -> Option<ResyncStatus> {
        Some(self.state().last.clone()).filter(|last| last.number > 0)
    }

    pub(super) fn begin(&self, why: &str, from: Lsn) {
        let last = &mut self.state().last;
        // One that waits is the same when it is tried again.
        let goes_on = last.state == RUNNING || last.waits();
        let number = last.number + u64::from(!goes_on);
        *last = ResyncStatus {
            number,
            state: RUNNING.to_owned(),
            why: why.to_owned(),
            from_lsn: from.to_string(),
            ..ResyncStatus::default()
        };
    }

    pub(super) fn compared(&self, at: Lsn, found: &Differences) {
        let last = &mut self.state().last;
        let of = |callback: Callback| found.records.get(callback.index()).copied().unwrap_or_default();
        last.to_lsn = Some(at.to_string());
        (last.rows, last.gone) = (found.rows, found.gone);
        last.ingested = of(Callback::Ingested);
        last.modified = of(Callback::Modified);
        last.excluded = of(Callback::Excluded);
    }

    /// It is made later: `state` is `waiting`, or `refused` where somebody must change something first.
    pub(super) fn waits(&self, state: &str, why: &str) {
        let last = &mut self.state().last;
        state.clone_into(&mut last.state);
        last.result = Some(why.to_owned());
    }

    /// `state`: `done`, `failed` or `held`.
    pub(super) fn end(&self, state: &str, result: String) {
        let last = &mut self.state().last;
        state.clone_into(&mut last.state);
        last.result = Some(result);
    }

    /// One that was asked for cannot be made.
    pub(super) fn refuse(&self, why: String) {
        self.state().last.number += 1;
        self.end("failed", why);
    }

    fn state(&self) -> MutexGuard<'_, Asks> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResyncStatus {
    fn waits(&self) -> bool {
        matches!(self.state.as_str(), WAITING | REFUSED)
    }
}

const RUNNING: &str = "running";
/// For what may be over any time.
pub(super) const WAITING: &str = "waiting";
/// For a setting or SQL that cures it.
pub(super) const REFUSED: &str = "refused";
