//! The connection to Postgres: opened, assessed, streamed from, and opened again after a failure.

mod catch_up;
mod continuity;
mod decide;
mod drive;
mod failure_log;
mod first_start;
mod mapping;
mod progress_bar;
mod required;
mod resync;
mod resync_job;
mod source_facts;
mod stream;
mod stream_error;
mod watch_catalog;
mod watch_slot;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_postgres::Client;
use uuid::Uuid;

use self::continuity::{FoundSlot, FoundSource, KnownSource, assess};
use self::decide::{Block, Decision, Inputs, Next, decide};
use self::failure_log::{FailureLog, LogDecision};
use self::mapping::{ResolvedMapping, check_columns, check_mapping};
use self::required::log_waiting;
use self::source_facts::SourceFacts;
use self::stream_error::StreamError;
use self::watch_catalog::CatalogWatch;
use super::state::{Phase, State};
use crate::capture::{Capture, Documents, Notification};
use crate::clock::Clock;
use crate::deliver::{Deliver, Routes};
use crate::metrics::Metrics;
use crate::relation::Table;
use crate::settings::{OnTruncate, Settings};
use crate::source::preflight::server_state::{ServerState, inspect};
use crate::source::preflight::setup::{StartMode, plan, setup};
use crate::source::{
    Connection, Required, SourceError, StreamClosed, StreamTimeouts, SystemIdentity, connect_sql,
};
use crate::spool::{Epochs, Fact, SpoolError, StreamPosition};

pub use self::required::required;

/// What a supervisor works with.
pub(super) struct Params {
    pub(super) settings: Arc<Settings>,
    pub(super) capture: Arc<Capture>,
    pub(super) deliver: Arc<Deliver>,
    pub(super) state: State,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    pub(super) notifications: mpsc::UnboundedReceiver<Notification>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) epochs: Epochs,
    pub(super) routes: watch::Receiver<Arc<Routes>>,
}

/// Keeps a stream running.
pub(super) struct Supervisor {
    settings: Arc<Settings>,
    capture: Arc<Capture>,
    deliver: Arc<Deliver>,
    state: State,
    known: SourceFacts,
    mapping: ResolvedMapping,
    clock: Clock,
    metrics: Metrics,
    notifications: mpsc::UnboundedReceiver<Notification>,
    stop: watch::Receiver<bool>,
    /// Counts connections.
    number: u64,
    /// A stream has run: what is refused from now on is waited for.
    has_streamed: bool,
    failures: FailureLog,
    epochs: Epochs,
    routes: watch::Receiver<Arc<Routes>>,
    /// Why a resync waits for `--force`.
    held: Option<String>,
    /// Tries of the current resync that failed in the catch-up, or in a backfill.
    failed_catch_ups: u32,
    watch: CatalogWatch,
    /// Warnings of a start or resync that is tried again: each is logged once.
    warned: BTreeSet<String>,
    timeouts: StreamTimeouts,
}

/// How a connection ended without a failure.
enum ConnectionEnd {
    /// The next connection is made at once.
    Reconnect,
    StreamEnded(StreamClosed),
}

/// How the supervisor ended.
#[derive(Debug)]
pub(super) enum Termination {
    /// A setting or SQL must change.
    Refused(String),
    SpoolFailed(SpoolError),
    Stopped,
}

impl Supervisor {
    /// `facts` are those of the spool.
    pub(super) fn new(params: Params, facts: &HashMap<Fact, Vec<u8>>) -> anyhow::Result<Self> {
        let Params { settings, capture, deliver, state, clock, metrics, notifications, stop, epochs, routes } =
            params;
        Ok(Self {
            known: SourceFacts::read(facts)?,
            mapping: ResolvedMapping::of(settings.mapping.clone()),
            settings,
            capture,
            deliver,
            state,
            clock,
            metrics,
            notifications,
            stop,
            number: 0,
            has_streamed: false,
            failures: FailureLog::default(),
            epochs,
            routes,
            held: None,
            failed_catch_ups: 0,
            watch: CatalogWatch::default(),
            warned: BTreeSet::new(),
            timeouts: StreamTimeouts::default(),
        })
    }

    pub(super) async fn run(mut self) -> Termination {
        while !*self.stop.borrow() {
            let stream_error = match Box::pin(self.once()).await {
                Ok(ConnectionEnd::Reconnect) => continue,
                Ok(ConnectionEnd::StreamEnded(StreamClosed::Stopped)) => return Termination::Stopped,
                Ok(ConnectionEnd::StreamEnded(StreamClosed::ByServer)) => {
                    StreamError::Transient("the server ended the stream: it shuts down".into())
                }
                Err(stream_error) => stream_error,
            };
            // While the database does not answer, delivery stays as the last connection left it.
            if let StreamError::Blocked(block) = &stream_error {
                self.deliver.hold(block.holds_delivery);
            }
            match stream_error {
                StreamError::Stopped => return Termination::Stopped,
                StreamError::SpoolFailed(error) => return Termination::SpoolFailed(error),
                StreamError::Refused(why) if !self.has_streamed => return Termination::Refused(why),
                StreamError::Transient(why) => self.wait(Phase::WaitingForPostgres(why.clone()), &why).await,
                StreamError::SlotHeld(why) => self.wait(Phase::WaitingForSlot(why.clone()), &why).await,
                StreamError::Blocked(Block { why, .. })
                | StreamError::Refused(why)
                | StreamError::TooManyGone(why)
                | StreamError::Unfit(why) => self.wait(Phase::Stopped(why.clone()), &why).await,
            }
        }
        Termination::Stopped
    }

    /// Logs the failure where its class is new or was logged a minute ago, and waits, longer each time.
    async fn wait(&mut self, phase: Phase, why: &str) {
        self.state.enter(phase);
        match self.failures.failed(why, self.clock.uptime()) {
            LogDecision::New => tracing::warn!("{why}"),
            LogDecision::Suppress => tracing::debug!("again: {why}"),
            LogDecision::Repeat(tries) => tracing::warn!(tries, "still: {why}"),
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.tries().min(6)).min(LONGEST_PAUSE);
        let mut stop = self.stop.clone();
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stopped(&mut stop) => {}
            () = self.state.resyncs.wake.notified() => {}
        }
    }

    /// One connection, from opening to end.
    async fn once(&mut self) -> Result<ConnectionEnd, StreamError> {
        // What an earlier stream applied is committed before anything is compared with it.
        let position = self.capture.flush().await;
        let required = Required {
            identity: self.known.identity.clone(),
            oid: self.known.source.as_ref().and_then(|source| source.table),
            ..required(&self.settings, &self.routes.borrow())
        };
        let conninfo = self.settings.conninfo.clone();
        let client = connect_sql(&conninfo).await?;
        let found = inspect(&client, &required).await?;
        self.resolve_mapping(&found);
        self.state.set_slot(found.slot.as_ref());
        let mut connection = Connection::open(&conninfo).await?;
        self.metrics.replication_connections.inc();
        let system = connection.identify_system().await?;
        self.state.update_server(|server| {
            server.version.clone_from(&connection.server_version);
            server.system_id = Some(system.system_id.clone());
            server.timeline = Some(system.timeline);
        });
        let source = self.found_source(&client, &found, &system, &mut connection).await?;
        let next = self.decide_next(position, &source, &required).await?;
        match next {
            Next::Block(block) => Err(StreamError::Blocked(block)),
            Next::FirstStart { drop_slot } => {
                drop(connection);
                self.first_start(&client, &required, &found, &source.source, drop_slot).await?;
                Ok(ConnectionEnd::Reconnect)
            }
            Next::Resync { job, dry_run } => {
                drop(connection);
                if !dry_run {
                    self.held = None;
                    // What a spool of another time holds goes out only once it is certain that the comparison
                    // is not refused.
                    self.deliver.hold(job.holds_delivery && !job.forced);
                }
                self.resync(job, dry_run, &client, &required, source.source).await?;
                Ok(ConnectionEnd::Reconnect)
            }
            Next::Stream(position) => {
                if let Some(adopted) =
                    check_mapping(self.known.mapping.as_ref(), &self.mapping.mapping, &found)?
                {
                    self.known.mapping = Some(adopted);
                }
                check_columns(&found, &required)?;
                if let Err(stream_error) = self.ready_to_stream(&client, &found, &required).await {
                    let lossy = !found.publication_violations(&required).is_empty();
                    return Err(if lossy {
                        self.watch.refused(stream_error, position.resume_lsn)
                    } else {
                        stream_error
                    });
                }
                self.watch.fixed(&required, source.flush);
                self.watch.log_identity(&found.table, &required);
                self.warn_of_rename(&found.table);
                self.keep_source(&source.source).await?;
                self.stream(connection, client, (&required, &found), position).await
            }
        }
    }

    async fn decide_next(
        &mut self,
        position: Option<StreamPosition>,
        source: &FoundSource,
        required: &Required,
    ) -> Result<Next, StreamError> {
        let continuity = assess(self.known.source.as_ref().zip(position), source);
        let columns_to_backfill =
            self.capture.work(|group_writer| group_writer.layouts.columns_to_backfill());
        let columns_to_backfill = columns_to_backfill.await.ok_or(StreamError::Stopped)?;
        let applied = position.unwrap_or_default().resume_lsn;
        let Decision { next, refusal } = decide(Inputs {
            job: self.known.job.as_ref(),
            request: position.and_then(|_| self.state.resyncs.take()),
            continuity: &continuity,
            held: self.held.as_deref(),
            applied,
            columns_to_backfill: &columns_to_backfill,
            mapping_changed: self.known.mapping.as_ref().is_some_and(|kept| *kept != self.mapping.mapping),
            required,
            new_epoch: Uuid::now_v7(),
        });
        if let Some(why) = refusal {
            self.state.resyncs.refuse(&why, applied);
        }
        Ok(next)
    }

    async fn found_source(
        &self,
        client: &Client,
        found: &ServerState,
        system: &SystemIdentity,
        connection: &mut Connection,
    ) -> Result<FoundSource, StreamError> {
        let switched_at = match &self.known.source {
            Some(known) if known.timeline < system.timeline => {
                connection.switched_at(system.timeline, known.timeline).await?
            }
            _ => None,
        };
        Ok(FoundSource {
            source: KnownSource {
                system_id: system.system_id.clone(),
                timeline: system.timeline,
                slot: self.settings.slot.clone(),
                database: system.dbname.clone(),
                database_oid: Some(database_oid(client).await?),
                table: Some(found.table.oid),
                publication: found.publication.map(|publication| publication.oid),
            },
            flush: system.flush,
            switched_at,
            slot: match &found.slot {
                None => FoundSlot::Missing,
                Some(slot) => match slot.lost_because() {
                    Some(why) => FoundSlot::Lost(why),
                    None => FoundSlot::Usable { confirmed: slot.confirmed.unwrap_or_default() },
                },
            },
        })
    }

    /// The publication exists and publishes every change that the slot has decoded.
    async fn ready_to_stream(
        &self,
        client: &Client,
        found: &ServerState,
        required: &Required,
    ) -> Result<(), StreamError> {
        if found.violations(required).is_empty() && plan(found, required).is_empty() {
            return Ok(());
        }
        let watcher = connect_sql(&self.settings.conninfo).await?;
        setup(client, &watcher, required, StartMode::Resume, &mut log_waiting).await?;
        Ok(())
    }

    /// Warns of a renamed table: it is read under its new name.
    fn warn_of_rename(&mut self, table: &Table) {
        let named = &self.settings.mapping.table;
        let warning = format!(
            "{named} is {}.{} now, and its changes are read as before: set `documents.table` to that name",
            table.schema, table.name
        );
        let is_renamed = (&named.schema, &named.name) != (&table.schema, &table.name);
        if is_renamed && self.warned.insert(warning.clone()) {
            tracing::warn!("{warning}");
        }
    }

    /// The source is kept, with a new timeline after a failover, before anything is read from it.
    async fn keep_source(&mut self, source: &KnownSource) -> Result<(), StreamError> {
        let mapping = self.mapping.mapping.clone();
        let identity = self.known.identity.clone().unwrap_or_default();
        if self.known.replace(source.clone(), mapping, identity) {
            let facts = self.known.facts();
            self.note(facts).await?;
        }
        Ok(())
    }

    async fn note(&self, facts: Vec<(Fact, Option<Vec<u8>>)>) -> Result<(), StreamError> {
        let noted = self.capture.work(move |group_writer| {
            facts.into_iter().for_each(|(fact, value)| group_writer.set_fact(fact, value));
            group_writer.submit(None);
        });
        noted.await.ok_or(StreamError::Stopped)?;
        self.capture.flush().await;
        Ok(())
    }

    /// Resolves the mapping, and what is kept of it, against the table that was found.
    fn resolve_mapping(&mut self, found: &ServerState) {
        let kept = self.known.mapping.take().map(|kept| kept.canonical(found.exclusion.form));
        self.mapping = ResolvedMapping::resolve(&self.settings.mapping, kept.as_ref(), &found.exclusion);
        self.known.mapping = kept;
    }

    fn documents(&self, identity: Vec<String>) -> Documents {
        Documents {
            mapping: self.mapping.mapping.clone(),
            identity,
            excluded_type: self.mapping.excluded_type,
            table: self.known.source.as_ref().and_then(|source| source.table),
            exclude_on_truncate: self.settings.on_truncate == OnTruncate::Exclude,
            until: None,
        }
    }
}

async fn database_oid(client: &Client) -> Result<u32, SourceError> {
    let sql = "SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()";
    Ok(client.query_one(sql, &[]).await?.try_get(0)?)
}

/// Waits for the stop of the process.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
