//! Decides which records are kept, and counts those that are not.

use foldhash::{HashMap, HashMapExt as _};
use std::sync::Arc;

use super::dropped_records::DropCounter;
use crate::classify::Projects;
use crate::metrics::{CallbackLabel, Metrics, PropertyLabel};
use crate::record::{Callback, LaneNo, Property, PropertySet};

/// Which properties the records of (project, callback) that are kept are about. `None`: no webhook is
/// configured for it, and none is kept.
pub type RouteFilter = Arc<dyn Fn(&str, Callback) -> Option<PropertySet> + Send + Sync>;

pub(super) struct RecordFilter {
    route_filter: RouteFilter,
    /// Cached results of `route_filter`.
    routed_lanes: HashMap<LaneNo, Option<PropertySet>>,
    /// Records of the group without a webhook.
    dropped: HashMap<LaneNo, u64>,
    /// Records of the group whose webhook does not take their property.
    filtered: HashMap<LaneNo, [u64; Property::ALL.len()]>,
    counter: DropCounter,
}

impl RecordFilter {
    pub(super) fn new(route_filter: RouteFilter) -> Self {
        Self {
            route_filter,
            routed_lanes: HashMap::new(),
            dropped: HashMap::new(),
            filtered: HashMap::new(),
            counter: DropCounter::default(),
        }
    }

    /// The counter of records that are not kept.
    pub(super) fn counter(&self) -> DropCounter {
        self.counter.clone()
    }

    pub(super) fn webhooks_changed(&mut self) {
        let route_filter = &self.route_filter;
        self.counter.webhooks_changed(&|project, callback| route_filter(project, callback).is_some());
        self.routed_lanes.clear();
    }

    /// Whether a record of the lane, of the project `name`, is kept. If not, it is counted.
    pub(super) fn keeps(&mut self, lane: LaneNo, name: &str, property: Option<Property>) -> bool {
        let route_filter = &self.route_filter;
        let wanted = self.routed_lanes.entry(lane).or_insert_with(|| route_filter(name, lane.callback()));
        match (*wanted, property) {
            (None, _) => {
                *self.dropped.entry(lane).or_default() += 1;
                false
            }
            (Some(wanted), Some(property)) if !wanted.contains(property) => {
                let counts = self.filtered.entry(lane).or_default();
                if let Some(count) = counts.get_mut(property as usize) {
                    *count += 1;
                }
                false
            }
            (Some(_), _) => true,
        }
    }

    /// Adds what was counted since the last call.
    pub(super) fn count(&mut self, metrics: &Metrics, projects: &Projects) {
        for callback in Callback::ALL {
            metrics.records_dropped.get_or_create(&CallbackLabel { callback }).inc_by(0);
        }
        for (lane, records) in self.dropped.drain() {
            let callback = lane.callback();
            metrics.records_dropped.get_or_create(&CallbackLabel { callback }).inc_by(records);
            self.counter.add(projects.name(lane.project()), callback, records);
        }
        for (lane, counts) in self.filtered.drain() {
            for (property, records) in Property::ALL.into_iter().zip(counts) {
                metrics.records_filtered.get_or_create(&PropertyLabel { property }).inc_by(records);
            }
            self.counter.add_filtered(projects.name(lane.project()), counts.iter().sum());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::record::ProjectNo;

    #[test]
    fn a_webhook_takes_the_properties_it_names_and_other_records_are_counted_by_property() {
        let labels: PropertySet = [Property::Labels].into_iter().collect();
        let wanted = Arc::new(Mutex::new(Some(labels)));
        let answer = Arc::clone(&wanted);
        let mut filter = RecordFilter::new(Arc::new(move |_, _| *answer.lock().unwrap()));
        let mut projects = Projects::default();
        let project: ProjectNo = projects.number("p");
        let [ingested, modified] =
            [Callback::Ingested, Callback::Modified].map(|callback| LaneNo::new(project, callback));
        let mut kept = || {
            let of_modified = Property::ALL.map(|property| filter.keeps(modified, "p", Some(property)));
            (filter.keeps(ingested, "p", None), of_modified)
        };
        assert_eq!(kept(), (true, [true, false, false]));
        *wanted.lock().unwrap() = None;
        assert_eq!(kept(), (true, [true, false, false]), "the answer is cached until the webhooks change");
        filter.webhooks_changed();
        let mut kept = || Property::ALL.map(|property| filter.keeps(modified, "p", Some(property)));
        assert_eq!(kept(), [false; 3]);
        *wanted.lock().unwrap() = Some(PropertySet::ALL);
        filter.webhooks_changed();
        let mut kept = || Property::ALL.map(|property| filter.keeps(modified, "p", Some(property)));
        assert_eq!(kept(), [true; 3]);

        let metrics = Metrics::unregistered();
        filter.count(&metrics, &projects);
        let filtered = |property| metrics.records_filtered.get_or_create(&PropertyLabel { property }).get();
        assert_eq!(Property::ALL.map(filtered), [0, 2, 2]);
        let callback = Callback::Modified;
        assert_eq!(metrics.records_dropped.get_or_create(&CallbackLabel { callback }).get(), 3);
        let counts = filter.counter();
        let (dropped, filtered) = (counts.dropped(), counts.filtered());
        assert_eq!((dropped.len(), dropped[0].records), (1, 3));
        assert_eq!((filtered.len(), filtered[0].records), (1, 4));
        assert_eq!(filtered[0].callback, callback);
    }
}
