//! What was attempted for one lane in the last 24 hours, from the attempts on record.

use std::time::Duration;

use super::Controller;
use crate::admin::{ActivityBar, LaneActivity, LaneFailure};
use crate::outcome::Cause;
use crate::record::LaneNo;
use crate::spool::{FailedAttempt, HistoryQuery, LaneHistory, Reader, SpoolError};
use crate::time::Timestamp;

impl Controller {
    /// What was attempted for a lane. `backlog`: its pending records, and the most that one request holds.
    pub(super) fn lane_activity(
        &self,
        reader: &Reader,
        lane: LaneNo,
        backlog: (u64, u32),
    ) -> Result<LaneActivity, SpoolError> {
        let (now, elapsed) = (self.clock.wall(), self.clock.elapsed());
        if let Some(kept) = self.recent.lanes.within(KEPT_FOR, &lane, elapsed) {
            return Ok(kept);
        }
        let since = Timestamp(now.0.saturating_sub(DAY_MICROS));
        let history = reader.lane_history(&HistoryQuery { lane, since, rows_max: ROWS_MAX })?;
        let activity = activity(reader, &history, (since, now), backlog)?;
        if history.attempts.len() > MANY {
            self.recent.lanes.keep(lane, elapsed, activity.clone());
        }
        Ok(activity)
    }
}

fn activity(
    reader: &Reader,
    history: &LaneHistory,
    (since, now): (Timestamp, Timestamp),
    (pending, records_max): (u64, u32),
) -> Result<LaneActivity, SpoolError> {
    let (mut took, mut last_success_at) = (Vec::new(), None);
    for batch in &history.delivered {
        let Some(attempt) = reader.last_attempt(batch)? else { continue };
        let duration = Duration::from_micros(attempt.took_micros);
        last_success_at = last_success_at.max(Some(attempt.started_at.plus(duration)));
        took.push(duration);
    }
    let since = history.complete_since.unwrap_or(since).min(now);
    let bar = bar(since, now);
    let mean = took.iter().sum::<Duration>().checked_div(u32::try_from(took.len()).unwrap_or(0));
    let requests = pending.div_ceil(u64::from(records_max.max(1)));
    let catches_up = mean.filter(|_| pending > 0).map(|mean| {
        let requests = u32::try_from(requests).unwrap_or(u32::MAX);
        mean.saturating_mul(requests).as_secs_f64()
    });
    Ok(LaneActivity {
        since: since.to_rfc3339(),
        bar_seconds: bar.as_secs_f64(),
        bars: bars(&history.attempts, since, bar),
        last_success_at: last_success_at.map(Timestamp::to_rfc3339),
        last_failure: history.last_failure.map(failure),
        catches_up_in_seconds: catches_up,
    })
}

fn failure(failed: FailedAttempt) -> LaneFailure {
    let cause = Cause::of(failed.outcome, failed.status);
    LaneFailure {
        webhook_id: failed.batch.to_string(),
        at: failed.at.to_rfc3339(),
        outcome: failed.outcome,
        status: failed.status,
        class: cause.map(|cause| cause.class),
        cause: cause.map(|cause| cause.name.to_owned()),
        remedy: cause.map(|cause| cause.remedy.to_owned()),
    }
}

/// The length of one of the bars from `since` to now.
fn bar(since: Timestamp, now: Timestamp) -> Duration {
    (now.since(since) / BARS).max(Duration::from_secs(1))
}

fn bars(attempts: &[(Timestamp, bool)], since: Timestamp, bar: Duration) -> Vec<ActivityBar> {
    let mut bars = vec![ActivityBar::default(); BARS as usize];
    for (at, succeeded) in attempts.iter().filter(|(at, _)| *at >= since) {
        let place = at.since(since).as_micros() / bar.as_micros().max(1);
        let last = BARS as usize - 1;
        let Some(bar) = bars.get_mut(usize::try_from(place).unwrap_or(last).min(last)) else { continue };
        if *succeeded {
            bar.delivered += 1;
        } else {
            bar.failed += 1;
        }
    }
    bars
}

const BARS: u32 = 24;
const DAY_MICROS: i64 = 86_400_000_000;
/// Rows that are read for one lane: some 20 ms.
const ROWS_MAX: usize = 10_000;
/// Attempts from which on they are not read again for a while.
const MANY: usize = 1_000;
const KEPT_FOR: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attempt_is_in_the_bar_of_its_time() {
        let at = |seconds: i64| Timestamp(seconds * 1_000_000);
        let bar = bar(at(0), at(240));
        assert_eq!(bar, Duration::from_secs(10));
        let attempts = [
            (at(-1), true),
            (at(0), true),
            (at(9), false),
            (at(10), true),
            (at(239), true),
            (at(241), false),
        ];
        let bars = bars(&attempts, at(0), bar);
        let of = |delivered, failed| ActivityBar { delivered, failed };
        assert_eq!((bars.len(), bars[0], bars[1], bars[23]), (24, of(1, 1), of(1, 0), of(1, 1)));
        assert_eq!(super::bar(at(5), at(5)), Duration::from_secs(1));
    }
}
