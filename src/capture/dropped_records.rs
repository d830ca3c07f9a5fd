//! Counts the records that no webhook takes, and warns of those for which none is configured.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::record::Callback;

/// Records that were not kept since the start, by (project, callback). Clones share their counts.
#[derive(Clone, Debug, Default)]
pub struct DropCounter(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    records: BTreeMap<(String, Callback), u64>,
    /// Records of `modified` whose webhook does not take their property, by project.
    filtered: BTreeMap<String, u64>,
    /// Lanes that were warned of and still have no webhook.
    warned: BTreeSet<(String, Callback)>,
    /// Warnings so far.
    lines: usize,
}

/// Records of one (project, callback) that were not kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dropped {
    /// Their project.
    pub project: String,
    /// Their callback.
    pub callback: Callback,
    /// How many.
    pub records: u64,
}

/// The warning for a dropped record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Warning {
    Lane,
    MoreFollow,
    Nothing,
}

impl DropCounter {
    /// Counts records, and warns at the first of a (project, callback).
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

    /// Counts records of `modified` whose webhook does not take their property: the webhook says so, so that
    /// nothing is warned of.
    pub(super) fn add_filtered(&self, project: &str, records: u64) {
        let mut counts = self.locked();
        match counts.filtered.get_mut(project) {
            Some(count) => *count += records,
            None => drop(counts.filtered.insert(project.to_owned(), records)),
        }
    }

    /// The webhooks changed: where `keeps` is true now, a later drop is warned of again.
    pub(super) fn webhooks_changed(&self, keeps: &dyn Fn(&str, Callback) -> bool) {
        self.locked().warned.retain(|(project, callback)| !keeps(project, *callback));
    }

    /// Records for which no webhook is configured, by project and callback.
    pub fn dropped(&self) -> Vec<Dropped> {
        let of = |((project, callback), records): (&(String, Callback), &u64)| Dropped {
            project: project.clone(),
            callback: *callback,
            records: *records,
        };
        self.locked().records.iter().map(of).collect()
    }

    /// Records whose webhook does not take their property, by project.
    pub fn filtered(&self) -> Vec<Dropped> {
        let of = |(project, records): (&String, &u64)| Dropped {
            project: project.clone(),
            callback: Callback::Modified,
            records: *records,
        };
        self.locked().filtered.iter().map(of).collect()
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

/// Warnings of a thousand projects would hide other lines.
const LINES_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lane_is_warned_of_once_up_to_a_hundred_and_then_once_that_more_follow() {
        let mut counts = Counts::default();
        let mut add = |project: u32| counts.add(&project.to_string(), Callback::Modified, 2);
        let warnings: Vec<Warning> = (0..150).chain(0..150).map(&mut add).collect();
        assert_eq!(warnings.iter().filter(|warning| **warning == Warning::Lane).count(), LINES_MAX);
        assert_eq!(warnings.iter().position(|warning| *warning == Warning::MoreFollow), Some(LINES_MAX));
        assert_eq!(warnings.iter().filter(|warning| **warning == Warning::MoreFollow).count(), 1);
        assert_eq!((counts.records.len(), counts.records.values().sum::<u64>()), (150, 600));
    }

    #[test]
    fn a_webhook_that_was_added_and_removed_is_warned_of_again() {
        let drop_counter = DropCounter::default();
        drop_counter.add("p", Callback::Ingested, 1);
        drop_counter.add("q", Callback::Ingested, 1);
        drop_counter.webhooks_changed(&|project, _| project == "p");
        let mut counts = drop_counter.locked();
        assert_eq!(counts.add("p", Callback::Ingested, 1), Warning::Lane);
        assert_eq!(counts.add("q", Callback::Ingested, 1), Warning::Nothing);
    }
}
