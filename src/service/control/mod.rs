//! What the admin port and the control socket call on the running sidecar.

mod access;
mod bulk;
mod bulk_deliveries;
mod bulk_selection;
mod dead_letter_filter;
mod dead_letters;
mod deliveries;
mod delivery_detail;
mod delivery_query;
mod document_count;
mod document_records;
mod documents;
mod jobs;
mod kept;
mod lane_activity;
mod lane_requests;
mod lanes;
mod operations;
mod projects;
mod pulled_records;
mod recent_status;
mod records;
mod replayed_batches;
mod replays;
mod resync;
mod status;
mod stored_records;
mod tail_line;
mod test_requests;
mod webhook_sources;
mod webhooks;
mod why;

use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use uuid::Uuid;

pub(super) use self::jobs::Jobs;
use self::kept::Kept;
use self::lanes::Lanes;
use self::recent_status::RecentStatus;
use super::activity::{self, RecentActivity};
use super::audit::Entry;
use super::credentials::Credentials;
use super::run_error::RunError;
use super::settings_in_use::SettingsInUse;
use super::state::State;
use super::webhooks::Webhooks;
use crate::admin::{
    self, Access, Activity, AdminListener, AdminState, Capability, Control, DeadLetterCounts,
    DeadLetterDetail, DeadLetterFilter, DeadLetterPage, DeadLetterQuery, DeadLetterSelection, DocumentCount,
    LaneActivity, ProjectDetail, ProjectPage, ProjectQuery, Readiness, ReplayList, ReplayStatus,
    ReplaySummary, RequestError, ResyncRequest, Status, Tail,
};
use crate::amount::count;
use crate::capture::Capture;
use crate::clock::Clock;
use crate::deliver::{Deliver, SendRequest};
use crate::metrics::Metrics;
use crate::record::LaneNo;
use crate::replay::ReplayRequest;
use crate::settings::Settings;
use crate::spool::{Reader, Spool, SpoolError};
use crate::time::Timestamp;

pub(super) use self::tail_line::tail_line;

/// What is kept in memory for pages.
#[derive(Default)]
pub(super) struct Recent {
    status: RecentStatus,
    activity: RecentActivity,
    counts: Kept<String, Option<DocumentCount>>,
    lanes: Kept<LaneNo, LaneActivity>,
}

/// Serves the requests of the admin port and of the control socket.
pub(super) struct Controller {
    pub(super) state: State,
    pub(super) capture: Arc<Capture>,
    pub(super) deliver: Arc<Deliver>,
    pub(super) spool: Spool,
    /// For the status, which is read often.
    pub(super) reader: Mutex<Reader>,
    pub(super) metrics: Metrics,
    pub(super) clock: Clock,
    pub(super) started_at: Timestamp,
    pub(super) settings: Arc<Settings>,
    /// The current epoch when the process started.
    pub(super) epoch: Uuid,
    pub(super) webhooks: Arc<Webhooks>,
    /// For tests of webhooks.
    pub(super) post: Mutex<SendRequest>,
    pub(super) credentials: Credentials,
    pub(super) recent: Recent,
    /// The settings that the process uses.
    pub(super) in_use: Arc<SettingsInUse>,
    /// Requests that take long.
    pub(super) jobs: Jobs,
}

impl Control for Controller {
    fn readiness(&self) -> Readiness {
        self.current_readiness()
    }

    fn status(&self, access: &Access) -> Result<Status, RequestError> {
        access.scope.require_all()?;
        Ok(self.current_status())
    }

    fn recent_status(&self, access: &Access) -> Result<Arc<Status>, RequestError> {
        access.scope.require_all()?;
        Ok(self.recent.status.get(self.clock, || self.current_status()))
    }

    fn activity(&self, access: &Access) -> Result<Activity, RequestError> {
        access.scope.require_all()?;
        Ok(self.recent.activity.activity())
    }

    fn projects(&self, query: &ProjectQuery, access: &Access) -> Result<ProjectPage, RequestError> {
        self.project_page(query, access)
    }

    fn project(&self, project: &str, access: &Access) -> Result<ProjectDetail, RequestError> {
        self.project_detail(project, access)
    }

    fn refresh_gauges(&self) {
        self.set_gauges();
    }

    fn resync(&self, request: ResyncRequest, access: &Access) -> Result<u64, RequestError> {
        if let Some(project) = &request.as_ingested {
            access.scope.require(project)?;
        } else {
            access.scope.require_all()?;
            access.require(Capability::Manage)?;
        }
        let (project, dry_run) = (request.as_ingested.clone(), request.dry_run);
        let number = self.request_resync(request).map_err(RequestError::Conflict)?;
        if !dry_run {
            self.record(access, Entry::about("a resync was requested", project.as_deref()));
        }
        Ok(number)
    }

    fn cancel_resync(&self, access: &Access) -> Result<u64, RequestError> {
        access.scope.require_all()?;
        let number = self.end_resync().map_err(RequestError::Conflict)?;
        let detail = Some(format!("resync {number}"));
        self.record(access, Entry { detail, ..Entry::of("a resync was cancelled") });
        Ok(number)
    }

    fn replay(&self, request: ReplayRequest, access: &Access) -> Result<ReplaySummary, RequestError> {
        let project = access.scope.narrowed(request.project.as_deref())?;
        let (about, dry_run) = (project.clone(), request.dry_run);
        let summary = self.start_replay(ReplayRequest { project, ..request })?;
        if !dry_run {
            let detail = Some(count(summary.records, "record", "records"));
            self.record(access, Entry { detail, ..Entry::about("a replay was requested", about.as_deref()) });
        }
        Ok(summary)
    }

    fn replays(&self, access: &Access) -> Result<ReplayList, RequestError> {
        self.list_replays(&access.scope)
    }

    fn cancel_replay(&self, no: u64, access: &Access) -> Result<ReplayStatus, RequestError> {
        let stopped = self.stop_replay(no, &access.scope)?;
        let about = Entry::about("a replay was cancelled", stopped.request.project.as_deref());
        self.record(access, Entry { detail: Some(format!("replay {no}")), ..about });
        Ok(stopped)
    }

    fn dead_letters(&self, query: &DeadLetterQuery, access: &Access) -> Result<DeadLetterPage, RequestError> {
        let project = access.scope.narrowed(query.filter.project.as_deref())?;
        let filter = DeadLetterFilter { project, ..query.filter.clone() };
        let query = DeadLetterQuery { filter, ..query.clone() };
        dead_letters::page(&self.reader()?, &query)
    }

    fn dead_letter(&self, no: i64, access: &Access) -> Result<DeadLetterDetail, RequestError> {
        dead_letters::detail(&self.reader()?, no, &access.scope)
    }

    fn redeliver(
        &self,
        selection: &DeadLetterSelection,
        access: &Access,
    ) -> Result<DeadLetterCounts, RequestError> {
        self.redeliver_dead_letters(selection, access)
    }

    fn discard(
        &self,
        selection: &DeadLetterSelection,
        access: &Access,
    ) -> Result<DeadLetterCounts, RequestError> {
        self.discard_dead_letters(selection, access)
    }
}

impl Controller {
    fn reader(&self) -> Result<Reader, SpoolError> {
        self.spool.reader()
    }

    fn record(&self, access: &Access, entry: Entry<'_>) {
        self.webhooks.audit().record(access, entry);
    }

    fn lanes(&self) -> Lanes {
        Lanes::of(self.deliver.view())
    }
}

/// Listens on the admin port and on the control socket.
pub(super) async fn serve(
    controller: Arc<Controller>,
    registry: Registry,
    tail: Tail,
) -> Result<Vec<tokio::task::JoinHandle<()>>, RunError> {
    controller.check_way_in()?;
    let settings = Arc::clone(&controller.settings);
    let sampled = sample(Arc::clone(&controller));
    let access = (settings.access.clone(), settings.token.is_none());
    let admin = Arc::new(AdminState::new(controller, registry, tail, access));
    let tcp = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("listen on `admin.listen` {}", settings.listen))?;
    let listener = AdminListener::new(tcp, settings.access.tls.clone())?;
    let socket = admin::bind_socket(&settings.spool_path)?;
    let log_error = |served: anyhow::Result<()>| {
        if let Err(error) = served {
            tracing::error!("{error:#}");
        }
    };
    let (on_port, on_socket) = (Arc::clone(&admin), admin);
    Ok(vec![
        tokio::spawn(sampled),
        tokio::spawn(async move { log_error(admin::serve_tcp(on_port, listener).await) }),
        tokio::spawn(async move { log_error(admin::serve_socket(on_socket, socket).await) }),
    ])
}

/// Ends an interval of the activity whenever it is over, and drops the status that no page asks for any more.
async fn sample(controller: Arc<Controller>) {
    let mut every = tokio::time::interval(activity::EVERY);
    loop {
        every.tick().await;
        let sampled = Arc::clone(&controller);
        let _ = tokio::task::spawn_blocking(move || {
            sampled.recent.activity.sample(&sampled.metrics, sampled.alert_figures().spool_bytes);
            sampled.recent.status.forget_old(sampled.clock);
        })
        .await;
    }
}
