//! The first start: creates what is missing, and enters the existing documents.

use tokio::runtime::Handle;
use tokio_postgres::Client;

use super::Supervisor;
use super::continuity::KnownSource;
use super::required::log_waiting;
use super::stream_error::StreamError;
use crate::clock::Clock;
use crate::position::Lsn;
use crate::resync::{Comparison, ComparisonMode, ComparisonProgress};
use crate::service::state::Phase;
use crate::settings::Initial;
use crate::source::catalog::{identity, slot};
use crate::source::documents::select::DocumentKey;
use crate::source::documents::snapshot::Snapshot;
use crate::source::preflight::server_state::{ServerState, inspect};
use crate::source::preflight::setup::{StartMode, setup};
use crate::source::preflight::{column_roles, sample};
use crate::source::{Required, SourceError, connect_sql};

impl Supervisor {
    /// Creates publication and slot, takes a snapshot, and enters every document.
    pub(super) async fn first_start(
        &mut self,
        client: &Client,
        required: &Required,
        found: &ServerState,
        source: &KnownSource,
        drop_slot: bool,
    ) -> Result<(), StreamError> {
        self.deliver.hold(false);
        let watcher = connect_sql(&self.settings.conninfo).await?;
        if drop_slot {
            tracing::warn!(slot = %required.slot, "the server reports the slot as lost: it is dropped and created again");
            client.batch_execute(&slot::drop(&required.slot)).await.map_err(SourceError::from)?;
        } else if found.slot.is_some() && self.warned.insert(SLOT_EXISTS.to_owned()) {
            log_existing_slot(client, found, required).await;
        }
        for step in setup(client, &watcher, required, StartMode::FirstStart, &mut log_waiting).await? {
            tracing::info!("{}", step.what);
            // A slot that this start created is not of an earlier spool when it is tried again.
            self.warned.insert(SLOT_EXISTS.to_owned());
        }
        let found = inspect(client, required).await?;
        self.resolve_mapping(&found);
        self.log_columns(client, &found, required).await?;
        let identity = identity::choose(&found.table, &required.id)
            .map_err(|refusal| StreamError::Refused(refusal.to_string()))?;
        let snapshot =
            Snapshot::take(&self.settings.conninfo, &found.table.schema, &found.table.name, &mut log_waiting)
                .await?;
        self.warn_of_shared_ids(&snapshot, &DocumentKey::of(required, &found), &identity).await;
        self.known.replace(source.clone(), self.mapping.mapping.clone(), identity.clone());
        let progress = ComparisonProgress::default();
        let estimate = found.table.rows.unwrap_or(0);
        self.state.enter(Phase::Seeding { progress: progress.clone(), estimate, began: Clock::now() });
        tracing::info!(at = %snapshot.at, estimate, "a first start: reading the existing documents");
        let start = Comparison {
            generated: found.publication.as_ref().is_some_and(|publication| publication.generated),
            snapshot,
            documents: self.documents(identity),
            mode: match self.settings.initial {
                Initial::Ingested => ComparisonMode::Records { missing_max: None },
                Initial::Silent => ComparisonMode::Learn,
            },
            applied: Lsn(0),
            facts: self.known.facts(),
            progress: progress.clone(),
        };
        let bar = super::progress_bar::bar("first start", &progress, estimate);
        let runtime = Handle::current();
        let done = self.until_stopped(&progress, move |group_writer| start.run(group_writer, &runtime)).await;
        bar.finish();
        let (seeded, _) = done.ok_or(StreamError::Stopped)??;
        self.capture.set_position(seeded);
        tracing::info!(
            documents = progress.done.load(std::sync::atomic::Ordering::Relaxed),
            "the first start is done"
        );
        Ok(())
    }

    /// Logs once what each column is used as, however often the first start is tried.
    async fn log_columns(
        &mut self,
        client: &Client,
        found: &ServerState,
        required: &Required,
    ) -> Result<(), StreamError> {
        if !self.warned.insert(COLUMNS_LOGGED.to_owned()) {
            return Ok(());
        }
        for line in column_roles::lines(found, required) {
            tracing::info!("{line}");
        }
        let suspicious = column_roles::warnings(found, required)
            .into_iter()
            .chain(sample::warnings(client, found, required).await?);
        for finding in suspicious {
            tracing::warn!("{}. {}", finding.title, finding.explanation);
        }
        Ok(())
    }

    async fn warn_of_shared_ids(&mut self, snapshot: &Snapshot, key: &DocumentKey, identity: &[String]) {
        if key.is_unique_by(identity) {
            return;
        }
        if let Ok(shared) = snapshot.shared_ids(key).await
            && shared.ids > 0
            && self.warned.insert(IDS_ARE_SHARED.to_owned())
        {
            tracing::warn!(ids = shared.ids, rows = shared.rows, "{IDS_ARE_SHARED}");
        }
    }
}

/// A slot that was read from belonged to an earlier spool; an unused one was created for this start.
async fn log_existing_slot(client: &Client, found: &ServerState, required: &Required) {
    let slot = &required.slot;
    if is_used(client, found, slot).await {
        tracing::warn!(%slot, "{SLOT_EXISTS}");
    } else {
        tracing::info!(%slot, "the slot exists, as `sidecar setup` creates it");
    }
}

/// Whether the server has decoded a transaction for the slot. Before 14 it does not count them, and a slot
/// that retains much WAL counts as used.
async fn is_used(client: &Client, found: &ServerState, slot: &str) -> bool {
    if found.server.version < VERSION_WITH_SLOT_STATISTICS {
        return found
            .slot
            .as_ref()
            .and_then(|slot| slot.retained_bytes)
            .is_some_and(|bytes| bytes > MUCH_WAL);
    }
    let sql = "SELECT total_txns > 0 FROM pg_catalog.pg_stat_get_replication_slot($1::text)";
    let row = client.query_opt(sql, &[&slot]).await;
    row.is_ok_and(|row| row.is_some_and(|row| row.try_get::<_, Option<bool>>(0).ok().flatten() == Some(true)))
}

const COLUMNS_LOGGED: &str = "columns";
const SLOT_EXISTS: &str = "the slot exists and the spool is empty: what an earlier spool held, and changes before this start, \
                             make records only as `documents.initial` says";
const IDS_ARE_SHARED: &str = "several live rows of a project share an id: each row is a document of its own, and receivers cannot tell them apart";
/// 14.0.
const VERSION_WITH_SLOT_STATISTICS: u32 = 140_000;
/// 64 MiB.
const MUCH_WAL: i64 = 64 << 20;
