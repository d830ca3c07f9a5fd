//! What every stage counts, under the names that dashboards rely on.
//!
//! Base units; no URL, key or secret ever becomes a label. Projects are no labels either: their
//! number has no bound. A stage on the hot path counts by itself and adds once a group.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric as _, LabelValueEncoder,
};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::outcome::OutcomeKind;
use crate::record::Callback;

/// Every figure of the process. Cheap to clone: all clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Row changes read from the stream, by what they were.
    pub changes: Family<OperationLabel, Counter>,
    /// Records made, by callback, kept or not.
    pub records: Family<CallbackLabel, Counter>,
    /// Records made for a callback that has no webhook, and so not kept.
    pub records_dropped: Family<CallbackLabel, Counter>,
    /// Similarity entries that are no object, or lack `similar_doc_id`.
    pub similarities_skipped: Counter,
    /// Batches that a receiver took.
    pub batches_delivered: Family<CallbackLabel, Counter>,
    /// Requests on the wire, by how they ended.
    pub attempts: Family<AttemptLabel, Counter>,
    /// From a record's commit to the 2xx of its batch.
    pub delivery_latency: Histogram,
    /// From an attempt's start to its end.
    pub attempt_duration: Histogram,
    /// Lanes, by how they stand.
    pub lanes: Family<StateLabel, Gauge>,
    /// Age of the oldest record that is not settled.
    pub oldest_pending_seconds: Gauge,
    /// Live bytes of records, batches, dead letters and attempts.
    pub spool_bytes: Gauge,
    /// Bytes of the shadow.
    pub shadow_bytes: Gauge,
    /// Documents in the shadow.
    pub shadow_documents: Gauge,
    /// Records that became dead letters, by reason.
    pub dead_letters: Family<ReasonLabel, Counter>,
    /// Records dropped with a lane whose webhook was removed.
    pub records_discarded: Counter,
    /// Records and dead letters that retention removed.
    pub records_removed: Counter,
    /// Log that the slot keeps on the server.
    pub slot_retained_bytes: Figure,
    /// From the confirmed LSN to the end of the server's log.
    pub slot_confirmed_lag_bytes: Figure,
    /// Connections to receivers, by whether a pooled one served.
    pub http_connections: Family<ReusedLabel, Counter>,
    /// 1 where the last reading of the settings went well.
    pub config_last_reload_successful: Gauge,
    /// Connections opened for replication.
    pub replication_connections: Counter,
    /// Comparisons of the table, by how they ended: `done`, `failed` or `held`.
    pub resyncs: Family<OutcomeLabel, Counter>,
    /// `sidecar_replays_total`: replays that ended.
    pub replays: Family<OutcomeLabel, Counter>,
    /// `sidecar_records_replayed_total`
    pub records_replayed: Counter,
    /// `sidecar_replays_running`
    pub replays_running: Gauge,
    /// `sidecar_replay_pending_records`: what running replays have left to send.
    pub replay_pending_records: Gauge,
    /// `sidecar_replay_window_start_timestamp_seconds`: since when records can be replayed.
    pub replay_window_start: Gauge,
    /// 1 when `/-/ready` says yes.
    pub ready: Gauge,
}

/// A gauge that is absent while nobody knows its figure.
#[derive(Clone, Debug, Default)]
pub struct Figure(Arc<Mutex<Option<u64>>>);

impl Figure {
    /// Shows it, or takes it away.
    pub fn show(&self, figure: Option<u64>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = figure;
    }

    fn register(&self, registry: &mut Registry, name: &'static str, help: &'static str) {
        registry.register_collector(Box::new(Shown { name, help, figure: self.clone() }));
    }
}

#[derive(Debug)]
struct Shown {
    name: &'static str,
    help: &'static str,
    figure: Figure,
}

impl Collector for Shown {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let figure = *self.figure.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(figure) = figure else { return Ok(()) };
        let gauge = ConstGauge::new(i64::try_from(figure).unwrap_or(i64::MAX));
        gauge.encode(encoder.encode_descriptor(self.name, self.help, None, gauge.metric_type())?)
    }
}

/// `outcome="done"`
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct OutcomeLabel {
    /// `done`, `failed` or `held`.
    pub outcome: &'static str,
}

/// `operation="insert"`
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct OperationLabel {
    /// insert, update, delete, truncate
    pub operation: &'static str,
}

/// `callback="ingested"`
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct CallbackLabel {
    /// Which callback.
    pub callback: Callback,
}

/// `callback="ingested",outcome="delivered"`
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct AttemptLabel {
    /// Which callback.
    pub callback: Callback,
    /// How the attempt ended.
    pub outcome: OutcomeKind,
}

/// `state="failing"`
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct StateLabel {
    /// How a lane stands.
    pub state: &'static str,
}

/// `reason="given_up"`
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct ReasonLabel {
    /// Why records became a dead letter.
    pub reason: &'static str,
}

/// `reused="true"`
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct ReusedLabel {
    /// Whether a pooled connection served.
    pub reused: BoolLabel,
}

/// A label that says yes or no.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct BoolLabel(pub bool);

impl Metrics {
    /// All figures at zero, registered under their names in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::unregistered();
        metrics.register_capture(registry);
        metrics.register_delivery(registry);
        metrics.register_standing(registry);
        metrics.register_replays(registry);
        // Nothing runs before its settings were read.
        metrics.config_last_reload_successful.set(1);
        metrics
    }

    /// All figures at zero, shown nowhere: for tests and commands.
    pub fn unregistered() -> Self {
        Self {
            changes: Family::default(),
            records: Family::default(),
            records_dropped: Family::default(),
            similarities_skipped: Counter::default(),
            batches_delivered: Family::default(),
            attempts: Family::default(),
            delivery_latency: Histogram::new(exponential_buckets(0.001, 2.0, 22)),
            attempt_duration: Histogram::new(exponential_buckets(0.000_5, 2.0, 18)),
            lanes: Family::default(),
            oldest_pending_seconds: Gauge::default(),
            spool_bytes: Gauge::default(),
            shadow_bytes: Gauge::default(),
            shadow_documents: Gauge::default(),
            dead_letters: Family::default(),
            records_discarded: Counter::default(),
            records_removed: Counter::default(),
            slot_retained_bytes: Figure::default(),
            slot_confirmed_lag_bytes: Figure::default(),
            http_connections: Family::default(),
            config_last_reload_successful: Gauge::default(),
            replication_connections: Counter::default(),
            resyncs: Family::default(),
            replays: Family::default(),
            records_replayed: Counter::default(),
            replays_running: Gauge::default(),
            replay_pending_records: Gauge::default(),
            replay_window_start: Gauge::default(),
            ready: Gauge::default(),
        }
    }

    fn register_capture(&self, registry: &mut Registry) {
        registry.register("sidecar_changes", "Row changes read from the stream", self.changes.clone());
        registry.register("sidecar_records", "Records made, kept or not", self.records.clone());
        registry.register(
            "sidecar_records_not_kept",
            "Records of a callback without a webhook",
            self.records_dropped.clone(),
        );
        registry.register(
            "sidecar_similarities_skipped",
            "Similarity entries that are no object or lack similar_doc_id",
            self.similarities_skipped.clone(),
        );
        registry.register(
            "sidecar_resyncs",
            "Comparisons of the table, by how they ended",
            self.resyncs.clone(),
        );
        registry.register(
            "sidecar_replication_connections",
            "Connections opened for replication",
            self.replication_connections.clone(),
        );
        self.slot_retained_bytes.register(
            registry,
            "sidecar_slot_retained_bytes",
            "Log that the slot keeps on the server.",
        );
        self.slot_confirmed_lag_bytes.register(
            registry,
            "sidecar_slot_confirmed_lag_bytes",
            "From the confirmed LSN to the end of the server's log.",
        );
    }

    fn register_delivery(&self, registry: &mut Registry) {
        registry.register(
            "sidecar_batches_delivered",
            "Batches that a receiver took",
            self.batches_delivered.clone(),
        );
        registry.register("sidecar_attempts", "Requests on the wire", self.attempts.clone());
        registry.register(
            "sidecar_delivery_latency_seconds",
            "From a record's commit to the 2xx of its batch",
            self.delivery_latency.clone(),
        );
        registry.register(
            "sidecar_attempt_duration_seconds",
            "From an attempt's start to its end",
            self.attempt_duration.clone(),
        );
        registry.register("sidecar_lanes", "Lanes, by how they stand", self.lanes.clone());
        registry.register(
            "sidecar_oldest_pending_seconds",
            "Age of the oldest record that is not settled",
            self.oldest_pending_seconds.clone(),
        );
        registry.register("sidecar_dead_letters", "Records given up", self.dead_letters.clone());
        registry.register(
            "sidecar_http_connections",
            "Connections used for attempts",
            self.http_connections.clone(),
        );
    }

    fn register_replays(&self, registry: &mut Registry) {
        registry.register("sidecar_replays", "Replays that ended, by how", self.replays.clone());
        registry.register(
            "sidecar_records_replayed",
            "Records that a replay sent",
            self.records_replayed.clone(),
        );
        registry.register("sidecar_replays_running", "Replays that run", self.replays_running.clone());
        registry.register(
            "sidecar_replay_pending_records",
            "Records that running replays have left to send",
            self.replay_pending_records.clone(),
        );
        registry.register(
            "sidecar_replay_window_start_timestamp_seconds",
            "Records committed after this can be replayed; seconds since 1970, 0 before the first start ended",
            self.replay_window_start.clone(),
        );
    }

    fn register_standing(&self, registry: &mut Registry) {
        registry.register(
            "sidecar_spool_bytes",
            "Live bytes of records, batches, dead letters and attempts",
            self.spool_bytes.clone(),
        );
        registry.register("sidecar_shadow_bytes", "Bytes of the shadow", self.shadow_bytes.clone());
        registry.register(
            "sidecar_shadow_documents",
            "Documents in the shadow",
            self.shadow_documents.clone(),
        );
        registry.register(
            "sidecar_records_discarded",
            "Records dropped with a lane whose webhook was removed",
            self.records_discarded.clone(),
        );
        registry.register(
            "sidecar_records_removed",
            "Settled records and dead letters that retention removed",
            self.records_removed.clone(),
        );
        registry.register(
            "sidecar_config_last_reload_successful",
            "1 where the last reading of the settings went well",
            self.config_last_reload_successful.clone(),
        );
        registry.register("sidecar_ready", "1 when /-/ready says yes", self.ready.clone());
        let build: Family<Vec<(&'static str, &'static str)>, Gauge> = Family::default();
        build.get_or_create(&vec![("version", env!("CARGO_PKG_VERSION"))]).set(1);
        registry.register("sidecar_build_info", "What is running", build);
    }
}

impl EncodeLabelValue for Callback {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.name(), encoder)
    }
}

impl EncodeLabelValue for BoolLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&if self.0 { "true" } else { "false" }, encoder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_bear_the_names_that_dashboards_rely_on() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        metrics.changes.get_or_create(&OperationLabel { operation: "insert" }).inc();
        metrics.records.get_or_create(&CallbackLabel { callback: Callback::Ingested }).inc();
        let outcome = AttemptLabel { callback: Callback::Modified, outcome: OutcomeKind::Timeout };
        metrics.attempts.get_or_create(&outcome).inc();
        metrics.http_connections.get_or_create(&ReusedLabel { reused: BoolLabel(true) }).inc();
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            r#"sidecar_changes_total{operation="insert"} 1"#,
            r#"sidecar_records_total{callback="ingested"} 1"#,
            r#"sidecar_attempts_total{callback="modified",outcome="timeout"} 1"#,
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
    fn a_figure_that_nobody_knows_is_absent() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let lines = || {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
            text.lines().filter(|line| line.contains("sidecar_slot_retained_bytes")).count()
        };
        assert_eq!(lines(), 0);
        metrics.slot_retained_bytes.show(Some(7));
        assert_eq!(lines(), 3, "help, type and figure");
        metrics.slot_retained_bytes.show(None);
        assert_eq!(lines(), 0);
    }
}
