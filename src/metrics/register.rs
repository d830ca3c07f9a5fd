//! The names and descriptions of all metrics, by stage.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Metrics;

impl Metrics {
    pub(super) fn register_capture(&self, registry: &mut Registry) {
        registry.register("sidecar_changes", "Row changes read from the stream", self.changes.clone());
        registry.register("sidecar_records", "Records made, with or without a webhook", self.records.clone());
        registry.register(
            "sidecar_records_not_kept",
            "Records dropped because no webhook is configured for them",
            self.records_dropped.clone(),
        );
        registry.register(
            "sidecar_records_filtered",
            "Records of `modified` dropped because their webhook does not take their property",
            self.records_filtered.clone(),
        );
        registry.register(
            "sidecar_similarities_skipped",
            "Similarity entries skipped because they are not an object or lack similar_doc_id",
            self.similarities_skipped.clone(),
        );
        registry.register("sidecar_resyncs", "Resyncs that ended, by outcome", self.resyncs.clone());
        registry.register(
            "sidecar_replication_connections",
            "Replication connections opened",
            self.replication_connections.clone(),
        );
        self.slot_retained_bytes.register(
            registry,
            "sidecar_slot_retained_bytes",
            "WAL that the slot retains on the server.",
        );
        self.slot_confirmed_lag_bytes.register(
            registry,
            "sidecar_slot_confirmed_lag_bytes",
            "WAL from the confirmed LSN to the end of the server's WAL.",
        );
    }

    pub(super) fn register_delivery(&self, registry: &mut Registry) {
        registry.register(
            "sidecar_batches_delivered",
            "Batches that a receiver accepted",
            self.batches_delivered.clone(),
        );
        registry.register("sidecar_attempts", "Delivery attempts, by outcome", self.attempts.clone());
        registry.register(
            "sidecar_delivery_latency_seconds",
            "Time from a record's commit to the 2xx response for its batch",
            self.delivery_latency.clone(),
        );
        registry.register(
            "sidecar_attempt_duration_seconds",
            "Duration of a delivery attempt",
            self.attempt_duration.clone(),
        );
        registry.register("sidecar_lanes", "Lanes, by condition", self.lanes.clone());
        registry.register(
            "sidecar_lane_transitions",
            "Changes of a lane's state, by the new one",
            self.lane_transitions.clone(),
        );
        registry.register(
            "sidecar_oldest_pending_seconds",
            "Age of the oldest unsettled record",
            self.oldest_pending_seconds.clone(),
        );
        registry.register(
            "sidecar_dead_letters",
            "Records that became dead letters, by reason",
            self.dead_letters.clone(),
        );
        registry.register("sidecar_alerts", "Alerts, posted or dropped", self.alerts.clone());
        registry.register(
            "sidecar_http_connections",
            "Connections used for attempts, by whether they came from the pool",
            self.http_connections.clone(),
        );
    }

    pub(super) fn register_replays(&self, registry: &mut Registry) {
        registry.register("sidecar_replays", "Replays that ended, by outcome", self.replays.clone());
        registry.register(
            "sidecar_records_replayed",
            "Records that replays have sent",
            self.records_replayed.clone(),
        );
        registry.register("sidecar_replays_running", "Running replays", self.replays_running.clone());
        registry.register(
            "sidecar_replay_pending_records",
            "Records that running replays have still to send",
            self.replay_pending_records.clone(),
        );
        registry.register(
            "sidecar_replay_window_start_timestamp_seconds",
            "Commit time after which records can be replayed; Unix timestamp, 0 until the first start has finished",
            self.replay_window_start.clone(),
        );
    }

    pub(super) fn register_state(&self, registry: &mut Registry) {
        registry.register(
            "sidecar_spool_bytes",
            "Live bytes of records, batches, dead letters and attempts",
            self.spool_bytes.clone(),
        );
        registry.register(
            "sidecar_spool_bytes_max",
            "spool.bytes_max, the limit of sidecar_spool_bytes",
            self.spool_bytes_max.clone(),
        );
        registry.register("sidecar_shadow_bytes", "Bytes of the shadow", self.shadow_bytes.clone());
        registry.register(
            "sidecar_shadow_documents",
            "Documents in the shadow",
            self.shadow_documents.clone(),
        );
        registry.register(
            "sidecar_surges",
            "Projects held as they made more records than `delivery.surge` allows",
            self.surges.clone(),
        );
        registry.register(
            "sidecar_records_discarded",
            "Records dropped with a lane whose webhook was removed",
            self.records_discarded.clone(),
        );
        registry.register(
            "sidecar_records_skipped",
            "Records that an operator had settled without being sent",
            self.records_skipped.clone(),
        );
        registry.register(
            "sidecar_records_removed",
            "Settled records and dead letters that retention removed",
            self.records_removed.clone(),
        );
        registry.register(
            "sidecar_config_last_reload_successful",
            "1 if the last reload of the settings succeeded",
            self.config_last_reload_successful.clone(),
        );
        registry.register("sidecar_webhooks", "Webhooks in force, by origin", self.webhooks.clone());
        self.webhooks_query_successful.register(
            registry,
            "sidecar_webhooks_query_last_read_successful",
            "1 if the last read of `webhooks.query` succeeded.",
        );
        self.webhooks_query_refused_rows.register(
            registry,
            "sidecar_webhooks_query_refused_rows",
            "Rows of `webhooks.query` that are refused.",
        );
        registry.register("sidecar_ready", "1 if /-/ready returns 200", self.ready.clone());
        let build: Family<Vec<(&'static str, &'static str)>, Gauge> = Family::default();
        build.get_or_create(&vec![("version", env!("CARGO_PKG_VERSION"))]).set(1);
        registry.register("sidecar_build_info", "Version of the running binary", build);
    }
}
