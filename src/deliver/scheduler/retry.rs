//! The retry policy: what to do with a batch after an attempt.

use std::time::Duration;

use crate::outcome::{Cause, Class, Directive, OutcomeKind};

/// How one attempt ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// The response's status, if there was one.
    pub status: Option<u16>,
    /// What happened; whether that is a success.
    pub kind: OutcomeKind,
    /// The error, the beginning of an error response, or what is wrong with a response after its status.
    pub detail: Option<String>,
    /// The response's `retry-after`.
    pub retry_after: Option<Duration>,
    /// The response's `webhook-delivery`.
    pub directive: Option<Directive>,
}

/// What to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::deliver) enum Verdict {
    /// Nothing: it was delivered.
    Delivered,
    /// Send nothing more; after a resume, send the same batch again.
    Pause(Duration),
    /// The content is refused: send the same batch again after this time, or search for the refused record.
    Refused(Duration),
    /// Send the same batch again, after this time.
    RetryIn(Duration),
    /// Send smaller batches; a single record is sent again after this time where it has to be.
    TooLarge(Duration),
}

/// `failures` counts earlier failed attempts since the last success; `jitter` is in 0.0..1.0.
///
/// Waits follow the schedule, ±20 %, so that lanes that failed together do not come back together.
/// A `retry-after` is honoured where it is longer, up to a day.
pub(in crate::deliver) fn verdict(
    outcome: &Outcome,
    failures: u32,
    schedule: &[Duration],
    jitter: f64,
) -> Verdict {
    let Some(cause) = Cause::of(outcome.kind, outcome.status) else { return Verdict::Delivered };
    let wait = scheduled(failures, schedule).mul_f64(0.8 + 0.4 * jitter.clamp(0.0, 1.0));
    let wait = wait.max(outcome.retry_after.unwrap_or_default().min(RETRY_AFTER_MAX));
    match cause.class {
        Class::Content => Verdict::Refused(wait),
        Class::Endpoint | Class::Setup => Verdict::RetryIn(wait),
        Class::Gone => Verdict::Pause(wait),
        Class::Size => Verdict::TooLarge(wait),
    }
}

/// The wait after one more failure than these.
pub(in crate::deliver) fn scheduled(failures: u32, schedule: &[Duration]) -> Duration {
    let step = usize::try_from(failures).unwrap_or(usize::MAX);
    schedule.get(step).or(schedule.last()).copied().unwrap_or(Duration::from_secs(1))
}

const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u16) -> Outcome {
        Outcome {
            status: Some(status),
            kind: OutcomeKind::of_status(status),
            detail: None,
            retry_after: None,
            directive: None,
        }
    }

    const SCHEDULE: &[Duration] = &[Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(30)];

    #[test]
    fn only_2xx_is_a_success() {
        for status in [200, 201, 204, 299] {
            assert_eq!(verdict(&outcome(status), 0, SCHEDULE, 0.5), Verdict::Delivered);
        }
        let second = Duration::from_secs(1);
        for status in [100, 301, 304, 401, 404, 429, 500, 503] {
            assert_eq!(verdict(&outcome(status), 0, SCHEDULE, 0.5), Verdict::RetryIn(second));
        }
        for status in [400, 409, 415, 422] {
            assert_eq!(verdict(&outcome(status), 0, SCHEDULE, 0.5), Verdict::Refused(second));
        }
        assert_eq!(verdict(&outcome(410), 0, SCHEDULE, 0.5), Verdict::Pause(second));
        let lost = Outcome { status: None, kind: OutcomeKind::Reset, ..outcome(0) };
        assert_eq!(verdict(&lost, 0, SCHEDULE, 0.5), Verdict::RetryIn(Duration::from_secs(1)));
        assert_eq!(verdict(&outcome(413), 0, SCHEDULE, 0.5), Verdict::TooLarge(Duration::from_secs(1)));
    }

    #[test]
    fn the_schedule_is_followed_and_its_last_wait_repeats_with_a_fifth_of_jitter() {
        let wait = |failures, jitter| match verdict(&outcome(500), failures, SCHEDULE, jitter) {
            Verdict::RetryIn(wait) => wait.as_millis(),
            other => panic!("{other:?}"),
        };
        assert_eq!([wait(0, 0.5), wait(1, 0.5), wait(2, 0.5), wait(99, 0.5)], [1_000, 5_000, 30_000, 30_000]);
        assert_eq!((wait(1, 0.0), wait(1, 1.0)), (4_000, 6_000));
    }

    #[test]
    fn a_longer_retry_after_is_honoured_up_to_a_day() {
        let asking = |seconds| Outcome { retry_after: Some(Duration::from_secs(seconds)), ..outcome(429) };
        assert_eq!(verdict(&asking(7), 0, SCHEDULE, 0.5), Verdict::RetryIn(Duration::from_secs(7)));
        assert_eq!(verdict(&asking(0), 0, SCHEDULE, 0.5), Verdict::RetryIn(Duration::from_secs(1)));
        assert_eq!(verdict(&asking(9_999), 0, SCHEDULE, 0.5), Verdict::RetryIn(Duration::from_secs(9_999)));
        assert_eq!(verdict(&asking(99_999), 0, SCHEDULE, 0.5), Verdict::RetryIn(Duration::from_hours(24)));
    }
}
