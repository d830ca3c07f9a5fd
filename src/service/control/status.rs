//! The status of the running sidecar, and its gauges.

use std::sync::{Arc, Mutex, PoisonError};

use super::replays::{Lanes, running, window};
use crate::admin::{
    LaneStatus, NotKeptLane, NotKeptStatus, OpenTransactionStatus, Pending, Progress, Readiness,
    ReplayStatus, ResyncAsked, SourceStatus, SpoolStatus, Status,
};
use crate::capture::{Capture, RouteFilter};
use crate::clock::Clock;
use crate::deliver::Deliver;
use crate::metrics::{Metrics, StateLabel};
use crate::record::Callback;
use crate::service::state::{Phase, State};
use crate::spool::{Reader, Room, Spool};
use crate::time::Timestamp;

/// All that a status is made of.
pub(in crate::service) struct Viewer {
    pub(in crate::service) state: State,
    pub(in crate::service) capture: Arc<Capture>,
    pub(in crate::service) deliver: Arc<Deliver>,
    pub(in crate::service) spool: Spool,
    pub(in crate::service) reader: Mutex<Reader>,
    pub(in crate::service) metrics: Metrics,
    pub(in crate::service) started_at: Timestamp,
    pub(in crate::service) database: String,
    pub(in crate::service) slot: String,
    pub(in crate::service) publication: String,
    pub(in crate::service) epoch: uuid::Uuid,
    pub(in crate::service) bytes_max: u64,
    pub(in crate::service) keep: RouteFilter,
}

impl Viewer {
    pub(in crate::service) fn status(&self) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION"),
            started_at: self.started_at.to_rfc3339(),
            readiness: self.readiness(),
            source: self.source(),
            spool: self.spool(),
            lanes: self.lanes(),
            not_kept: self.not_kept(),
            replays: self.replays(),
        }
    }

    fn not_kept(&self) -> NotKeptStatus {
        let mut dropped = self.capture.not_kept().dropped();
        dropped.sort_by_key(|lane| std::cmp::Reverse(lane.records));
        let records = dropped.iter().map(|lane| lane.records).sum();
        let more_lanes = dropped.len().saturating_sub(NOT_KEPT_SHOWN) as u64;
        let shown = dropped.into_iter().take(NOT_KEPT_SHOWN).map(|lane| NotKeptLane {
            project: lane.project,
            callback: lane.callback.name(),
            records: lane.records,
        });
        NotKeptStatus { records, lanes: shown.collect(), more_lanes }
    }

    /// Asks for a resync, and says its number.
    pub(in crate::service) fn resync(&self, asked: ResyncAsked) -> Result<u64, String> {
        if self.capture.position().is_none() {
            return Err("the first start has not ended: there is nothing to compare with".to_owned());
        }
        if asked.dry_run && asked.as_ingested.is_some() {
            return Err(
                "`dry_run` counts differences, and `as_ingested` makes none: ask for one of them".to_owned()
            );
        }
        if let Some(project) = &asked.as_ingested
            && !(self.keep)(project, Callback::Ingested)
        {
            return Err(format!("no webhook is set for `ingested` of the project `{project}`"));
        }
        self.state.resyncs.ask(asked)
    }

    /// Seeded, the stream moving or idle with keepalives, the spool writable.
    pub(in crate::service) fn readiness(&self) -> Readiness {
        let mut reasons = Vec::new();
        let phase = self.state.phase();
        if !matches!(phase, Phase::Streaming) {
            let (word, sentence) = phase.told();
            reasons.push(sentence.map_or_else(|| word.to_owned(), |sentence| format!("{word}: {sentence}")));
        }
        if self.spool.room() == Room::Full {
            reasons.push("spool full".to_owned());
        }
        Readiness { ready: reasons.is_empty(), reasons }
    }

    fn source(&self) -> SourceStatus {
        let (phase, server) = (self.state.phase(), self.state.server());
        let position = self.capture.position();
        let (state, detail) = phase.told();
        let (slot, slot_asked_at) = server.slot_figures(Clock::now());
        SourceStatus {
            state: state.to_owned(),
            detail,
            database: self.database.clone(),
            server_version: server.version,
            system_id: server.system_id,
            timeline: server.timeline,
            slot: self.slot.clone(),
            publication: self.publication.clone(),
            confirmed_lsn: Some(self.capture.confirmed().borrow().to_string()),
            whole_lsn: position.map(|position| position.resume_lsn.to_string()),
            open_transaction: position.and_then(|position| position.open).map(|open| OpenTransactionStatus {
                commit_lsn: open.commit.to_string(),
                changes_applied: open.changes_applied,
                records_made: open.records_made,
            }),
            last_message_at: server.last_message_at.map(Timestamp::to_rfc3339),
            confirmed_lag_bytes: slot.lag_bytes,
            retained_bytes: slot.retained_bytes,
            wal_status: slot.wal_status,
            slot_asked_at: slot_asked_at.map(Timestamp::to_rfc3339),
            seeding: match phase {
                Phase::Seeding { watched, estimate } | Phase::Resyncing { watched, estimate, .. } => {
                    let done = watched.done.load(std::sync::atomic::Ordering::Relaxed);
                    Some(Progress { done, estimate: estimate.max(done) })
                }
                _ => None,
            },
            resync: self.state.resyncs.last(),
        }
    }

    fn spool(&self) -> SpoolStatus {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let usage = reader.usage().unwrap_or_default();
        SpoolStatus {
            path: self.spool.folder().display().to_string(),
            epoch: self.state.server().epoch.unwrap_or(self.epoch).to_string(),
            room: match self.spool.room() {
                Room::Full => "full",
                Room::Near => "near",
                Room::Open => "open",
            }
            .to_owned(),
            live_bytes: usage.live_bytes,
            bytes_max: self.bytes_max,
            file_bytes: usage.file_bytes,
            shadow_documents: usage.shadow_documents,
            shadow_bytes: usage.shadow_bytes,
            dead_letter_records: usage.dead_records,
            window: window(&reader, &self.capture).unwrap_or_default(),
        }
    }

    fn replays(&self) -> Vec<ReplayStatus> {
        let lanes = Lanes(self.deliver.view().into_iter().map(|view| (view.lane, view)).collect());
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        running(&reader, &lanes).unwrap_or_default()
    }

    fn lanes(&self) -> Vec<LaneStatus> {
        let seconds = |duration: Option<std::time::Duration>| duration.map(|duration| duration.as_secs_f64());
        let lane = |view: crate::deliver::LaneView| LaneStatus {
            project: view.project,
            callback: view.lane.callback().name().to_owned(),
            state: view.state.to_owned(),
            pending: Pending {
                records: view.pending_records,
                bytes: view.pending_bytes,
                oldest_seconds: seconds(view.oldest),
            },
            failures: view.failures,
            next_attempt_in_seconds: seconds(view.next_attempt),
            last_outcome: view.last_outcome.map(str::to_owned),
            reason: view.reason,
        };
        self.deliver.view().into_iter().map(lane).collect()
    }

    /// Brings the gauges up to date.
    pub(in crate::service) fn refresh(&self) {
        let status = self.status();
        let metrics = &self.metrics;
        let gauge = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        metrics.spool_bytes.set(gauge(status.spool.live_bytes));
        metrics.shadow_bytes.set(gauge(status.spool.shadow_bytes));
        metrics.shadow_documents.set(gauge(status.spool.shadow_documents));
        metrics.slot_retained_bytes.show(status.source.retained_bytes);
        metrics.slot_confirmed_lag_bytes.show(status.source.confirmed_lag_bytes);
        metrics.replays_running.set(gauge(status.replays.len() as u64));
        let left = |replay: &ReplayStatus| replay.waiting.iter().map(|lane| lane.records).sum::<u64>();
        metrics.replay_pending_records.set(gauge(status.replays.iter().map(left).sum()));
        let after = status.spool.window.and_then(|window| Timestamp::from_rfc3339(&window.after));
        metrics.replay_window_start.set(after.map_or(0, Timestamp::unix_seconds));
        metrics.ready.set(i64::from(status.readiness.ready));
        let oldest = status.lanes.iter().filter_map(|lane| lane.pending.oldest_seconds).fold(0.0, f64::max);
        metrics.oldest_pending_seconds.set(gauge(std::time::Duration::from_secs_f64(oldest).as_secs()));
        for state in ["idle", "busy", "waiting", "failing", "paused", "without webhook"] {
            let count = status.lanes.iter().filter(|lane| lane.state == state).count();
            metrics.lanes.get_or_create(&StateLabel { state }).set(gauge(count as u64));
        }
    }
}

const NOT_KEPT_SHOWN: usize = 100;
