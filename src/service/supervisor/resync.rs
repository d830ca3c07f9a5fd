//! A resync: slot, publication and epoch, the snapshot, the comparison, and its result.

use std::sync::atomic::Ordering;

use tokio::runtime::Handle;
use tokio_postgres::Client;

use super::catch_up::TRIES_MAX;
use super::continuity::KnownSource;
use super::decide::Block;
use super::required::log_waiting;
use super::resync_job::ResyncJob;
use super::stream_error::StreamError;
use super::{Supervisor, stopped};
use crate::admin::ResyncState;
use crate::amount::count;
use crate::capture::GroupWriter;
use crate::clock::Clock;
use crate::metrics::OutcomeLabel;
use crate::position::Lsn;
use crate::resync::{Comparison, ComparisonMode, ComparisonProgress, Differences, ResyncError};
use crate::service::resync_queue::CANCELLED;
use crate::service::state::Phase;
use crate::source::catalog::violation::CatalogError;
use crate::source::catalog::{identity, slot};
use crate::source::documents::snapshot::Snapshot;
use crate::source::preflight::server_state::inspect;
use crate::source::preflight::setup::{StartMode, setup};
use crate::source::{Required, SourceError, connect_sql};
use crate::spool::{Epochs, Fact};

impl Supervisor {
    /// Compares the table with the shadow. The stream continues from the snapshot.
    pub(super) async fn resync(
        &mut self,
        job: ResyncJob,
        dry_run: bool,
        client: &Client,
        required: &Required,
        source: KnownSource,
    ) -> Result<(), StreamError> {
        // The identity is chosen again.
        let required = &Required { identity: None, ..required.clone() };
        self.state.resyncs.begin(&job.why, Lsn(job.from), dry_run || job.is_cancellable());
        if self.warned.insert(job.why.clone()) {
            tracing::warn!("{}: the table is compared with the shadow", job.why);
        }
        if !dry_run {
            // Synced before a slot is dropped or created: until it is removed, every connection resumes it.
            self.known.job = Some(job.clone());
            self.note(vec![(Fact::Resync, serde_json::to_vec(&job).ok())]).await?;
        }
        match self.compare(&job, dry_run, client, required, source).await {
            Ok((at, differences)) => {
                self.end_compared(&job, dry_run, at, &differences);
                Ok(())
            }
            Err(StreamError::TooManyGone(why)) => self.too_many_gone(job, dry_run, why).await,
            Err(StreamError::Unfit(why)) if self.state.resyncs.is_cancelled() => {
                self.end_without_effect(ResyncState::Cancelled, why).await
            }
            Err(StreamError::Unfit(why)) => self.end_failed(why).await,
            Err(
                StreamError::Transient(why)
                | StreamError::Refused(why)
                | StreamError::Blocked(Block { why, .. }),
            ) if job.only_backfills && self.gives_up_backfill() => self.skip_backfill(why).await,
            Err(stream_error) => {
                self.interrupted(&stream_error, dry_run);
                Err(stream_error)
            }
        }
    }

    fn end_compared(&mut self, job: &ResyncJob, dry_run: bool, at: Lsn, differences: &Differences) {
        let [excluded, ingested, modified] = differences.records;
        let effect = match (dry_run, job.learns) {
            (true, _) => "would send",
            (false, true) => "took over silently",
            (false, false) => "sends",
        };
        let result = format!(
            "compared {} as of {at}: {effect} {ingested} ingested, {modified} modified, {excluded} excluded; {} gone",
            count(differences.rows, "document", "documents"),
            count(differences.gone, "document is", "documents are")
        );
        tracing::warn!(from = %Lsn(job.from), to = %at, "{result}");
        self.failed_catch_ups = 0;
        self.state.resyncs.compared(at, differences);
        self.end_resync(ResyncState::Done, &result);
    }

    /// The resync starts again later; a dry run ends.
    fn interrupted(&mut self, stream_error: &StreamError, dry_run: bool) {
        match stream_error {
            StreamError::Transient(why)
            | StreamError::Refused(why)
            | StreamError::Blocked(Block { why, .. })
                if dry_run =>
            {
                self.end_resync(ResyncState::Failed, why);
            }
            StreamError::Transient(why) | StreamError::SlotHeld(why) => {
                self.state.resyncs.enter(ResyncState::Waiting, why);
            }
            StreamError::Refused(why) | StreamError::Blocked(Block { why, .. }) => {
                self.state.resyncs.enter(ResyncState::Refused, why);
            }
            StreamError::SpoolFailed(_)
            | StreamError::Stopped
            | StreamError::TooManyGone(_)
            | StreamError::Unfit(_) => {}
        }
    }

    fn end_resync(&mut self, state: ResyncState, result: &str) {
        self.warned.clear();
        self.metrics.resyncs.get_or_create(&OutcomeLabel { outcome: state.name() }).inc();
        self.state.resyncs.enter(state, result);
    }

    /// A resync on request ends, and the stream goes on; one that closes a gap waits for `--force`.
    async fn too_many_gone(&mut self, job: ResyncJob, dry_run: bool, why: String) -> Result<(), StreamError> {
        let why = format!("{why}: nothing is sent. If that is right: `sidecar resync --force`");
        if dry_run {
            self.end_resync(ResyncState::Failed, &why);
            return Ok(());
        }
        if job.catches_up {
            return self.end_failed(why).await;
        }
        self.end_resync(ResyncState::Held, &why);
        self.held = Some(why.clone());
        Err(StreamError::Blocked(Block { why, holds_delivery: job.holds_delivery }))
    }

    /// The resync ends without an effect, and the stream goes on.
    async fn end_failed(&mut self, why: String) -> Result<(), StreamError> {
        self.end_without_effect(ResyncState::Failed, why).await
    }

    async fn end_without_effect(&mut self, state: ResyncState, why: String) -> Result<(), StreamError> {
        tracing::warn!("{why}");
        self.end_resync(state, &why);
        self.known.job = None;
        self.note(vec![(Fact::Resync, None)]).await
    }

    /// A backfill must not block the stream: it is tried a few times.
    fn gives_up_backfill(&mut self) -> bool {
        self.failed_catch_ups += 1;
        self.failed_catch_ups >= TRIES_MAX
    }

    async fn skip_backfill(&mut self, why: String) -> Result<(), StreamError> {
        let left = self.capture.work(|group_writer| {
            group_writer.layouts.mark_backfilled();
            group_writer.set_fact(Fact::Layouts, serde_json::to_vec(&group_writer.layouts).ok());
        });
        left.await.ok_or(StreamError::Stopped)?;
        self.end_failed(format!("{why}: the values of new columns stay unknown until their documents change"))
            .await
    }

    /// Creates what is missing of slot and publication, and begins the epoch, durably, before the comparison.
    async fn prepare(
        &mut self,
        job: &ResyncJob,
        client: &Client,
        required: &Required,
    ) -> Result<(), StreamError> {
        let lost = slot::slot(client, &required.slot).await?.is_some_and(|slot| slot.lost());
        if job.drops_slot && lost {
            tracing::warn!(slot = %required.slot, "the server reports the slot as lost: it is dropped and created again");
            client.batch_execute(&slot::drop(&required.slot)).await.map_err(SourceError::from)?;
        }
        let watcher = connect_sql(&self.settings.conninfo).await?;
        let stage = if job.catches_up { StartMode::Resume } else { StartMode::FirstStart };
        for step in setup(client, &watcher, required, stage, &mut log_waiting).await? {
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
        self.state.update_server(|server| server.epoch = Some(epoch));
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
            self.prepare(job, client, required).await?;
        }
        let found = inspect(client, required).await?;
        let unfit = found.of_roles(required);
        if !unfit.is_empty() {
            return Err(CatalogError::Refused(unfit).into());
        }
        self.resolve_mapping(&found);
        let identity = identity::choose(&found.table, &required.id)
            .map_err(|refusal| StreamError::Refused(refusal.to_string()))?;
        let snapshot =
            Snapshot::take(&self.settings.conninfo, &found.table.schema, &found.table.name, &mut log_waiting)
                .await?;
        let at = snapshot.at;
        let applied = if job.catches_up { self.catch_up(at, &found, job).await? } else { Lsn(0) };
        let publication = found.publication.as_ref();
        let source = KnownSource { publication: publication.map(|publication| publication.oid), ..source };
        let mut known = self.known.clone();
        known.replace(source, self.mapping.mapping.clone(), identity.clone());
        known.job = None;
        let mode = self.mode(job, dry_run).await?;
        let (progress, estimate) = (ComparisonProgress::default(), found.table.rows.unwrap_or(0));
        self.state.enter(Phase::Resyncing {
            progress: progress.clone(),
            estimate,
            began: Clock::now(),
            why: job.why.clone(),
        });
        let facts = known.facts().into_iter().chain([(Fact::Resync, None)]).collect();
        let comparison = Comparison {
            generated: publication.is_some_and(|publication| publication.generated),
            snapshot,
            documents: self.documents(identity),
            mode,
            applied,
            facts,
            progress: progress.clone(),
        };
        let bar = super::progress_bar::bar("resync", &progress, estimate);
        let runtime = Handle::current();
        // Where the stream was not applied up to the snapshot, a part of the comparison is not enough.
        let may_end = dry_run || !job.catches_up || applied > Lsn(0);
        let work = move |group_writer: &mut GroupWriter| comparison.run(group_writer, &runtime);
        let done = self.until_cancelled(&progress, may_end, work).await;
        bar.finish();
        let (position, found) = match done.ok_or(StreamError::Stopped)? {
            Err(error @ ResyncError::TooManyGone { .. }) => {
                return Err(StreamError::TooManyGone(error.to_string()));
            }
            Err(ResyncError::Stopped) if !*self.stop.borrow() => {
                return Err(StreamError::Unfit(CANCELLED.to_owned()));
            }
            done => done?,
        };
        tracing::debug!(rows = progress.done.load(Ordering::Relaxed), "compared");
        if !dry_run {
            self.known = known;
            self.capture.set_position(position);
        }
        Ok((at, found))
    }

    /// Runs a comparison. Its cancel ends it early, where it may.
    async fn until_cancelled<T: Send + 'static>(
        &self,
        progress: &ComparisonProgress,
        may_end: bool,
        work: impl FnOnce(&mut GroupWriter) -> T + Send + 'static,
    ) -> Option<T> {
        let done = self.until_stopped(progress, work);
        tokio::pin!(done);
        tokio::select! {
            done = &mut done => return done,
            () = self.cancelled(), if may_end => progress.stop(),
        }
        done.await
    }

    /// Ends with the cancel of the resync.
    async fn cancelled(&self) {
        let resyncs = &self.state.resyncs;
        loop {
            let notified = resyncs.cancelled.notified();
            if resyncs.is_cancelled() {
                return;
            }
            notified.await;
        }
    }

    /// Runs a comparison on the thread of capture. The stop of the process ends it early.
    pub(super) async fn until_stopped<T: Send + 'static>(
        &self,
        progress: &ComparisonProgress,
        work: impl FnOnce(&mut GroupWriter) -> T + Send + 'static,
    ) -> Option<T> {
        let mut stop = self.stop.clone();
        let work = self.capture.work(work);
        tokio::pin!(work);
        tokio::select! {
            done = &mut work => return done,
            () = stopped(&mut stop) => progress.stop(),
        }
        work.await
    }

    async fn mode(&self, job: &ResyncJob, dry_run: bool) -> Result<ComparisonMode, StreamError> {
        if let Some(project) = job.as_ingested.clone() {
            let number = self.capture.work(move |group_writer| group_writer.project(&project)).await;
            return number.map(ComparisonMode::AsIngested).ok_or(StreamError::Stopped);
        }
        let missing_max = (!job.forced).then_some(self.settings.missing_max);
        Ok(match (dry_run, job.learns) {
            (true, _) => ComparisonMode::Count,
            (false, true) => ComparisonMode::Learn,
            (false, false) => ComparisonMode::Records { missing_max },
        })
    }
}
