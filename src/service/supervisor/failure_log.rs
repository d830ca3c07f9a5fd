//! What was last said of trouble: each class of failure once, and then once a minute, however its
//! sentences differ from try to try, and in whatever order the classes come.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::time::Uptime;

/// The classes that were said since all was well.
#[derive(Debug, Default)]
pub(super) struct Said {
    classes: BTreeMap<String, Class>,
    tries: u32,
}

#[derive(Debug)]
struct Class {
    at: Uptime,
    tries: u32,
}

/// What to say now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Say {
    /// It is of a new class.
    First,
    Nothing,
    /// It was said before, and came so often.
    Still(u32),
}

impl Said {
    /// A try failed for this reason.
    pub(super) fn failed(&mut self, why: &str, now: Uptime) -> Say {
        self.tries = self.tries.saturating_add(1);
        let class = class_of(why);
        if let Some(class) = self.classes.get_mut(&class) {
            class.tries = class.tries.saturating_add(1);
            if now.since(class.at) < SAY_AGAIN_AFTER {
                return Say::Nothing;
            }
            class.at = now;
            return Say::Still(class.tries);
        }
        if self.classes.len() >= CLASSES_MAX {
            self.classes.clear();
        }
        self.classes.insert(class, Class { at: now, tries: 1 });
        Say::First
    }

    /// Tries since all was well.
    pub(super) fn tries(&self) -> u32 {
        self.tries
    }
}

/// The sentence without what differs from try to try: numbers, places of the log, names that were drawn.
/// An error's code stays.
fn class_of(why: &str) -> String {
    let varies = |word: &&str| {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let is_code = word.starts_with('(') && bare.len() == 5;
        is_code || !bare.contains(|c: char| c.is_ascii_digit())
    };
    why.split_whitespace().filter(varies).collect::<Vec<_>>().join(" ")
}

const SAY_AGAIN_AFTER: Duration = Duration::from_mins(1);
const CLASSES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000;

    #[test]
    fn a_class_is_said_once_and_then_once_a_minute() {
        let mut said = Said::default();
        let failed = |said: &mut Said, pid: u64, second: u64| {
            let why = format!("the slot \"s\" is active for PID {pid} (55006)");
            said.failed(&why, Uptime(second * SECOND))
        };
        assert_eq!(failed(&mut said, 100, 0), Say::First);
        for second in 1..60 {
            assert_eq!(
                failed(&mut said, 100 + second, second),
                Say::Nothing,
                "another PID is the same class"
            );
        }
        assert_eq!(failed(&mut said, 7, 60), Say::Still(61));
        assert_eq!(failed(&mut said, 8, 61), Say::Nothing);
        assert_eq!(said.tries(), 62);
    }

    #[test]
    fn classes_that_come_in_turn_are_said_once_each() {
        let mut said = Said::default();
        let classes =
            ["connection refused", "starting up (57P03)", "starting up (57P02)", "ended at 0/16B3748"];
        for why in classes {
            assert_eq!(said.failed(why, Uptime(0)), Say::First, "{why}");
        }
        for why in classes.into_iter().chain(["ended at 0/26B3748"]) {
            assert_eq!(said.failed(why, Uptime(SECOND)), Say::Nothing, "{why}");
        }
    }

    #[test]
    fn however_many_classes_there_are_few_are_remembered() {
        let mut said = Said::default();
        for letter in 0..10 * CLASSES_MAX {
            said.failed(&"x".repeat(letter + 1), Uptime(0));
        }
        assert!(said.classes.len() <= CLASSES_MAX);
    }
}
