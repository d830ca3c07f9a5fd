//! What follows for a lane from the outcome of an attempt.
//!
//! A receiver that refuses the content of a batch `refusals_max` times in the same way is searched for the
//! refused record, by prefixes: the first half of the batch is sent alone. Where it is accepted, the record is
//! behind it; where it is refused, inside it. A record that was refused alone becomes a dead letter, provided
//! that another was accepted since the search for it began. Where none was, the records behind it are sent
//! alone as well, as probes: an accepted one tells that those before it are at fault, and where all are
//! refused, the receiver refuses everything: nothing is given up, and the first is tried again later.
//!
//! Order holds: what is sent while an earlier record is not settled was preceded by its refusal, and an
//! earlier record is never sent again once a later one may have been taken.

use std::time::Duration;

use super::{Lane, Work};
use crate::deliver::scheduler::retry::{Outcome, Verdict, scheduled, verdict};
use crate::deliver::webhook::Webhook;
use crate::outcome::{Cause, Class, DISABLED, Directive, REFUSES_ALL, may_be_taken};
use crate::spool::{DeadReason, Failure, Fate, PausedBy, RefusalSearch, Refusals, SizeLimit};
use crate::time::Uptime;

/// What follows from an attempt, to be stored with the lane's health.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::deliver) struct Decision {
    pub(in crate::deliver) fate: Fate,
    /// The batch is retired into one of its first records, this many. The others are pending again.
    pub(in crate::deliver) prefix: Option<u32>,
}

/// The size of the batch at work.
#[derive(Clone, Copy, Debug)]
struct Size {
    records: u32,
    bytes: u64,
}

impl Lane {
    /// An attempt ended. `None`: its batch is gone.
    pub(in crate::deliver) fn decide(
        &mut self,
        outcome: &Outcome,
        jitter: f64,
        now: Uptime,
    ) -> Option<Decision> {
        if self.work == Work::Redelivery {
            self.obey(outcome, now);
            let fate = if outcome.kind.is_success() { Fate::Delivered } else { Fate::Failed };
            return Some(Decision { fate, prefix: None });
        }
        let (records, bytes) = self.size_at_work()?;
        let size = Size { records, bytes };
        let schedule = self.webhook.as_ref().map_or(&[][..], |webhook| &webhook.limits.retry_schedule);
        let mut decision = match verdict(outcome, self.health.failures, schedule, jitter) {
            Verdict::Delivered => self.accepted(size, now),
            Verdict::Pause(wait) | Verdict::RetryIn(wait) => self.not_taken(outcome, wait, now),
            Verdict::Refused(wait) => self.refused(size, outcome, wait, now),
            Verdict::TooLarge(wait) => self.too_large(size, outcome, wait, now),
        };
        if self.obey(outcome, now) == Some(Directive::Abort) && decision.fate != Fate::Delivered {
            self.set_refusals(None);
            self.succeeded(); // Nothing of the failed batch is left.
            decision = Decision { fate: Fate::Dead(DeadReason::Aborted), prefix: None };
        }
        Some(decision)
    }

    /// The most records and bytes of the next batch.
    pub(in crate::deliver) fn cut_limits(&self, webhook: &Webhook, work: Work) -> (u32, u64) {
        let limits = &webhook.limits;
        let records = match self.refusals(work).and_then(|refusals| refusals.search) {
            Some(search) if search.suspects > 0 => (search.suspects / 2).max(1),
            _ => limits.records_max,
        };
        let bytes = self.health.size_limit.map_or(limits.bytes_max, |limit| limit.bytes);
        (records.min(limits.records_max), bytes.min(limits.bytes_max))
    }

    /// Why it fails or is paused, where that is known.
    pub(in crate::deliver) fn cause(&self) -> Option<&'static Cause> {
        let failure = self.health.last_failure;
        let cause = failure.and_then(|failure| Cause::of(failure.outcome, failure.status));
        let is_paused = self.health.paused.as_ref().is_some_and(|paused| paused.by == PausedBy::Receiver);
        match cause {
            Some(cause) if cause.class == Class::Gone => Some(cause),
            _ if is_paused => Some(&DISABLED),
            Some(cause) if cause.class == Class::Content && self.refuses_all() => Some(&REFUSES_ALL),
            cause => cause,
        }
    }

    /// Probes are being sent: records behind some that were refused alone.
    pub(in crate::deliver) fn is_probing(&self) -> bool {
        let search = self.health.refusals.and_then(|refusals| refusals.search);
        self.work == Work::Pending && search.is_some_and(|search| search.isolated > 0)
    }

    /// No further probe can be sent: the first record is tried again later.
    pub(in crate::deliver) fn end_probes(&mut self, now: Uptime) {
        let schedule = self.webhook.as_ref().map_or(&[][..], |webhook| &webhook.limits.retry_schedule);
        let wait = scheduled(self.health.failures, schedule);
        self.end_round();
        self.count_failure(now);
        self.set_retry(Some(now.plus(wait)));
    }

    /// The receiver may have been changed: nothing that it answered counts any more.
    pub(super) fn forget_answers(&mut self) {
        (self.health.refusals, self.health.replay_refusals) = (None, None);
    }

    fn accepted(&mut self, size: Size, now: Uptime) -> Decision {
        self.succeeded();
        self.raise_size_limit(size, now);
        let is_probe = self.index > 0;
        let refusals = self.refusals(self.work).and_then(|refusals| {
            let search = refusals.search?;
            let suspects = search.suspects.saturating_sub(size.records);
            let search = match is_probe {
                // Those before it are dead letters, and there may be more behind it.
                true => RefusalSearch::default(),
                false if suspects == 0 => return None,
                false => RefusalSearch { suspects, accepted: true, ..RefusalSearch::default() },
            };
            Some(Refusals { search: Some(search), ..refusals })
        });
        self.set_refusals(refusals);
        Decision { fate: Fate::Delivered, prefix: None }
    }

    /// The answer says nothing of the records.
    fn not_taken(&mut self, outcome: &Outcome, wait: Duration, now: Uptime) -> Decision {
        if self.index > 0 && may_be_taken(outcome.kind, outcome.status) {
            // Those before it are dead letters: sent again, they might arrive behind it.
            let found = |refusals| Refusals { search: Some(RefusalSearch::default()), ..refusals };
            self.set_refusals(self.refusals(self.work).map(found));
        } else if self.index > 0 {
            self.end_round();
        }
        self.failed(outcome, Some(wait), now);
        Decision { fate: Fate::Failed, prefix: None }
    }

    fn too_large(&mut self, size: Size, outcome: &Outcome, wait: Duration, now: Uptime) -> Decision {
        if size.records > 1 {
            self.health.size_limit = Some(SizeLimit { bytes: (size.bytes / 2).max(1), since: now });
            self.set_retry(None);
            return Decision { fate: Fate::Failed, prefix: Some(size.records / 2) };
        }
        if self.index > 0 {
            return self.refused(size, outcome, wait, now);
        }
        self.set_refusals(self.refusals(self.work).and_then(|refusals| {
            let search = refusals.search?;
            let suspects = search.suspects.checked_sub(1).filter(|left| *left > 0)?;
            Some(Refusals { search: Some(RefusalSearch { suspects, ..search }), ..refusals })
        }));
        self.set_retry(None);
        Decision { fate: Fate::Dead(DeadReason::TooLarge), prefix: None }
    }

    fn refused(&mut self, size: Size, outcome: &Outcome, wait: Duration, now: Uptime) -> Decision {
        let status = outcome.status.unwrap_or_default();
        let before = self.refusals(self.work);
        let again = Decision { fate: Fate::Failed, prefix: None };
        let search = before.and_then(|refusals| refusals.search);
        let identical = before.filter(|refusals| refusals.status == status).map_or(0, |before| before.count);
        let count = if search.is_some() { 0 } else { identical + 1 };
        let refusals_max = self.webhook.as_ref().map_or(1, |webhook| webhook.limits.refusals_max);
        if search.is_none() && count < refusals_max {
            self.set_refusals(Some(Refusals { status, count, search: None }));
            self.failed(outcome, Some(wait), now);
            return again;
        }
        let search = search.unwrap_or_default();
        let (next, wait, decision) = if size.records > 1 {
            let narrowed = RefusalSearch { suspects: size.records, ..search };
            (narrowed, None, Decision { prefix: Some(size.records / 2), ..again })
        } else {
            self.refused_alone(search, wait)
        };
        self.set_refusals(Some(Refusals { status, count: 0, search: Some(next) }));
        if decision.fate == Fate::Failed || wait.is_some() {
            self.failed(outcome, wait, now);
        } else {
            self.succeeded(); // The receiver works: the record is at fault.
        }
        decision
    }

    /// A single record was refused: the next state of the search, how long the lane waits, and what becomes
    /// of the record.
    fn refused_alone(
        &self,
        search: RefusalSearch,
        wait: Duration,
    ) -> (RefusalSearch, Option<Duration>, Decision) {
        let dead = Decision { fate: Fate::Dead(DeadReason::Refused), prefix: None };
        if search.accepted {
            return (RefusalSearch::default(), None, dead);
        }
        if matches!(self.work, Work::Replay(_)) {
            // It is settled already, and only skipped. Where everything is refused, that goes slowly.
            let rounds = search.rounds.saturating_add(1);
            let wait = Some(wait).filter(|_| rounds > SKIPPED_AT_ONCE);
            return (RefusalSearch { rounds, ..RefusalSearch::default() }, wait, dead);
        }
        let isolated = u32::try_from(self.index).unwrap_or(u32::MAX).saturating_add(1);
        let probes_max = PROBES_MIN.checked_shl(search.rounds).unwrap_or(PROBES_MAX).min(PROBES_MAX);
        let again = Decision { fate: Fate::Failed, prefix: None };
        if isolated < probes_max && self.has_records_behind(isolated) {
            return (RefusalSearch { suspects: 1, isolated, ..search }, None, again);
        }
        let rounds = search.rounds.saturating_add(1).min(ROUNDS_MAX);
        (RefusalSearch { suspects: 1, isolated: 0, rounds, ..search }, Some(wait), again)
    }

    /// Whether a record is pending behind its first open batches, this many.
    fn has_records_behind(&self, batches: u32) -> bool {
        let cut: u64 = self.batches.iter().map(|batch| u64::from(batch.records)).sum();
        self.batches.len() > usize::try_from(batches).unwrap_or(usize::MAX) || self.pending_records > cut
    }

    /// The probes end without a result.
    fn end_round(&mut self) {
        let ended = |refusals: Refusals| Refusals {
            search: refusals.search.map(|search| RefusalSearch { isolated: 0, ..search }),
            ..refusals
        };
        self.health.refusals = self.health.refusals.map(ended);
    }

    /// After an hour without a 413, a batch near the limit that is accepted doubles it.
    fn raise_size_limit(&mut self, size: Size, now: Uptime) {
        let Some(limit) = self.health.size_limit.filter(|limit| now.since(limit.since) >= SIZE_LIMIT_HOLDS)
        else {
            return;
        };
        let bytes_max = self.webhook.as_ref().map_or(u64::MAX, |webhook| webhook.limits.bytes_max);
        if size.bytes.saturating_mul(2) >= limit.bytes {
            let bytes = limit.bytes.saturating_mul(2);
            self.health.size_limit = (bytes < bytes_max).then_some(SizeLimit { bytes, since: now });
        }
    }

    /// Pauses it where the answer asks for that.
    fn obey(&mut self, outcome: &Outcome, now: Uptime) -> Option<Directive> {
        let cause = Cause::of(outcome.kind, outcome.status);
        if outcome.directive.is_some() || cause.is_some_and(|cause| cause.class == Class::Gone) {
            let status = outcome.status.unwrap_or_default();
            let reason = match outcome.directive {
                Some(Directive::Abort) => {
                    format!("the receiver answered {status} with `webhook-delivery: abort`")
                }
                Some(Directive::Disable) => {
                    format!("the receiver answered {status} with `webhook-delivery: disable`")
                }
                None => format!("the receiver answered {status} Gone"),
            };
            if self.health.paused.is_none() {
                self.pause(PausedBy::Receiver, reason, now);
            }
        }
        outcome.directive
    }

    /// The attempt failed; the next may not begin before `wait` has passed, or may at once.
    fn failed(&mut self, outcome: &Outcome, wait: Option<Duration>, now: Uptime) {
        let Outcome { status, kind: outcome, retry_after, .. } = *outcome;
        let throttled =
            status == Some(TOO_MANY_REQUESTS) || retry_after.is_some_and(|asked| !asked.is_zero());
        self.health.last_failure = Some(Failure { outcome, status, throttled });
        if wait.is_some() || self.health.failures == 0 {
            self.count_failure(now);
        }
        self.set_retry(wait.map(|wait| now.plus(wait)));
    }

    /// A search counts as one failure, so that it does not lengthen the waits of the schedule.
    fn count_failure(&mut self, now: Uptime) {
        self.health.failures = self.health.failures.saturating_add(1);
        self.health.failing_since.get_or_insert(now);
    }

    fn refuses_all(&self) -> bool {
        let of = |refusals: Option<Refusals>| refusals.and_then(|refusals| refusals.search);
        let replay = self.health.replay_refusals.map(|(_, refusals)| refusals);
        of(self.health.refusals).is_some_and(|search| search.rounds > 0)
            || of(replay).is_some_and(|search| search.rounds > SKIPPED_AT_ONCE)
    }

    fn refusals(&self, work: Work) -> Option<Refusals> {
        match work {
            Work::Pending => self.health.refusals,
            Work::Redelivery => None,
            Work::Replay(replay) => {
                self.health.replay_refusals.filter(|(of, _)| *of == replay).map(|(_, refusals)| refusals)
            }
        }
    }

    /// Of what it is at work on.
    fn set_refusals(&mut self, refusals: Option<Refusals>) {
        match self.work {
            Work::Pending => self.health.refusals = refusals,
            Work::Redelivery => {}
            Work::Replay(replay) => {
                self.health.replay_refusals = refusals.map(|refusals| (replay, refusals));
            }
        }
    }
}

/// <https://www.rfc-editor.org/rfc/rfc6585#section-4>
const TOO_MANY_REQUESTS: u16 = 429;
/// How long a limit of size holds before larger batches are tried.
const SIZE_LIMIT_HOLDS: Duration = Duration::from_hours(1);
/// Records that must be refused alone, in the first round of probes, before the receiver counts as one that
/// refuses everything. Each further round doubles that, so that a run of refused records is passed in the end.
const PROBES_MIN: u32 = 2;
const PROBES_MAX: u32 = 64;
const ROUNDS_MAX: u32 = 16;
/// Records of a replay that are refused alone, one after the other, before the next waits for the schedule.
const SKIPPED_AT_ONCE: u32 = 2;
