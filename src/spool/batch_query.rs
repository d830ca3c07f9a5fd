//! What batches are listed: by lane, state, time and attempts, the newest first.

use uuid::Uuid;

use super::batch::{Batch, BatchId, BatchState};
use crate::outcome::{Cause, Class, OutcomeKind};
use crate::record::{Callback, LaneNo};
use crate::time::Timestamp;

/// Which batches are listed.
#[derive(Clone, Debug, Default)]
pub struct BatchQuery {
    /// Only of these lanes; `None`: of any.
    pub lanes: Option<Vec<LaneNo>>,
    /// Only of this callback.
    pub callback: Option<Callback>,
    /// Only in this state.
    pub state: Option<BatchState>,
    /// Only with an attempt like this.
    pub attempt: Option<AttemptFilter>,
    /// Only cut then or later.
    pub since: Option<Timestamp>,
    /// Only cut before.
    pub until: Option<Timestamp>,
    /// Only those that were cut before this one.
    pub before: Option<BatchId>,
    /// The most to return.
    pub limit: usize,
}

/// An attempt that ended so.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AttemptFilter {
    /// Its class.
    pub class: Option<Class>,
    /// The first and the last status.
    pub status: Option<(u16, u16)>,
}

/// A page of batches.
#[derive(Clone, Debug, Default)]
pub struct BatchPage {
    /// The newest first.
    pub batches: Vec<(Batch, BatchState)>,
    /// More may lie before this one. A page may end early, so that each takes a short time.
    pub next: Option<BatchId>,
}

impl AttemptFilter {
    /// Whether an attempt is like this.
    pub fn matches(self, outcome: OutcomeKind, status: Option<u16>) -> bool {
        let class = Cause::of(outcome, status).map(|cause| cause.class);
        self.class.is_none_or(|wanted| class == Some(wanted))
            && self.status.is_none_or(|(from, to)| status.is_some_and(|status| (from..=to).contains(&status)))
    }

    /// Whether a successful attempt may be like this.
    pub(super) fn may_succeed(self) -> bool {
        self.class.is_none() && self.status.is_none_or(|(from, to)| from < 300 && to >= 200)
    }
}

/// The least id that a batch that was cut then, or later, may have.
pub(super) fn least_id(at: Timestamp) -> BatchId {
    let millis = u64::try_from(at.0.div_euclid(1_000)).unwrap_or_default();
    let mut bytes = [0; 16];
    if let (Some(head), [_, _, six @ ..]) = (bytes.get_mut(..6), millis.to_be_bytes()) {
        head.copy_from_slice(&six);
    }
    Uuid::from_bytes(bytes)
}

/// When a batch with this id was cut, to the millisecond.
pub(super) fn cut_at(id: BatchId) -> Timestamp {
    let mut millis = [0; 8];
    if let (Some(head), [_, _, six @ ..]) = (id.as_bytes().get(..6), &mut millis) {
        six.copy_from_slice(head);
    }
    Timestamp(i64::from_be_bytes(millis).saturating_mul(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_the_order_of_time() {
        let id = |seconds| Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, 0));
        let at = |seconds: i64| Timestamp(seconds * 1_000_000);
        assert!(least_id(at(5)) < id(5) && id(5) < least_id(at(6)));
        assert_eq!(least_id(Timestamp(-1)), Uuid::nil());
        assert_eq!(cut_at(id(5)), at(5));
    }

    #[test]
    fn a_filter_of_attempts_knows_their_class_and_status() {
        let endpoint = AttemptFilter { class: Some(Class::Endpoint), status: None };
        let server_error = AttemptFilter { class: None, status: Some((500, 599)) };
        let status = |status| (OutcomeKind::of_status(status), Some(status));
        for (filter, (outcome, status), matches) in [
            (endpoint, status(503), true),
            (endpoint, status(404), false),
            (endpoint, status(200), false),
            (endpoint, (OutcomeKind::Timeout, None), true),
            (server_error, status(503), true),
            (server_error, status(404), false),
            (server_error, (OutcomeKind::Timeout, None), false),
        ] {
            assert_eq!(filter.matches(outcome, status), matches, "{outcome} {status:?}");
            assert!(!filter.may_succeed());
        }
        assert!(AttemptFilter { class: None, status: Some((200, 299)) }.may_succeed());
    }
}
