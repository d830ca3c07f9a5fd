//! The status of the running sidecar, and the gauges computed from it.

use std::path::Path;
use std::sync::PoisonError;
use std::time::Duration;

use super::Controller;
use super::replays::{running, window};
use crate::admin::{
    DroppedLane, DroppedStatus, LaneBacklog, LaneStatus, OpenTransactionStatus, OriginCounts, Progress,
    Readiness, ReplayStatus, Scope, SourceStatus, SpoolStatus, Status,
};
use crate::alert::Figures;
use crate::capture::Dropped;
use crate::clock::Clock;
use crate::metrics::{OperationLabel, OriginLabel, ProjectLane, StateLabel};
use crate::service::slot_history::SlotHistory;
use crate::service::state::Phase;
use crate::spool::{Room, Usage};
use crate::time::Timestamp;

impl Controller {
    pub(super) fn current_status(&self) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at.to_rfc3339(),
            at: Clock::now().to_rfc3339(),
            readiness: self.current_readiness(),
            source: self.source_status(),
            spool: self.spool_status(),
            lanes: self.lane_statuses(),
            dropped: shown(self.capture.dropped_records().dropped()),
            filtered: shown(self.capture.dropped_records().filtered()),
            replays: self.running_replays(),
            webhooks: self.webhook_sources(&Scope::All),
        }
    }

    /// Ready: the first start has finished, the stream moves or is idle with keepalives, the spool is writable.
    pub(super) fn current_readiness(&self) -> Readiness {
        let mut reasons = Vec::new();
        let phase = self.state.phase();
        if !matches!(phase, Phase::Streaming) {
            let (state, detail) = phase.describe();
            reasons.push(detail.map_or_else(|| state.to_string(), |detail| format!("{state}: {detail}")));
        }
        if self.spool.room() == Room::Full {
            reasons.push("spool full".to_owned());
        }
        Readiness { ready: reasons.is_empty(), reasons }
    }

    fn source_status(&self) -> SourceStatus {
        let (phase, server) = (self.state.phase(), self.state.server());
        let position = self.capture.position();
        let (state, detail) = phase.describe();
        let now = Clock::now();
        let (slot, slot_queried_at) = server.slot_figures(now);
        let confirmed = *self.capture.confirmed().borrow();
        // Figures that are no longer current are not shown.
        let history = slot.lag_bytes.map(|_| server.slot_history);
        SourceStatus {
            state,
            detail,
            database: self.settings.conninfo.redacted(),
            server_version: server.version,
            system_id: server.system_id,
            timeline: server.timeline,
            slot: self.settings.slot.clone(),
            publication: self.settings.publication.clone(),
            confirmed_lsn: Some(confirmed.to_string()),
            resume_lsn: position.map(|position| position.resume_lsn.to_string()),
            open_transaction: position.and_then(|position| position.open).map(|open| OpenTransactionStatus {
                commit_lsn: open.commit.to_string(),
                changes_applied: open.changes_applied,
                records_made: open.records_made,
            }),
            last_message_at: server.last_message_at.map(Timestamp::to_rfc3339),
            confirmed_lag_bytes: slot.lag_bytes,
            retained_bytes: slot.retained_bytes,
            wal_status: slot.wal_status,
            confirmed_at: history.as_ref().and_then(SlotHistory::confirmed_at).map(Timestamp::to_rfc3339),
            confirmed_lag_seconds: history
                .as_ref()
                .and_then(|history| history.lag(confirmed.0, now))
                .map(|lag| lag.as_secs_f64()),
            catches_up_in_seconds: history
                .and_then(|history| history.catches_up_in())
                .map(|left| left.as_secs_f64()),
            safe_wal_bytes: slot.safe_wal_bytes,
            walsender_waits_for: slot.waits_for,
            slot_queried_at: slot_queried_at.map(Timestamp::to_rfc3339),
            seeding: match phase {
                Phase::Seeding { progress, estimate, began }
                | Phase::Resyncing { progress, estimate, began, .. } => {
                    let done = progress.done.load(std::sync::atomic::Ordering::Relaxed);
                    Some(comparison(done, estimate.max(done), Clock::now().since(began)))
                }
                _ => None,
            },
            resync: self.state.resyncs.last(),
        }
    }

    fn spool_status(&self) -> SpoolStatus {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let usage = reader.usage().unwrap_or_default();
        let bytes_max = self.settings.spool_bytes_max;
        let disk_free_bytes = free_bytes(&self.settings.spool_path);
        let window = window(&reader, &self.capture).unwrap_or_default();
        let after = window.as_ref().and_then(|window| Timestamp::from_rfc3339(&window.after));
        SpoolStatus {
            path: self.settings.spool_path.display().to_string(),
            epoch: self.state.server().epoch.unwrap_or(self.epoch).to_string(),
            room: self.spool.room(),
            live_bytes: usage.live_bytes,
            bytes_max,
            file_bytes: usage.file_bytes,
            disk_free_bytes,
            full_in_seconds: self
                .recent
                .activity
                .full_in(bytes_left(&usage, bytes_max, disk_free_bytes))
                .map(|left| left.as_secs_f64()),
            window_seconds: after.map(|after| Clock::now().since(after).as_secs_f64()),
            shadow_documents: usage.shadow_documents,
            shadow_bytes: usage.shadow_bytes,
            dead_letter_records: usage.dead_records,
            window,
        }
    }

    fn running_replays(&self) -> Vec<ReplayStatus> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        running(&reader, || self.lanes()).unwrap_or_default()
    }

    pub(super) fn lane_statuses(&self) -> Vec<LaneStatus> {
        let seconds = |duration: Option<std::time::Duration>| duration.map(|duration| duration.as_secs_f64());
        let lane = |view: crate::deliver::LaneView| LaneStatus {
            project: view.project,
            callback: view.lane.callback(),
            state: view.state,
            pending: LaneBacklog {
                records: view.pending_records,
                bytes: view.pending_bytes,
                oldest_seconds: seconds(view.oldest),
            },
            failures: view.failures,
            next_attempt_in_seconds: seconds(view.next_attempt),
            last_success_seconds: seconds(view.last_success),
            last_outcome: view.last_outcome,
            reason: view.reason,
            paused_by: view.paused_by,
            since_seconds: seconds(view.since),
            gives_up_in_seconds: seconds(view.gives_up_in),
            status: view.status,
            class: view.cause.map(|cause| cause.class),
            cause: view.cause.map(|cause| cause.name.into()),
            remedy: view.cause.map(|cause| cause.remedy.into()),
        };
        self.deliver.view().into_iter().map(lane).collect()
    }

    /// The figures that alerts may be about.
    pub(in crate::service) fn alert_figures(&self) -> Figures {
        let (slot, _) = self.state.server().slot_figures(Clock::now());
        let confirmed = self.capture.confirmed().borrow().0;
        let operations = ["insert", "update", "delete", "truncate"];
        let changes = operations
            .map(|operation| self.metrics.changes.get_or_create(&OperationLabel { operation }).get());
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        Figures {
            slot_retained_bytes: slot.retained_bytes,
            spool_bytes: reader.usage().unwrap_or_default().live_bytes,
            spool_bytes_max: self.settings.spool_bytes_max,
            server_lsn: slot.lag_bytes.map(|lag| confirmed.saturating_add(lag)),
            changes: changes.iter().sum(),
        }
    }

    /// Sets the gauges that are computed from the status. The lanes are counted, and not listed: metrics are read
    /// often, and lanes may be many.
    pub(super) fn set_gauges(&self) {
        let metrics = &self.metrics;
        let (spool, source, replays) = (self.spool_status(), self.source_status(), self.running_replays());
        metrics.spool_bytes.set(gauge(spool.live_bytes));
        metrics.spool_bytes_max.set(gauge(spool.bytes_max));
        metrics.shadow_bytes.set(gauge(spool.shadow_bytes));
        metrics.shadow_documents.set(gauge(spool.shadow_documents));
        metrics.slot_retained_bytes.set(source.retained_bytes);
        metrics.slot_confirmed_lag_bytes.set(source.confirmed_lag_bytes);
        metrics.replays_running.set(gauge(replays.len() as u64));
        let left = |replay: &ReplayStatus| replay.waiting.iter().map(|lane| lane.records).sum::<u64>();
        metrics.replay_pending_records.set(gauge(replays.iter().map(left).sum()));
        let after = spool.window.as_ref().and_then(|window| Timestamp::from_rfc3339(&window.after));
        metrics.replay_window_start.set(after.map_or(0, Timestamp::unix_seconds));
        metrics.ready.set(i64::from(self.current_readiness().ready));
        self.set_gauges_of_lanes();
        self.set_gauges_of_webhooks();
    }

    fn set_gauges_of_lanes(&self) {
        let metrics = &self.metrics;
        let counts = self.deliver.counts();
        metrics.oldest_pending_seconds.set(gauge(counts.oldest.unwrap_or_default().as_secs()));
        for (condition, count) in counts.lanes {
            metrics.lanes.get_or_create(&StateLabel { state: condition.name() }).set(gauge(count));
        }
        if let Some(projects) = &metrics.projects {
            let lanes = self.deliver.view();
            projects.set_lanes(lanes.iter().map(|lane| ProjectLane {
                project: &lane.project,
                pending_records: lane.pending_records,
                is_unhealthy: !lane.state.is_healthy(),
            }));
        }
    }

    fn set_gauges_of_webhooks(&self) {
        let (metrics, webhooks) = (&self.metrics, self.webhook_sources(&Scope::All));
        let OriginCounts { file, query, set } = webhooks.counts;
        for (origin, count) in [("file", file), ("query", query), ("set", set)] {
            metrics.webhooks.get_or_create(&OriginLabel { origin }).set(gauge(count));
        }
        let query = webhooks.query.as_ref();
        metrics
            .webhooks_query_successful
            .set(query.map(|query| u64::from(query.error.is_none() && query.read_at.is_some())));
        metrics
            .webhooks_query_refused_rows
            .set(query.map(|query| query.refused.len() as u64 + query.more_refused));
    }
}

fn gauge(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Free bytes of the disk of a folder; `None`: the file system does not say.
fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// By how much the spool may grow: its limit and its disk, where free space in the file is used first.
fn bytes_left(usage: &Usage, bytes_max: u64, disk_free: Option<u64>) -> u64 {
    let reusable = usage.file_bytes.saturating_sub(usage.live_bytes.saturating_add(usage.shadow_bytes));
    let on_disk = disk_free.map_or(u64::MAX, |free| free.saturating_add(reusable));
    bytes_max.saturating_sub(usage.live_bytes).min(on_disk)
}

/// The progress of a comparison that has taken this long.
fn comparison(done: u64, estimate: u64, took: Duration) -> Progress {
    let as_number = |count| Duration::from_secs(count).as_secs_f64();
    let per_second = Some(as_number(done) / took.as_secs_f64()).filter(|rate| rate.is_normal());
    let left = per_second.map(|per_second| as_number(estimate - done) / per_second);
    Progress { done, estimate, documents_per_second: per_second, seconds_left: left }
}

/// The lanes with the most records.
fn shown(mut dropped: Vec<Dropped>) -> DroppedStatus {
    dropped.sort_by_key(|lane| std::cmp::Reverse(lane.records));
    let records = dropped.iter().map(|lane| lane.records).sum();
    let more_lanes = dropped.len().saturating_sub(DROPPED_LANES_SHOWN) as u64;
    let lanes = dropped.into_iter().take(DROPPED_LANES_SHOWN).map(|lane| DroppedLane {
        project: lane.project,
        callback: lane.callback,
        records: lane.records,
    });
    DroppedStatus { records, lanes: lanes.collect(), more_lanes }
}

const DROPPED_LANES_SHOWN: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_may_end_before_the_limit_of_the_spool() {
        let usage = Usage { live_bytes: 100, file_bytes: 500, shadow_bytes: 50, ..Usage::default() };
        assert_eq!(bytes_left(&usage, 1_000, None), 900);
        assert_eq!(bytes_left(&usage, 1_000, Some(10_000)), 900);
        assert_eq!(bytes_left(&usage, 1_000, Some(20)), 370, "20 of the disk and 350 in the file");
        assert_eq!(bytes_left(&usage, 50, Some(20)), 0);
    }
}
