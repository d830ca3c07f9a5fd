//! The first start: what is missing is made, and the documents that are there are entered.

use tokio::runtime::Handle;
use tokio_postgres::Client;

use super::Supervisor;
use super::continuity::KnownSource;
use super::required::log_waiting;
use super::stream_error::StreamError;
use crate::position::Lsn;
use crate::resync::{Comparison, Makes, Watched};
use crate::service::state::Phase;
use crate::settings::Initial;
use crate::source::documents::DocumentKey;
use crate::source::server_state::{Required, ServerState, server_state};
use crate::source::setup::{Stage, setup};
use crate::source::snapshot::Snapshot;
use crate::source::{SourceError, connect_sql, identity, sample, slot, taken};

impl Supervisor {
    /// Makes publication and slot, takes a snapshot, and enters every document.
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
            tracing::warn!(slot = %required.slot, "the server calls the slot lost: it is dropped and made again");
            client.batch_execute(&slot::drop(&required.slot)).await.map_err(SourceError::from)?;
        } else if found.slot.is_some() && self.warned.insert(SLOT_IS_THERE.to_owned()) {
            say_slot_is_there(client, found, required).await;
        }
        for step in setup(client, &watcher, required, Stage::FirstStart, &mut log_waiting).await? {
            tracing::info!("{}", step.what);
            // One that we made ourselves is none of an earlier spool when we try again.
            self.warned.insert(SLOT_IS_THERE.to_owned());
        }
        let found = server_state(client, required).await?;
        self.read_mapping(&found);
        self.say_taken(client, &found, required).await?;
        let identity = identity::choose(&found.table, &required.id)
            .map_err(|refusal| StreamError::Refused(refusal.to_string()))?;
        let snapshot =
            Snapshot::take(&self.settings.conninfo, &found.table.schema, &found.table.name, &mut log_waiting)
                .await?;
        self.warn_of_shared_ids(&snapshot, &DocumentKey::of(required, &found), &identity).await;
        self.known.learn(source.clone(), self.on_table.mapping.clone(), identity.clone());
        let watched = Watched::default();
        let estimate = found.table.rows.unwrap_or(0);
        self.state.enter(Phase::Seeding { watched: watched.clone(), estimate });
        tracing::info!(at = %snapshot.at, estimate, "a first start: reading the documents that are there");
        let start = Comparison {
            generated: found.publication.as_ref().is_some_and(|publication| publication.generated),
            snapshot,
            documents: self.documents(identity),
            makes: match self.settings.initial {
                Initial::Ingested => Makes::Records { missing_max: None },
                Initial::Silent => Makes::Silence,
            },
            applied: Lsn(0),
            facts: self.known.facts(),
            watched: watched.clone(),
        };
        let bar = super::progress_bar::bar("first start", &watched, estimate);
        let runtime = Handle::current();
        let done = self.until_stopped(&watched, move |group_writer| start.run(group_writer, &runtime)).await;
        bar.finish();
        let (seeded, _) = done.ok_or(StreamError::Stopped)??;
        self.capture.seeded(seeded);
        tracing::info!(
            documents = watched.done.load(std::sync::atomic::Ordering::Relaxed),
            "the first start is done"
        );
        Ok(())
    }

    /// Once, however often the first start is tried.
    async fn say_taken(
        &mut self,
        client: &Client,
        found: &ServerState,
        required: &Required,
    ) -> Result<(), StreamError> {
        if !self.warned.insert(COLUMNS_ARE_TOLD.to_owned()) {
            return Ok(());
        }
        for line in taken::lines(found, required) {
            tracing::info!("{line}");
        }
        let seldom_meant = taken::suspicions(found, required)
            .into_iter()
            .chain(sample::look(client, found, required).await?);
        for finding in seldom_meant {
            tracing::warn!("{}. {}", finding.title, finding.explanation);
        }
        Ok(())
    }

    async fn warn_of_shared_ids(&mut self, snapshot: &Snapshot, key: &DocumentKey, identity: &[String]) {
        if key.told_apart_by(identity) {
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

/// A slot that was read from belonged to a spool that is gone; one that was not was made for this start.
async fn say_slot_is_there(client: &Client, found: &ServerState, required: &Required) {
    let slot = &required.slot;
    if was_read(client, found, slot).await {
        tracing::warn!(%slot, "{SLOT_IS_THERE}");
    } else {
        tracing::info!(%slot, "the slot is there, as `sidecar setup` makes it");
    }
}

/// Whether the server ever decoded a transaction for it. Before 14 nobody knows, and it is taken to be so
/// where its log is long.
async fn was_read(client: &Client, found: &ServerState, slot: &str) -> bool {
    if found.server.version < COUNTS_TRANSACTIONS {
        return found
            .slot
            .as_ref()
            .and_then(|slot| slot.retained_bytes)
            .is_some_and(|bytes| bytes > MUCH_LOG);
    }
    let asked = "SELECT total_txns > 0 FROM pg_catalog.pg_stat_get_replication_slot($1::text)";
    let row = client.query_opt(asked, &[&slot]).await;
    row.is_ok_and(|row| row.is_some_and(|row| row.try_get::<_, Option<bool>>(0).ok().flatten() == Some(true)))
}

const COLUMNS_ARE_TOLD: &str = "what each column is taken for";
const SLOT_IS_THERE: &str = "the slot is there and the spool is empty: what an earlier spool held, and changes before this start, \
                             make records only as `documents.initial` says";
const IDS_ARE_SHARED: &str = "several live rows of a project share an id: each row is judged by itself, and receivers cannot tell them apart";
/// 14.0.
const COUNTS_TRANSACTIONS: u32 = 140_000;
/// 64 MiB.
const MUCH_LOG: i64 = 64 << 20;
