//! The connection to Postgres: made, judged, streamed from, and made again.

mod catch_up;
mod continuity;
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

use self::continuity::{Continuity, FoundSlot, FoundSource, KnownSource, judge};
use self::failure_log::{Said, Say};
use self::mapping::{OnTable, check_columns};
use self::required::say_waiting;
use self::resync::Repair;
use self::source_facts::SourceFacts;
use self::stream_error::{StreamError, stands};
use self::watch_catalog::CatalogWatch;
use super::state::{Phase, State};
use crate::capture::{Capture, Documents, Notice};
use crate::clock::Clock;
use crate::deliver::{Deliver, Routes};
use crate::metrics::Metrics;
use crate::settings::{OnTruncate, Settings};
use crate::source::catalog::Table;
use crate::source::server_state::{Required, ServerState, server_state};
use crate::source::setup::{Stage, plan, setup};
use crate::source::{Connection, Ended, Patience, SourceError, SystemIdentity, connect_sql};
use crate::spool::{Epochs, Fact, SpoolError};

pub use self::required::required;

/// What a supervisor works with.
pub(super) struct Params {
    pub(super) settings: Arc<Settings>,
    pub(super) capture: Arc<Capture>,
    pub(super) deliver: Arc<Deliver>,
    pub(super) state: State,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    pub(super) notices: mpsc::UnboundedReceiver<Notice>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) epochs: Epochs,
    pub(super) routes: watch::Receiver<Arc<Routes>>,
}

/// Keeps a stream going.
pub(super) struct Supervisor {
    settings: Arc<Settings>,
    capture: Arc<Capture>,
    deliver: Arc<Deliver>,
    state: State,
    known: SourceFacts,
    on_table: OnTable,
    clock: Clock,
    metrics: Metrics,
    notices: mpsc::UnboundedReceiver<Notice>,
    stop: watch::Receiver<bool>,
    /// Of connections; the current one's.
    number: u64,
    /// A stream was under way once: what is wrong now may be cured while we wait.
    has_streamed: bool,
    said: Said,
    epochs: Epochs,
    routes: watch::Receiver<Arc<Routes>>,
    /// Why a resync waits for `--force`.
    held: Option<String>,
    /// Tries of the resync under way that failed before its snapshot for no clear reason.
    catch_ups_failed: u32,
    watch: CatalogWatch,
    /// Warnings of a start or resync that is tried again: each is said once.
    warned: BTreeSet<String>,
    patience: Patience,
}

/// What follows a connection's end where there is no trouble.
enum Next {
    /// Another connection, judged like any other.
    Again,
    /// The stream ended.
    Over(Ended),
}

/// How the supervision ended.
#[derive(Debug)]
pub(super) enum Over {
    /// What a setting or SQL must cure.
    Refused(String),
    SpoolFailed(SpoolError),
    Stopped,
}

impl Supervisor {
    /// `facts` are those of the spool.
    pub(super) fn new(params: Params, facts: &HashMap<Fact, Vec<u8>>) -> anyhow::Result<Self> {
        let Params { settings, capture, deliver, state, clock, metrics, notices, stop, epochs, routes } =
            params;
        Ok(Self {
            known: SourceFacts::read(facts)?,
            on_table: OnTable::of(settings.mapping.clone()),
            settings,
            capture,
            deliver,
            state,
            clock,
            metrics,
            notices,
            stop,
            number: 0,
            has_streamed: false,
            said: Said::default(),
            epochs,
            routes,
            held: None,
            catch_ups_failed: 0,
            watch: CatalogWatch::default(),
            warned: BTreeSet::new(),
            patience: Patience::default(),
        })
    }

    pub(super) async fn run(mut self) -> Over {
        loop {
            let stream_error = match self.once().await {
                Ok(Next::Again) => continue,
                Ok(Next::Over(Ended::Stopped)) => return Over::Stopped,
                Ok(Next::Over(Ended::ByServer)) => {
                    StreamError::Later("the server ended the stream: it shuts down".into())
                }
                Err(stream_error) => stream_error,
            };
            // A database that does not answer is not judged anew: what was found stands.
            if let StreamError::Stands { holds, .. } = stream_error {
                self.deliver.hold(holds);
            }
            match stream_error {
                StreamError::Stopped => return Over::Stopped,
                StreamError::SpoolFailed(error) => return Over::SpoolFailed(error),
                StreamError::Refused(why) if !self.has_streamed => return Over::Refused(why),
                StreamError::Later(why) => self.wait(Phase::WaitingForPostgres(why.clone()), &why).await,
                StreamError::TooManyGone(why) => self.wait(Phase::Stopped(why.clone()), &why).await,
                StreamError::SlotHeld(why) => self.wait(Phase::WaitingForSlot(why.clone()), &why).await,
                StreamError::Refused(why) | StreamError::Unfit(why) | StreamError::Stands { why, .. } => {
                    self.wait(Phase::Stopped(why.clone()), &why).await;
                }
            }
            if *self.stop.borrow() {
                return Over::Stopped;
            }
        }
    }

    /// Says the sentence where its class is new, or a minute old; and waits, longer each time.
    async fn wait(&mut self, phase: Phase, why: &str) {
        self.state.enter(phase);
        match self.said.failed(why, self.clock.uptime()) {
            Say::First => tracing::warn!("{why}"),
            Say::Nothing => tracing::debug!("again: {why}"),
            Say::Still(tries) => tracing::warn!(tries, "still: {why}"),
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.said.tries().min(6)).min(LONGEST_PAUSE);
        let mut stop = self.stop.clone();
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = told(&mut stop) => {}
            () = self.state.resyncs.wake.notified() => {}
        }
    }

    /// One connection, from its making to its end.
    async fn once(&mut self) -> Result<Next, StreamError> {
        // What an earlier stream left is made durable before anything is compared with it.
        let position = self.capture.settle().await;
        let required = Required {
            identity: self.known.identity.clone(),
            oid: self.known.source.as_ref().and_then(|source| source.table),
            ..required(&self.settings, &self.routes.borrow())
        };
        let conninfo = self.settings.conninfo.clone();
        let client = connect_sql(&conninfo).await?;
        let found = server_state(&client, &required).await?;
        self.read_mapping(&found);
        self.state.learn_slot(found.slot.as_ref());
        let mut connection = Connection::open(&conninfo).await?;
        self.metrics.replication_connections.inc();
        let system = connection.identify_system().await?;
        self.state.learn(|server| {
            server.version.clone_from(&connection.server_version);
            server.system_id = Some(system.system_id.clone());
            server.timeline = Some(system.timeline);
        });
        let source = self.found_source(&client, &found, &system, &mut connection).await?;
        let known = self.known.source.clone();
        let judged = judge(known.as_ref().zip(position), &source);
        let unlearned = self
            .capture
            .work(|group_writer| group_writer.layouts.unlearned())
            .await
            .ok_or(StreamError::Stopped)?;
        if let Some(position) = position
            && let Repair::Resync { job, dry_run } = self.repair(&judged, position, &required, &unlearned)?
        {
            drop(connection);
            // One that only counts sends nothing, not even what was held.
            if !dry_run {
                self.deliver.hold(false);
            }
            self.resync(job, dry_run, &client, &required, source.source).await?;
            return Ok(Next::Again);
        }
        match judged {
            Continuity::FirstStart { drop_slot } => {
                drop(connection);
                self.first_start(&client, &required, &found, &source.source, drop_slot).await?;
                // The stream begins on a connection of its own, judged like any other.
                Ok(Next::Again)
            }
            Continuity::GoOn(position) => {
                self.check_mapping(&found)?;
                check_columns(&found, &required)?;
                if let Err(stream_error) = self.ready_to_stream(&client, &found, &required).await {
                    let lossy = !found.publication_refusals(&required).is_empty();
                    return Err(if lossy {
                        self.watch.refused(stream_error, position.resume_lsn)
                    } else {
                        stream_error
                    });
                }
                self.watch.cured(&required, source.flush);
                self.watch.tell_identity(&found.table, &required);
                self.tell_name(&found.table);
                self.note_source(&source.source).await?;
                self.stream(connection, client, (&required, &found), position).await
            }
            other => Err(stands(&other, &required)),
        }
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

    /// The publication is there and as it must be; an older slot's changes are all in it.
    async fn ready_to_stream(
        &self,
        client: &Client,
        found: &ServerState,
        required: &Required,
    ) -> Result<(), StreamError> {
        if found.refusals(required).is_empty() && plan(found, required).is_empty() {
            return Ok(());
        }
        let watcher = connect_sql(&self.settings.conninfo).await?;
        setup(client, &watcher, required, Stage::GoesOn, &mut say_waiting).await?;
        Ok(())
    }

    /// A table that was renamed is read under its new name.
    fn tell_name(&mut self, table: &Table) {
        let named = &self.settings.mapping.table;
        let told = format!(
            "{named} is {}.{} now, and its changes are read as before: set `documents.table` to that name",
            table.schema, table.name
        );
        let is_renamed = (&named.schema, &named.name) != (&table.schema, &table.name);
        if is_renamed && self.warned.insert(told.clone()) {
            tracing::warn!("{told}");
        }
    }

    /// A failover's new timeline is remembered before anything is read from it.
    async fn note_source(&mut self, source: &KnownSource) -> Result<(), StreamError> {
        let mapping = self.on_table.mapping.clone();
        let identity = self.known.identity.clone().unwrap_or_default();
        if self.known.learn(source.clone(), mapping, identity) {
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
        self.capture.settle().await;
        Ok(())
    }

    fn documents(&self, identity: Vec<String>) -> Documents {
        Documents {
            mapping: self.on_table.mapping.clone(),
            identity,
            excluded_type: self.on_table.excluded_type,
            table: self.known.source.as_ref().and_then(|source| source.table),
            exclude_on_truncate: self.settings.on_truncate == OnTruncate::Exclude,
            until: None,
        }
    }
}

async fn database_oid(client: &Client) -> Result<u32, SourceError> {
    let asked = "SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()";
    Ok(client.query_one(asked, &[]).await?.try_get(0)?)
}

/// Waits until we are to stop.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
