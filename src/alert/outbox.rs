//! Alerts that wait to be posted, one after another. Pure: the time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

use super::message::Alert;
use crate::time::Uptime;

/// The alerts that are not posted yet, the oldest first.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: VecDeque<Waiting>,
    in_flight: bool,
    retry_at: Option<Uptime>,
}

#[derive(Debug)]
struct Waiting {
    alert: Alert,
    raised: Uptime,
    attempts: u32,
}

/// An alert that was not posted and never will be.
#[derive(Debug, PartialEq)]
pub struct Dropped(pub Alert);

impl Outbox {
    /// Adds an alert. Returns the oldest where there are too many.
    pub fn push(&mut self, alert: Alert, now: Uptime) -> Option<Dropped> {
        self.waiting.push_back(Waiting { alert, raised: now, attempts: 0 });
        // The first may be in flight.
        let is_full = self.waiting.len() > WAITING_MAX;
        let dropped = is_full.then(|| self.waiting.remove(usize::from(self.in_flight))).flatten();
        dropped.map(|waiting| Dropped(waiting.alert))
    }

    /// The alert to post now, and which attempt this is: 1, 2, …
    pub fn next(&mut self, now: Uptime) -> Option<(Alert, u32)> {
        if self.in_flight || self.retry_at.is_some_and(|at| at > now) {
            return None;
        }
        let first = self.waiting.front_mut()?;
        first.attempts = first.attempts.saturating_add(1);
        self.in_flight = true;
        Some((first.alert.clone(), first.attempts))
    }

    /// The attempt ended. Returns the alert where it is not tried again.
    pub fn ended(&mut self, is_success: bool, now: Uptime) -> Option<Dropped> {
        (self.in_flight, self.retry_at) = (false, None);
        let first = self.waiting.front()?;
        if is_success {
            self.waiting.pop_front();
            return None;
        }
        let wait = SCHEDULE.get(first.attempts.saturating_sub(1) as usize).or(SCHEDULE.last());
        self.retry_at = wait.map(|wait| now.plus(*wait));
        let is_old = now.since(first.raised) >= KEPT_FOR;
        is_old.then(|| self.waiting.pop_front()).flatten().map(|waiting| Dropped(waiting.alert))
    }

    /// When to call [`Outbox::next`] again, if nothing happens before.
    pub fn deadline(&self) -> Option<Uptime> {
        let is_waiting = !self.in_flight && !self.waiting.is_empty();
        is_waiting.then(|| self.retry_at.unwrap_or_default())
    }
}

const WAITING_MAX: usize = 1_000;
const KEPT_FOR: Duration = Duration::from_hours(24);
const SCHEDULE: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_mins(2),
    Duration::from_mins(10),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::AlertKind;

    fn alert(text: &str) -> Alert {
        Alert {
            alert: AlertKind::Recovered,
            at: String::new(),
            text: text.to_owned(),
            host: None,
            class: None,
            cause: None,
            remedy: None,
            percent: None,
            webhook_count: 0,
            webhooks: Vec::new(),
        }
    }

    #[test]
    fn alerts_are_posted_in_order_and_one_that_fails_is_tried_again_by_the_schedule() {
        let mut outbox = Outbox::default();
        assert_eq!(outbox.deadline(), None);
        for text in ["a", "b"] {
            assert_eq!(outbox.push(alert(text), Uptime(0)), None);
        }
        assert_eq!(
            outbox.next(Uptime(0)).map(|(alert, attempt)| (alert.text, attempt)),
            Some(("a".into(), 1))
        );
        assert_eq!(outbox.next(Uptime(0)), None, "one at a time");
        assert_eq!(outbox.ended(false, Uptime(10)), None);
        assert_eq!((outbox.deadline(), outbox.next(Uptime(1_009))), (Some(Uptime(1_010)), None));
        assert_eq!(outbox.next(Uptime(1_010)).map(|(_, attempt)| attempt), Some(2));
        assert_eq!(outbox.ended(true, Uptime(1_010)), None);
        assert_eq!(outbox.next(Uptime(1_010)).map(|(alert, _)| alert.text), Some("b".into()));
    }

    #[test]
    fn an_alert_is_dropped_after_a_day_of_failures_and_the_oldest_where_there_are_too_many() {
        let mut outbox = Outbox::default();
        outbox.push(alert("a"), Uptime(0));
        outbox.next(Uptime(0));
        let day = u64::try_from(KEPT_FOR.as_millis()).unwrap();
        assert_eq!(outbox.ended(false, Uptime(day - 1)), None);
        outbox.next(Uptime(day * 2));
        assert_eq!(outbox.ended(false, Uptime(day * 2)), Some(Dropped(alert("a"))));
        for number in 0..WAITING_MAX {
            assert_eq!(outbox.push(alert(&number.to_string()), Uptime(0)), None);
        }
        assert_eq!(outbox.push(alert("last"), Uptime(0)), Some(Dropped(alert("0"))));
        outbox.next(Uptime(day * 3));
        assert_eq!(
            outbox.push(alert("more"), Uptime(0)),
            Some(Dropped(alert("2"))),
            "the first is in flight"
        );
    }
}
