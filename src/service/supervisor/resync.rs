//! A resync: what is made, dropped and read for it, and what it leaves.

use std::sync::atomic::Ordering;

use tokio::runtime::Handle;
use tokio_postgres::Client;
use uuid::Uuid;

use super::catch_up::TRIES_MAX;
use super::continuity::{Continuity, KnownSource};
use super::required::say_waiting;
use super::resync_job::ResyncJob;
use super::stream_error::{StreamError, gap, stands};
use super::{Supervisor, told};
use crate::admin::{ResyncRequest, ResyncState};
use crate::capture::GroupWriter;
use crate::metrics::OutcomeLabel;
use crate::position::Lsn;
use crate::resync::{Comparison, Differences, Makes, ResyncError, Watched};
use crate::service::state::Phase;
use crate::source::refusal::CatalogError;
use crate::source::server_state::{Required, server_state};
use crate::source::setup::{Stage, setup};
use crate::source::snapshot::Snapshot;
use crate::source::{SourceError, connect_sql, identity, slot};
use crate::spool::{Epochs, Fact, StreamPosition};

/// What there is to do before a stream can go on.
pub(super) enum Repair {
    /// Nothing.
    No,
    /// Compare; of a dry run nothing is remembered.
    Resync { job: ResyncJob, dry_run: bool },
}

impl Supervisor {
    /// What is asked for, what a killed resync left, or what the source's state calls for.
    pub(super) fn repair(
        &mut self,
        judged: &Continuity,
        position: StreamPosition,
        required: &Required,
        unlearned: &[String],
    ) -> Result<Repair, StreamError> {
        let health = self.known.job.clone();
        let asked = self.fit(health.as_ref(), judged, position.resume_lsn);
        let dry_run = asked.as_ref().is_some_and(|asked| asked.dry_run);
        // A mark that was made for another database does not adopt this one.
        let adopts = health.as_ref().is_none_or(|job| job.epoch.is_some())
            || asked.as_ref().is_some_and(|asked| asked.adopt);
        if matches!(judged, Continuity::Diverged { .. }) && !adopts {
            if asked.is_some() {
                self.state.resyncs.refuse(DIVERGED, position.resume_lsn);
            }
            return Err(stands(judged, required));
        }
        let job = match (health, asked) {
            (Some(job), None) => match &self.held {
                Some(why) => return Err(StreamError::Stands { why: why.clone(), holds: job.holds }),
                None => job,
            },
            (Some(job), Some(asked)) => {
                let epoch = job.epoch.or_else(|| asked.adopt.then(Uuid::now_v7));
                let catches_up = job.catches_up && !matches!(judged, Continuity::Diverged { .. });
                // What it was to take over silently it does not send.
                let learns = job.learns || asked.learn;
                let holds = job.holds || epoch.is_some();
                ResyncJob { forced: asked.force, learns, epoch, catches_up, holds, ..job }
            }
            (None, None) => match gap(judged, required) {
                Some(job) => job,
                None if matches!(judged, Continuity::GoOn(_)) && !unlearned.is_empty() => {
                    ResyncJob::of_unlearned(unlearned, position.resume_lsn)
                }
                None => return Ok(Repair::No),
            },
            (None, Some(asked)) => match mark_of(&asked, judged, position, required) {
                Ok(job) => job,
                Err(why) => {
                    self.state.resyncs.refuse(&why, position.resume_lsn);
                    return Ok(Repair::No);
                }
            },
        };
        // Counting decides nothing.
        if !dry_run {
            self.held = None;
        }
        Ok(Repair::Resync { job, dry_run })
    }

    /// What is asked for. `--as-ingested` makes no other record, so it must not pass over a difference.
    fn fit(&self, health: Option<&ResyncJob>, judged: &Continuity, from: Lsn) -> Option<ResyncRequest> {
        let asked = self.state.resyncs.take()?;
        let mapping_changed = self.known.mapping.as_ref().is_some_and(|kept| *kept != self.on_table.mapping);
        let goes_on = matches!(judged, Continuity::GoOn(_)) && health.is_none() && !mapping_changed;
        if asked.as_ingested.is_none() || goes_on {
            return Some(asked);
        }
        self.state.resyncs.refuse("--as-ingested needs a stream that goes on: `sidecar resync` first", from);
        None
    }

    /// Compares the table with what is remembered of it. The stream goes on from the snapshot.
    pub(super) async fn resync(
        &mut self,
        job: ResyncJob,
        dry_run: bool,
        client: &Client,
        required: &Required,
        source: KnownSource,
    ) -> Result<(), StreamError> {
        // The identity is chosen anew.
        let required = &Required { identity: None, ..required.clone() };
        self.state.resyncs.begin(&job.why, Lsn(job.from));
        if self.warned.insert(job.why.clone()) {
            tracing::warn!("{}: the table is compared with what is remembered of it", job.why);
        }
        if !dry_run {
            // Synced before a slot is dropped or made: while it stands, it alone decides.
            self.known.job = Some(job.clone());
            self.note(vec![(Fact::Resync, serde_json::to_vec(&job).ok())]).await?;
        }
        match self.compare(&job, dry_run, client, required, source).await {
            Ok((at, found)) => {
                let (ingested, modified, excluded) = match found.records {
                    [excluded, ingested, modified] => (ingested, modified, excluded),
                };
                let did = if dry_run {
                    "would send"
                } else if job.learns {
                    "took over silently"
                } else {
                    "sends"
                };
                let result = format!(
                    "compared {} documents as of {}: {did} {ingested} ingested, {modified} modified, {excluded} excluded; \
                     {} documents are gone",
                    found.rows, at, found.gone
                );
                tracing::warn!(from = %Lsn(job.from), to = %at, "{result}");
                self.catch_ups_failed = 0;
                self.state.resyncs.compared(at, &found);
                self.end_resync(ResyncState::Done, &result);
                Ok(())
            }
            Err(StreamError::TooManyGone(why)) => self.too_many_gone(job, dry_run, why).await,
            Err(StreamError::Unfit(why)) => self.end_unmade(why).await,
            Err(StreamError::Later(why) | StreamError::Refused(why) | StreamError::Stands { why, .. })
                if job.only_learns && self.gives_up_learning() =>
            {
                self.leave_unlearned(why).await
            }
            Err(stream_error) => {
                match &stream_error {
                    StreamError::Later(why) | StreamError::Refused(why) | StreamError::Stands { why, .. }
                        if dry_run =>
                    {
                        self.end_resync(ResyncState::Failed, why);
                    }
                    // It is made when that is over.
                    StreamError::Later(why) | StreamError::SlotHeld(why) => {
                        self.state.resyncs.enter(ResyncState::Waiting, why);
                    }
                    StreamError::Refused(why) | StreamError::Stands { why, .. } => {
                        self.state.resyncs.enter(ResyncState::Refused, why);
                    }
                    _ => {}
                }
                Err(stream_error)
            }
        }
    }

    fn end_resync(&mut self, state: ResyncState, result: &str) {
        self.warned.clear();
        self.metrics.resyncs.get_or_create(&OutcomeLabel { outcome: state.name() }).inc();
        self.state.resyncs.enter(state, result);
    }

    /// One that was asked for ends there and the stream goes on; one that mends a gap waits.
    async fn too_many_gone(&mut self, job: ResyncJob, dry_run: bool, why: String) -> Result<(), StreamError> {
        let why = format!("{why}: nothing is sent. If that is right: `sidecar resync --force`");
        if dry_run {
            self.end_resync(ResyncState::Failed, &why);
            return Ok(());
        }
        if job.catches_up {
            return self.end_unmade(why).await;
        }
        self.end_resync(ResyncState::Held, &why);
        self.held = Some(why.clone());
        Err(StreamError::Stands { why, holds: job.holds })
    }

    /// One that was asked for ends there, and the stream goes on.
    async fn end_unmade(&mut self, why: String) -> Result<(), StreamError> {
        tracing::warn!("{why}");
        self.end_resync(ResyncState::Failed, &why);
        self.known.job = None;
        self.note(vec![(Fact::Resync, None)]).await
    }

    /// One that only learns must not keep the stream from going on: it is tried a few times.
    fn gives_up_learning(&mut self) -> bool {
        self.catch_ups_failed += 1;
        self.catch_ups_failed >= TRIES_MAX
    }

    async fn leave_unlearned(&mut self, why: String) -> Result<(), StreamError> {
        let left = self.capture.work(|group_writer| {
            group_writer.layouts.learn();
            group_writer.set_fact(Fact::Layouts, serde_json::to_vec(&group_writer.layouts).ok());
        });
        left.await.ok_or(StreamError::Stopped)?;
        self.end_unmade(format!("{why}: what documents hold in new columns is learned as they change")).await
    }

    /// Slot, publication and epoch are there, durably, before anything is compared.
    async fn make_ready(
        &mut self,
        job: &ResyncJob,
        client: &Client,
        required: &Required,
    ) -> Result<(), StreamError> {
        let lost = slot::slot(client, &required.slot).await?.is_some_and(|slot| slot.lost());
        if job.drops_slot && lost {
            tracing::warn!(slot = %required.slot, "the server calls the slot lost: it is dropped and made again");
            client.batch_execute(&slot::drop(&required.slot)).await.map_err(SourceError::from)?;
        }
        let watcher = connect_sql(&self.settings.conninfo).await?;
        let stage = if job.catches_up { Stage::GoesOn } else { Stage::FirstStart };
        for step in setup(client, &watcher, required, stage, &mut say_waiting).await? {
            tracing::info!("{}", step.what);
        }
        let Some(epoch) = job.epoch.filter(|epoch| *epoch != self.epochs.current()) else { return Ok(()) };
        let after =
            self.capture.work(|group_writer| group_writer.last_seq()).await.ok_or(StreamError::Stopped)?;
        let mut epochs: Epochs = self.epochs.clone();
        epochs.begin(after, epoch);
        self.note(vec![(Fact::Epoch, Some(epochs.to_bytes()))]).await?;
        self.epochs = epochs;
        self.deliver.begin_epoch(after, epoch);
        self.state.learn(|server| server.epoch = Some(epoch));
        tracing::warn!(%epoch, "a new epoch begins");
        Ok(())
    }

    async fn compare(
        &mut self,
        job: &ResyncJob,
        dry_run: bool,
        client: &Client,
        required: &Required,
        source: KnownSource,
    ) -> Result<(Lsn, Differences), StreamError> {
        if !dry_run {
            self.make_ready(job, client, required).await?;
        }
        let found = server_state(client, required).await?;
        let unfit = found.of_roles(required);
        if !unfit.is_empty() {
            return Err(CatalogError::Refused(unfit).into());
        }
        self.read_mapping(&found);
        let identity = identity::choose(&found.table, &required.id)
            .map_err(|refusal| StreamError::Refused(refusal.to_string()))?;
        let snapshot =
            Snapshot::take(&self.settings.conninfo, &found.table.schema, &found.table.name, &mut say_waiting)
                .await?;
        let at = snapshot.at;
        let applied = if job.catches_up { self.catch_up(at, &found, job).await? } else { Lsn(0) };
        let publication = found.publication.as_ref();
        let source = KnownSource { publication: publication.map(|publication| publication.oid), ..source };
        let mut known = self.known.clone();
        known.learn(source, self.on_table.mapping.clone(), identity.clone());
        known.job = None;
        let makes = self.makes(job, dry_run).await?;
        let (watched, estimate) = (Watched::default(), found.table.rows.unwrap_or(0));
        self.state.enter(Phase::Resyncing { watched: watched.clone(), estimate, why: job.why.clone() });
        let facts = known.facts().into_iter().chain([(Fact::Resync, None)]).collect();
        let comparison = Comparison {
            generated: publication.is_some_and(|publication| publication.generated),
            snapshot,
            documents: self.documents(identity),
            makes,
            applied,
            facts,
            watched: watched.clone(),
        };
        let bar = super::progress_bar::bar("resync", &watched, estimate);
        let runtime = Handle::current();
        let done =
            self.until_told(&watched, move |group_writer| comparison.run(group_writer, &runtime)).await;
        bar.finish();
        let (position, found) = match done.ok_or(StreamError::Stopped)? {
            Err(error @ ResyncError::TooManyGone { .. }) => {
                return Err(StreamError::TooManyGone(error.to_string()));
            }
            done => done?,
        };
        tracing::debug!(rows = watched.done.load(Ordering::Relaxed), "compared");
        if !dry_run {
            self.known = known;
            self.capture.seeded(position);
        }
        Ok((at, found))
    }

    /// Long work of the left loop. Told to stop, it ends before its end.
    pub(super) async fn until_told<T: Send + 'static>(
        &self,
        watched: &Watched,
        work: impl FnOnce(&mut GroupWriter) -> T + Send + 'static,
    ) -> Option<T> {
        let mut stop = self.stop.clone();
        let work = self.capture.work(work);
        tokio::pin!(work);
        tokio::select! {
            done = &mut work => return done,
            () = told(&mut stop) => watched.stop(),
        }
        work.await
    }

    async fn makes(&self, job: &ResyncJob, dry_run: bool) -> Result<Makes, StreamError> {
        if let Some(project) = job.as_ingested.clone() {
            let number = self.capture.work(move |group_writer| group_writer.project(&project)).await;
            return number.map(Makes::Ingested).ok_or(StreamError::Stopped);
        }
        let missing_max = (!job.forced).then_some(self.settings.missing_max);
        Ok(match (dry_run, job.learns) {
            (true, _) => Makes::Counts,
            (false, true) => Makes::Silence,
            (false, false) => Makes::Records { missing_max },
        })
    }
}

/// The resync that a user asks for, or why there can be none.
fn mark_of(
    asked: &ResyncRequest,
    judged: &Continuity,
    position: StreamPosition,
    required: &Required,
) -> Result<ResyncJob, String> {
    let job = ResyncJob::asked(asked, position.resume_lsn);
    match judged {
        Continuity::Diverged { why } if !asked.adopt => {
            Err(format!("{why}. If this database is the right one: `sidecar resync --adopt`"))
        }
        Continuity::Diverged { .. } | Continuity::SpoolBehind { .. } => {
            Ok(ResyncJob { catches_up: false, holds: true, ..job })
        }
        Continuity::GoOn(_) | Continuity::FirstStart { .. } => Ok(job),
        Continuity::Replaced { .. } | Continuity::SlotGone { .. } => match gap(judged, required) {
            Some(gap) => Ok(ResyncJob { catches_up: false, drops_slot: gap.drops_slot, why: gap.why, ..job }),
            None => Ok(job),
        },
    }
}

const DIVERGED: &str =
    "this is another database than the one that is known: `sidecar resync --adopt` if it is the right one";
