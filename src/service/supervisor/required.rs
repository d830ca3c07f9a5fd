//! What the settings require of the source.

use std::time::Duration;

use tokio::runtime::Handle;

use crate::capture::{CatalogAnswer, CatalogLookup};
use crate::deliver::Routes;
use crate::relation::AddedColumns;
use crate::settings::Settings;
use crate::source::catalog::added::{added, until_visible};
use crate::source::catalog::slot::BlockingTransaction;
use crate::source::catalog::types;
use crate::source::{Conninfo, Required, RequiredColumn, connect_sql};

/// What the settings name on the server. `routes` are the effective webhooks.
pub fn required(settings: &Settings, routes: &Routes) -> Required {
    let mapping = &settings.mapping;
    let listed = mapping.content.iter().flatten().map(|column| ("documents.content", column.as_str()));
    let columns = mapping.roles().into_iter().chain(listed);
    Required {
        schema: mapping.table.schema.clone(),
        table: mapping.table.name.clone(),
        oid: None,
        publication: settings.publication.clone(),
        slot: settings.slot.clone(),
        failover: settings.failover_slot,
        id: mapping.id.clone(),
        identity: None,
        project: mapping.project.clone(),
        columns: columns
            .map(|(setting, name)| RequiredColumn { setting: setting.to_owned(), name: name.to_owned() })
            .collect(),
        excluded_when: mapping.excluded_when.clone(),
        content: mapping.content.clone(),
        ignore: mapping.ignore.clone(),
        webhooks: routes.all().map(|webhook| webhook.project.clone()).collect(),
    }
}

/// Queries the catalog from the thread of capture, on a new session: queries are rare.
pub(super) fn catalog_lookup(conninfo: Conninfo, table: u32) -> CatalogLookup {
    let runtime = Handle::current();
    Box::new(move |oids, names, xid| {
        runtime.block_on(async {
            let client = connect_sql(&conninfo).await.map_err(|error| error.to_string())?;
            let visible = tokio::time::timeout(VISIBLE_WITHIN, until_visible(&client, xid)).await;
            visible
                .map_err(|_| format!("the transaction {xid} is in the log, and not yet visible"))?
                .map_err(|error| error.to_string())?;
            let kinds = types::type_forms(&client, oids).await.map_err(|error| error.to_string())?;
            // At each connection, only types may be looked up.
            let added = match names {
                [] => AddedColumns::default(),
                names => added(&client, table, names).await.map_err(|error| error.to_string())?,
            };
            Ok(CatalogAnswer { kinds, added })
        })
    })
}

/// Logs the transactions that the creation of a slot waits for.
pub(super) fn log_waiting(waited: &[BlockingTransaction]) {
    let transactions: Vec<String> = waited.iter().map(ToString::to_string).collect();
    if !transactions.is_empty() {
        tracing::info!("the creation of a slot waits for {}", transactions.join(", "));
    }
}

/// A commit that a standby does not confirm is waited for at the next connection.
const VISIBLE_WITHIN: Duration = Duration::from_secs(10);
