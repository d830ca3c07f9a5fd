//! Which failures are logged: each class of failure once, and then once a minute, even where its texts
//! differ from try to try. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::time::Uptime;

/// The classes logged since the last success.
#[derive(Debug, Default)]
pub(super) struct FailureLog {
    classes: BTreeMap<String, Class>,
    tries: u32,
}

#[derive(Debug)]
struct Class {
    logged_at: Uptime,
    tries: u32,
}

/// Whether a failure is logged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum LogDecision {
    /// Log it: its class is new.
    New,
    /// Log nothing.
    Suppress,
    /// Log it again, with the number of failures of its class.
    Repeat(u32),
}

impl FailureLog {
    /// Records a failure with this text.
    pub(super) fn failed(&mut self, why: &str, now: Uptime) -> LogDecision {
        self.tries = self.tries.saturating_add(1);
        let class = class_of(why);
        if let Some(class) = self.classes.get_mut(&class) {
            class.tries = class.tries.saturating_add(1);
            if now.since(class.logged_at) < REPEAT_AFTER {
                return LogDecision::Suppress;
            }
            class.logged_at = now;
            return LogDecision::Repeat(class.tries);
        }
        if self.classes.len() >= CLASSES_MAX {
            self.classes.clear();
        }
        self.classes.insert(class, Class { logged_at: now, tries: 1 });
        LogDecision::New
    }

    /// Failures since the last success.
    pub(super) fn tries(&self) -> u32 {
        self.tries
    }
}

/// The text without what differs from try to try: numbers, LSNs, generated names. The SQLSTATE stays.
fn class_of(why: &str) -> String {
    let varies = |word: &&str| {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let is_code = word.starts_with('(') && bare.len() == 5;
        is_code || !bare.contains(|c: char| c.is_ascii_digit())
    };
    why.split_whitespace().filter(varies).collect::<Vec<_>>().join(" ")
}

const REPEAT_AFTER: Duration = Duration::from_mins(1);
const CLASSES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000;

    #[test]
    fn a_class_is_logged_once_and_then_once_a_minute() {
        let mut log = FailureLog::default();
        let failed = |log: &mut FailureLog, pid: u64, second: u64| {
            let why = format!("the slot \"s\" is active for PID {pid} (55006)");
            log.failed(&why, Uptime(second * SECOND))
        };
        assert_eq!(failed(&mut log, 100, 0), LogDecision::New);
        for second in 1..60 {
            assert_eq!(
                failed(&mut log, 100 + second, second),
                LogDecision::Suppress,
                "another PID is the same class"
            );
        }
        assert_eq!(failed(&mut log, 7, 60), LogDecision::Repeat(61));
        assert_eq!(failed(&mut log, 8, 61), LogDecision::Suppress);
        assert_eq!(log.tries(), 62);
    }

    #[test]
    fn classes_that_alternate_are_logged_once_each() {
        let mut log = FailureLog::default();
        let classes =
            ["connection refused", "starting up (57P03)", "starting up (57P02)", "ended at 0/16B3748"];
        for why in classes {
            assert_eq!(log.failed(why, Uptime(0)), LogDecision::New, "{why}");
        }
        for why in classes.into_iter().chain(["ended at 0/26B3748"]) {
            assert_eq!(log.failed(why, Uptime(SECOND)), LogDecision::Suppress, "{why}");
        }
    }

    #[test]
    fn the_number_of_classes_kept_is_bounded() {
        let mut log = FailureLog::default();
        for letter in 0..10 * CLASSES_MAX {
            log.failed(&"x".repeat(letter + 1), Uptime(0));
        }
        assert!(log.classes.len() <= CLASSES_MAX);
    }
}
