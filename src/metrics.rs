//! The metrics of every stage. Their names are a contract.
//!
//! Base units; no URL, key or secret ever becomes a label. Projects are not labels either, as their
//! number has no bound. A stage on the hot path counts locally and adds once per group.

mod labels;
mod projects;
mod register;
mod zeros;

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

pub use self::labels::{
    AlertLabel, AttemptLabel, BoolLabel, CallbackLabel, OperationLabel, OriginLabel, OutcomeLabel,
    PropertyLabel, ReasonLabel, ReusedLabel, StateLabel,
};
pub use self::projects::{ProjectLane, ProjectMetrics};

/// Every metric of the process. Clones are cheap and share their values.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Row changes read from the stream, by operation.
    pub changes: Family<OperationLabel, Counter>,
    /// Records made, by callback, with or without a webhook.
    pub records: Family<CallbackLabel, Counter>,
    /// Records dropped because no webhook is configured for them, by callback.
    pub records_dropped: Family<CallbackLabel, Counter>,
    /// Records of `modified` dropped because their webhook does not take their property.
    pub records_filtered: Family<PropertyLabel, Counter>,
    /// Similarity entries skipped because they are not an object or lack `similar_doc_id`.
    pub similarities_skipped: Counter,
    /// Batches that a receiver accepted.
    pub batches_delivered: Family<CallbackLabel, Counter>,
    /// Delivery attempts, by outcome.
    pub attempts: Family<AttemptLabel, Counter>,
    /// Time from a record's commit to the 2xx response for its batch.
    pub delivery_latency: Histogram,
    /// Duration of an attempt.
    pub attempt_duration: Histogram,
    /// Lanes, by condition.
    pub lanes: Family<StateLabel, Gauge>,
    /// Changes of a lane's state, by the new one.
    pub lane_transitions: Family<StateLabel, Counter>,
    /// Age of the oldest unsettled record.
    pub oldest_pending_seconds: Gauge,
    /// Live bytes of records, batches, dead letters and attempts.
    pub spool_bytes: Gauge,
    /// `spool.bytes_max`.
    pub spool_bytes_max: Gauge,
    /// Bytes of the shadow.
    pub shadow_bytes: Gauge,
    /// Documents in the shadow.
    pub shadow_documents: Gauge,
    /// Records that became dead letters, by reason.
    pub dead_letters: Family<ReasonLabel, Counter>,
    /// Projects that were held as they made more records than `delivery.surge` allows.
    pub surges: Counter,
    /// Records dropped with a lane whose webhook was removed.
    pub records_discarded: Counter,
    /// Records that an operator had settled without being sent.
    pub records_skipped: Counter,
    /// Settled records and dead letters that retention removed.
    pub records_removed: Counter,
    /// WAL that the slot retains on the server.
    pub slot_retained_bytes: OptionalGauge,
    /// WAL from the confirmed LSN to the end of the server's WAL.
    pub slot_confirmed_lag_bytes: OptionalGauge,
    /// Alerts, by what they are about and what became of them.
    pub alerts: Family<AlertLabel, Counter>,
    /// Connections used for attempts, by whether they came from the pool.
    pub http_connections: Family<ReusedLabel, Counter>,
    /// Webhooks in force, by origin.
    pub webhooks: Family<OriginLabel, Gauge>,
    /// 1 if the last read of `webhooks.query` succeeded.
    pub webhooks_query_successful: OptionalGauge,
    /// Rows of `webhooks.query` that are refused.
    pub webhooks_query_refused_rows: OptionalGauge,
    /// 1 if the last reload of the settings succeeded.
    pub config_last_reload_successful: Gauge,
    /// Replication connections opened.
    pub replication_connections: Counter,
    /// Resyncs that ended, by outcome: `done`, `failed` or `held`.
    pub resyncs: Family<OutcomeLabel, Counter>,
    /// Replays that ended, by outcome.
    pub replays: Family<OutcomeLabel, Counter>,
    /// Records that replays have sent.
    pub records_replayed: Counter,
    /// Running replays.
    pub replays_running: Gauge,
    /// Records that running replays have still to send.
    pub replay_pending_records: Gauge,
    /// Commit time, as a Unix timestamp, after which records can be replayed.
    pub replay_window_start: Gauge,
    /// 1 if `/-/ready` returns 200.
    pub ready: Gauge,
    /// By project, where the settings ask for it.
    pub projects: Option<ProjectMetrics>,
}

/// A gauge that is not exported while its value is unknown.
#[derive(Clone, Debug, Default)]
pub struct OptionalGauge(Arc<Mutex<Option<u64>>>);

impl OptionalGauge {
    /// Sets the value; `None` if it is unknown.
    pub fn set(&self, value: Option<u64>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = value;
    }

    fn register(&self, registry: &mut Registry, name: &'static str, help: &'static str) {
        registry.register_collector(Box::new(OptionalGaugeCollector { name, help, gauge: self.clone() }));
    }
}

#[derive(Debug)]
struct OptionalGaugeCollector {
    name: &'static str,
    help: &'static str,
    gauge: OptionalGauge,
}

impl Collector for OptionalGaugeCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let value = *self.gauge.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(value) = value else { return Ok(()) };
        let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        gauge.encode(encoder.encode_descriptor(self.name, self.help, None, gauge.metric_type())?)
    }
}

impl Metrics {
    /// All metrics at zero, registered in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::unregistered();
        metrics.register_capture(registry);
        metrics.register_delivery(registry);
        metrics.register_state(registry);
        metrics.register_replays(registry);
        // The process has read its settings, or it would not run.
        metrics.config_last_reload_successful.set(1);
        metrics.zero();
        metrics
    }

    /// The same, with metrics by project. The first `projects_max` projects have a label of their own.
    pub fn with_projects(self, registry: &mut Registry, projects_max: usize) -> Self {
        Self { projects: Some(ProjectMetrics::register(registry, projects_max)), ..self }
    }

    /// All metrics at zero, without a registry: for tests.
    pub fn unregistered() -> Self {
        Self {
            changes: Family::default(),
            records: Family::default(),
            records_dropped: Family::default(),
            records_filtered: Family::default(),
            similarities_skipped: Counter::default(),
            batches_delivered: Family::default(),
            attempts: Family::default(),
            delivery_latency: Histogram::new(exponential_buckets(0.001, 2.0, 22)),
            attempt_duration: Histogram::new(exponential_buckets(0.000_5, 2.0, 18)),
            lanes: Family::default(),
            lane_transitions: Family::default(),
            oldest_pending_seconds: Gauge::default(),
            spool_bytes: Gauge::default(),
            spool_bytes_max: Gauge::default(),
            shadow_bytes: Gauge::default(),
            shadow_documents: Gauge::default(),
            dead_letters: Family::default(),
            surges: Counter::default(),
            records_discarded: Counter::default(),
            records_skipped: Counter::default(),
            records_removed: Counter::default(),
            slot_retained_bytes: OptionalGauge::default(),
            slot_confirmed_lag_bytes: OptionalGauge::default(),
            alerts: Family::default(),
            http_connections: Family::default(),
            webhooks: Family::default(),
            webhooks_query_successful: OptionalGauge::default(),
            webhooks_query_refused_rows: OptionalGauge::default(),
            config_last_reload_successful: Gauge::default(),
            replication_connections: Counter::default(),
            resyncs: Family::default(),
            replays: Family::default(),
            records_replayed: Counter::default(),
            replays_running: Gauge::default(),
            replay_pending_records: Gauge::default(),
            replay_window_start: Gauge::default(),
            ready: Gauge::default(),
            projects: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::OutcomeKind;
    use crate::record::{Callback, Property};

    #[test]
    fn metrics_keep_their_names() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        metrics.changes.get_or_create(&OperationLabel { operation: "insert" }).inc();
        metrics.records.get_or_create(&CallbackLabel { callback: Callback::Ingested }).inc();
        metrics.records_filtered.get_or_create(&PropertyLabel { property: Property::Similarity }).inc();
        let outcome = AttemptLabel { callback: Callback::Modified, outcome: OutcomeKind::Timeout };
        metrics.attempts.get_or_create(&outcome).inc();
        metrics.http_connections.get_or_create(&ReusedLabel { reused: BoolLabel(true) }).inc();
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            r#"sidecar_changes_total{operation="insert"} 1"#,
            r#"sidecar_records_total{callback="ingested"} 1"#,
            r#"sidecar_attempts_total{callback="modified",outcome="timeout"} 1"#,
            r#"sidecar_records_filtered_total{property="similarity"} 1"#,
            r#"sidecar_http_connections_total{reused="true"} 1"#,
            "sidecar_delivery_latency_seconds_count 0",
            "sidecar_oldest_pending_seconds 0",
            "sidecar_spool_bytes 0",
            concat!("sidecar_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(text.lines().any(|found| found == line), "no `{line}` in\n{text}");
        }
    }

    #[test]
    fn a_gauge_of_unknown_value_is_not_exported() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let lines = || {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
            text.lines().filter(|line| line.contains("sidecar_slot_retained_bytes")).count()
        };
        assert_eq!(lines(), 0);
        metrics.slot_retained_bytes.set(Some(7));
        assert_eq!(lines(), 3, "help, type and value");
        metrics.slot_retained_bytes.set(None);
        assert_eq!(lines(), 0);
    }
}
