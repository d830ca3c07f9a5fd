//! Metrics by project, where `metrics.project_label` asks for them. Projects have no bound, labels do: the first
//! ones have their own, all others share `other`.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::{ProjectAttemptLabel, ProjectLabel};
use crate::outcome::OutcomeKind;
use crate::record::Callback;

/// Metrics by project.
#[derive(Clone, Debug)]
pub struct ProjectMetrics {
    attempts: Family<ProjectAttemptLabel, Counter>,
    pending_records: Family<ProjectLabel, Gauge>,
    unhealthy_lanes: Family<ProjectLabel, Gauge>,
    labelled: Arc<Mutex<BTreeSet<String>>>,
    projects_max: usize,
}

/// One lane, as it is now.
#[derive(Clone, Copy, Debug)]
pub struct ProjectLane<'a> {
    /// The project.
    pub project: &'a str,
    /// Its records that are not settled.
    pub pending_records: u64,
    /// Something keeps it from sending.
    pub is_unhealthy: bool,
}

impl ProjectMetrics {
    pub(super) fn register(registry: &mut Registry, projects_max: usize) -> Self {
        let metrics = Self {
            attempts: Family::default(),
            pending_records: Family::default(),
            unhealthy_lanes: Family::default(),
            labelled: Arc::default(),
            projects_max,
        };
        registry.register(
            "sidecar_project_attempts",
            "Delivery attempts, by project and outcome",
            metrics.attempts.clone(),
        );
        registry.register(
            "sidecar_project_pending_records",
            "Records that are not settled, by project",
            metrics.pending_records.clone(),
        );
        registry.register(
            "sidecar_project_unhealthy_lanes",
            "Lanes that something keeps from sending, by project",
            metrics.unhealthy_lanes.clone(),
        );
        metrics
    }

    /// An attempt ended.
    pub fn attempt(&self, project: &str, callback: Callback, outcome: OutcomeKind) {
        let project = self.label(project);
        self.attempts.get_or_create(&ProjectAttemptLabel { project, callback, outcome }).inc();
    }

    /// Sets the gauges.
    pub fn set_lanes<'a>(&self, lanes: impl Iterator<Item = ProjectLane<'a>>) {
        self.pending_records.clear();
        self.unhealthy_lanes.clear();
        for lane in lanes {
            let label = ProjectLabel { project: self.label(lane.project) };
            let records = i64::try_from(lane.pending_records).unwrap_or(i64::MAX);
            self.pending_records.get_or_create(&label).inc_by(records);
            self.unhealthy_lanes.get_or_create(&label).inc_by(i64::from(lane.is_unhealthy));
        }
    }

    fn label(&self, project: &str) -> String {
        let mut labelled = self.labelled.lock().unwrap_or_else(PoisonError::into_inner);
        if labelled.contains(project) {
            return project.to_owned();
        }
        if labelled.len() >= self.projects_max {
            return OTHER.to_owned();
        }
        labelled.insert(project.to_owned());
        project.to_owned()
    }
}

const OTHER: &str = "other";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_projects_share_a_label_and_no_name_breaks_a_line() {
        let mut registry = Registry::default();
        let metrics = ProjectMetrics::register(&mut registry, 2);
        for project in ["a\"\n", "b", "c", "d", "b"] {
            metrics.attempt(project, Callback::Modified, OutcomeKind::Delivered);
        }
        let lane = |project, pending_records| ProjectLane { project, pending_records, is_unhealthy: true };
        metrics.set_lanes([lane("b", 7)].into_iter());
        metrics.set_lanes([lane("b", 1), lane("b", 2), lane("c", 3), lane("d", 4)].into_iter());
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            r#"sidecar_project_attempts_total{project="a\"\n",callback="modified",outcome="delivered"} 1"#,
            r#"sidecar_project_attempts_total{project="b",callback="modified",outcome="delivered"} 2"#,
            r#"sidecar_project_attempts_total{project="other",callback="modified",outcome="delivered"} 2"#,
            r#"sidecar_project_pending_records{project="b"} 3"#,
            r#"sidecar_project_pending_records{project="other"} 7"#,
            r#"sidecar_project_unhealthy_lanes{project="b"} 2"#,
        ] {
            assert!(text.contains(line), "{line} in: {text}");
        }
        assert!(!text.contains("project=\"c\""), "{text}");
    }
}
