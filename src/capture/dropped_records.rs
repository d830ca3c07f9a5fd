//! Records that no webhook takes: they are dropped, but never without a word.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::record::Callback;

/// How many were dropped since the start, by (project, callback). All clones count together.
#[derive(Clone, Debug, Default)]
pub struct DropCounter(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    records: BTreeMap<(String, Callback), u64>,
    /// Those that were warned of, and have no webhook yet.
    warned: BTreeSet<(String, Callback)>,
    /// Lines so far.
    lines: usize,
}

/// Records of one (project, callback) that were dropped.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dropped {
    /// Their project.
    pub project: String,
    /// Their callback.
    pub callback: Callback,
    /// How many.
    pub records: u64,
}

/// What there is to say of a first record that was dropped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Warning {
    Lane,
    MoreFollow,
    Nothing,
}

impl DropCounter {
    /// Counts them, and warns at the first of a (project, callback).
    pub(super) fn add(&self, project: &str, callback: Callback, records: u64) {
        match self.locked().add(project, callback, records) {
            Warning::Lane => tracing::warn!(
                project,
                callback = callback.name(),
                "records are dropped: no [[webhook]] takes them. `sidecar status` counts them; \
                 after one is added, `sidecar resync --as-ingested` sends what exists"
            ),
            Warning::MoreFollow => tracing::warn!(
                "records of more than {LINES_MAX} projects and callbacks are dropped, as no [[webhook]] takes them: \
                 the next ones are only counted, in `sidecar status`"
            ),
            Warning::Nothing => {}
        }
    }

    /// The webhooks changed: of what `keeps` takes now, a later loss is worth a word again.
    pub(super) fn webhooks_changed(&self, keeps: &dyn Fn(&str, Callback) -> bool) {
        self.locked().warned.retain(|(project, callback)| !keeps(project, *callback));
    }

    /// All of them, by project and callback.
    pub fn dropped(&self) -> Vec<Dropped> {
        let of = |((project, callback), records): (&(String, Callback), &u64)| Dropped {
            project: project.clone(),
            callback: *callback,
            records: *records,
        };
        self.locked().records.iter().map(of).collect()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn add(&mut self, project: &str, callback: Callback, records: u64) -> Warning {
        let lane = (project.to_owned(), callback);
        let is_first = self.warned.insert(lane.clone());
        *self.records.entry(lane).or_default() += records;
        if !is_first {
            return Warning::Nothing;
        }
        self.lines = self.lines.saturating_add(1);
        match self.lines {
            ..=LINES_MAX => Warning::Lane,
            lines if lines == LINES_MAX + 1 => Warning::MoreFollow,
            _ => Warning::Nothing,
        }
    }
}

/// A log of a thousand projects would hide what else it says.
const LINES_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lane_is_said_once_up_to_a_hundred_and_then_once_that_more_follow() {
        let mut counts = Counts::default();
        let mut say = |project: u32| counts.add(&project.to_string(), Callback::Modified, 2);
        let said: Vec<Warning> = (0..150).chain(0..150).map(&mut say).collect();
        assert_eq!(said.iter().filter(|to_say| **to_say == Warning::Lane).count(), LINES_MAX);
        assert_eq!(said.iter().position(|to_say| *to_say == Warning::MoreFollow), Some(LINES_MAX));
        assert_eq!(said.iter().filter(|to_say| **to_say == Warning::MoreFollow).count(), 1);
        assert_eq!((counts.records.len(), counts.records.values().sum::<u64>()), (150, 600));
    }

    #[test]
    fn a_webhook_that_came_and_went_is_said_again() {
        let drop_counter = DropCounter::default();
        drop_counter.add("p", Callback::Ingested, 1);
        drop_counter.add("q", Callback::Ingested, 1);
        drop_counter.webhooks_changed(&|project, _| project == "p");
        let mut counts = drop_counter.locked();
        assert_eq!(counts.add("p", Callback::Ingested, 1), Warning::Lane);
        assert_eq!(counts.add("q", Callback::Ingested, 1), Warning::Nothing);
    }
}
