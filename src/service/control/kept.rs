//! Answers that take a while to make, kept for a few seconds: pages that are open ask again each second.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The last answers, by what was asked for, each with when it was made.
pub(super) struct Kept<K, V>(Mutex<HashMap<K, (Duration, V)>>);

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Kept<K, V> {
    /// The answer, where it was made less than `time` ago.
    pub(super) fn within(&self, time: Duration, key: &K, now: Duration) -> Option<V> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, value) = kept.get(key)?;
        (now.saturating_sub(*at) < time).then(|| value.clone())
    }

    pub(super) fn keep(&self, key: K, now: Duration, value: V) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEYS_MAX {
            kept.clear();
        }
        kept.insert(key, (now, value));
    }
}

const KEYS_MAX: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_for_a_while_and_few_are() {
        let kept = Kept::default();
        let second = Duration::from_secs;
        kept.keep(1, second(10), "a");
        assert_eq!(kept.within(second(5), &1, second(14)), Some("a"));
        assert_eq!(kept.within(second(5), &1, second(15)), None);
        assert_eq!(kept.within(second(5), &2, second(10)), None);
        (0..1_000).for_each(|key| kept.keep(key, second(10), "b"));
        assert!(kept.0.lock().unwrap().len() <= KEYS_MAX);
    }
}
