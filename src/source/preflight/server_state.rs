//! Everything on the server that the sidecar depends on, read at once, and which of it prevents a start.
//! Reading is SQL; the evaluation is pure.

use postgres_protocol::escape::escape_identifier;
use std::collections::BTreeMap;

use tokio_postgres::Client;

use crate::relation::{ColumnType, Generated, Kind, Persistence, ReplicaIdentity, Table, sql_names};
use crate::source::SourceError;
use crate::source::catalog::column_types::column_types;
use crate::source::catalog::publication::{self, PUBLISHES_GENERATED, Publication};
use crate::source::catalog::slot::{self, Slot};
use crate::source::catalog::values::{self, ExclusionRule};
use crate::source::catalog::violation::{CatalogError, Violation};
use crate::source::catalog::{self, identity, roles, server_settings};
use crate::source::required::{Required, RequiredColumn};

/// The server, and our role on it.
#[derive(Clone, Debug)]
pub struct Server {
    /// `server_version_num`: 150018 for 15.18.
    pub version: u32,
    /// The server is a standby.
    pub in_recovery: bool,
    /// The database that we are connected to.
    pub database: String,
    /// Our role.
    pub role: String,
    /// Our role may open replication connections and create slots.
    pub may_replicate: bool,
    /// Our role may create a publication in this database, of tables that it owns.
    pub may_create: bool,
    /// Number of replication slots.
    pub slots: i64,
    /// Number of running walsenders.
    pub senders: i64,
}

/// The state of the server.
#[derive(Clone, Debug)]
pub struct ServerState {
    /// The server.
    pub server: Server,
    /// Its settings.
    pub settings: server_settings::ServerSettings,
    /// The documents table.
    pub table: Table,
    /// The types of the table's columns.
    pub types: BTreeMap<String, ColumnType>,
    /// How an excluded document is recognised.
    pub exclusion: ExclusionRule,
    /// The publication, if it exists.
    pub publication: Option<Publication>,
    /// The slot, if it exists.
    pub slot: Option<Slot>,
}

/// Reads the whole state. A table that does not exist is a violation. A table that stays locked is an error
/// (55P03), since some of the catalog's functions wait for the lock.
pub async fn inspect(client: &Client, required: &Required) -> Result<ServerState, CatalogError> {
    client.batch_execute("BEGIN READ ONLY; SET LOCAL lock_timeout = '5s'").await?;
    let found = read(client, required).await;
    client.batch_execute("ROLLBACK").await?;
    let mut found = found?;
    // Not in the transaction above: a text that is not a value of its type is an error, and would abort it.
    found.exclusion = values::exclusion_rule(client, &found.table, &found.types, required).await?;
    Ok(found)
}

/// A value that changes whenever [`inspect`] may find another table or publication; `None` if there is no
/// such table. Cheap enough to poll.
pub async fn version(client: &Client, required: &Required) -> Result<Option<String>, SourceError> {
    let names = [&required.schema, &required.table, &required.publication];
    let [schema, table, publication] = names.map(String::as_str);
    let row = client
        .query_one(include_str!("../../../sql/catalog_version.sql"), &[&schema, &table, &publication])
        .await?;
    Ok(row.try_get(0)?)
}

async fn read(client: &Client, required: &Required) -> Result<ServerState, CatalogError> {
    let table = match (catalog::table(client, &required.schema, &required.table).await, required.oid) {
        (Err(CatalogError::Refused(none)), Some(oid)) => match catalog::name(client, oid).await? {
            Some((schema, name)) => catalog::table(client, &schema, &name).await?,
            None => return Err(CatalogError::Refused(none)),
        },
        (found, _) => found?,
    };
    Ok(ServerState {
        server: server(client).await?,
        settings: server_settings::server_settings(client).await?,
        publication: publication::publication(client, &required.publication, table.oid).await?,
        slot: slot::slot(client, &required.slot).await?,
        types: column_types(client, table.oid).await?,
        exclusion: ExclusionRule::default(),
        table,
    })
}

impl ServerState {
    /// Everything that prevents a start, worst first. A missing publication or slot is not included: setup
    /// creates them.
    pub fn violations(&self, required: &Required) -> Vec<Violation> {
        let mut violations = self.of_server();
        violations.extend(slot::failover_unsupported(required.failover, self.server.version));
        violations.extend(self.of_table(required));
        violations.extend(self.of_columns(required));
        violations.extend(self.of_roles(required));
        violations.extend(self.of_publication(required));
        violations.extend(self.slot.iter().filter_map(|found| slot::violation(&required.slot, found)));
        violations
    }

    /// Columns that the settings name or that identify rows, and that the table lacks. All of this can be
    /// corrected while the sidecar waits, and records that were read already are delivered meanwhile.
    pub fn column_violations(&self, required: &Required) -> Vec<Violation> {
        self.identity(required).err().into_iter().chain(self.of_columns(required)).collect()
    }

    /// Why the publication does not carry all changes of the table.
    pub fn publication_violations(&self, required: &Required) -> Vec<Violation> {
        self.publication_gone(required).into_iter().chain(self.of_publication(required)).collect()
    }

    /// The slot exists without its publication: a publication created now is too late for the changes that
    /// the slot retains.
    pub fn publication_gone(&self, required: &Required) -> Option<Violation> {
        (self.publication.is_none() && self.slot.is_some()).then(|| {
            let create = publication::create(&required.publication, &self.table, self.needs_generated(required));
            Violation::with_fix(
                format!(
                    "the publication {} is gone, and changes made meanwhile cannot be read from the slot {}; without the slot, the sidecar compares the table instead",
                    required.publication, required.slot
                ),
                format!("{} {create}", slot::drop(&required.slot)),
            )
        })
    }

    /// The identity in the spool, or the one that a first start would choose. One from the spool is not
    /// checked here: the stream shows with each change whether it still carries it.
    fn identity(&self, required: &Required) -> Result<Vec<String>, Violation> {
        required.identity.clone().map_or_else(|| identity::choose(&self.table, &required.id), Ok)
    }

    /// Whether the publication must publish stored generated columns.
    pub fn needs_generated(&self, required: &Required) -> bool {
        let named = required.columns.iter().map(|column| column.name.clone());
        let identity = self.identity(required).unwrap_or_default();
        publication::needs_generated(self.server.version, &self.table, named.chain(identity))
    }

    fn of_publication(&self, required: &Required) -> Vec<Violation> {
        let found = self.publication.iter();
        let generated = self.needs_generated(required);
        found
            .flat_map(|found| publication::violations(&required.publication, found, &self.table, generated))
            .collect()
    }

    fn of_server(&self) -> Vec<Violation> {
        let mut violations = Vec::new();
        if self.server.version < OLDEST {
            violations.push(Violation::in_settings(format!(
                "the server is of version {}: 13 or later is needed",
                self.server.version / 10_000
            )));
        }
        if self.server.in_recovery {
            violations.push(Violation::in_settings(
                "the server is a standby: set postgres.url to the primary, since only a primary can create publications",
            ));
        }
        // From 19 on, creating a slot enables logical decoding by itself if wal_level is replica.
        let level = self.settings.figure("wal_level");
        let logical = level == "logical" || self.server.version >= LOGICAL_ON_DEMAND && level == "replica";
        if !logical {
            violations.push(Violation::with_fix(
                format!("wal_level is {level}: logical replication needs logical (the server must be restarted after)"),
                "ALTER SYSTEM SET wal_level = 'logical';",
            ));
        }
        if !self.server.may_replicate {
            let role = escape_identifier(&self.server.role);
            violations.push(Violation::with_fix(
                format!(
                    "the role {} may not replicate (on Amazon RDS: GRANT rds_replication TO {role})",
                    self.server.role
                ),
                format!("ALTER ROLE {role} REPLICATION;"),
            ));
        }
        violations
    }

    fn of_table(&self, required: &Required) -> Vec<Violation> {
        let (table, shown) = (&self.table, format!("{}.{}", self.table.schema, self.table.name));
        if table.kind == Kind::Other {
            return vec![Violation::in_settings(format!(
                "documents.table: {shown} is not a table with rows of its own, but a view or similar"
            ))];
        }
        if table.persistence == Persistence::Temporary {
            return vec![Violation::in_settings(format!("documents.table: {shown} is a temporary table"))];
        }
        let unlogged = (table.persistence == Persistence::Unlogged).then(|| table.quoted()).into_iter();
        let unlogged_parts = table.partitions.iter().filter(|part| part.persistence == Persistence::Unlogged);
        let mut violations: Vec<Violation> = unlogged
            .chain(unlogged_parts.map(|part| sql_names::qualified_name(&part.schema, &part.name)))
            .map(|name| {
                Violation::with_fix(
                    format!("{name} is unlogged: its changes are not in the WAL"),
                    format!("ALTER TABLE {name} SET LOGGED;"),
                )
            })
            .collect();
        violations.extend(self.identity(required).err());
        let role = escape_identifier(&self.server.role);
        if table.row_security {
            violations.push(Violation::with_fix(
                format!("row security of {shown} would hide documents from the role {}", self.server.role),
                format!("ALTER ROLE {role} BYPASSRLS;"),
            ));
        }
        if !table.schema_usable {
            violations.push(Violation::with_fix(
                format!("the role {} has no USAGE on the schema {}", self.server.role, table.schema),
                format!("GRANT USAGE ON SCHEMA {} TO {role};", escape_identifier(&table.schema)),
            ));
        }
        // All columns must be readable: content is every column unless listed, and long or new values are
        // read from the table.
        if table.columns.iter().any(|column| !column.readable) {
            violations.push(Violation::with_fix(
                format!("the role {} may not SELECT every column of {shown}", self.server.role),
                format!("GRANT SELECT ON {} TO {role};", table.quoted()),
            ));
        }
        violations
    }

    /// Columns whose type does not fit their role.
    pub fn of_roles(&self, required: &Required) -> Vec<Violation> {
        let of_named = |named: &RequiredColumn| {
            let (column, of) = self.table.column(&named.name).zip(self.types.get(&named.name))?;
            roles::violation(named, column, of)
        };
        required.columns.iter().filter_map(of_named).chain(self.exclusion.violation.clone()).collect()
    }

    fn of_columns(&self, required: &Required) -> Vec<Violation> {
        let (table, shown) = (&self.table, format!("{}.{}", self.table.schema, self.table.name));
        let of_named = |named: &RequiredColumn| match table.column(&named.name).map(|column| column.generated)
        {
            None => Some(missing(named, table, &shown)),
            Some(Generated::No) => None,
            Some(Generated::Stored) if self.server.version >= PUBLISHES_GENERATED => None,
            Some(generated) => Some(generated_column(named, generated)),
        };
        let identity = self.identity(required).unwrap_or_default();
        let identity =
            identity.into_iter().map(|name| RequiredColumn { setting: "the identity".to_owned(), name });
        let named: Vec<RequiredColumn> = required.columns.iter().cloned().chain(identity).collect();
        let mut violations: Vec<Violation> = named.iter().filter_map(of_named).collect();
        let virtual_column = table.columns.iter().find(|column| column.generated == Generated::Virtual);
        if let Some(column) = virtual_column.filter(|_| table.replica_identity == ReplicaIdentity::Full) {
            violations.push(Violation::with_fix(
                format!(
                    "{shown} has replica identity FULL and the virtual column {}: once published, every UPDATE and DELETE of the application fails",
                    column.name
                ),
                format!("ALTER TABLE {} REPLICA IDENTITY DEFAULT;", table.quoted()),
            ));
        }
        violations
    }
}

/// Reads the server's version and our role.
pub async fn server(client: &Client) -> Result<Server, SourceError> {
    let row = client.query_one(include_str!("../../../sql/server.sql"), &[]).await?;
    Ok(Server {
        version: u32::try_from(row.try_get::<_, i32>("version")?).unwrap_or(0),
        in_recovery: row.try_get("in_recovery")?,
        database: row.try_get("database")?,
        role: row.try_get("role")?,
        may_replicate: row.try_get("may_replicate")?,
        may_create: row.try_get("may_create")?,
        slots: row.try_get("slots")?,
        senders: row.try_get("senders")?,
    })
}

fn generated_column(named: &RequiredColumn, generated: Generated) -> Violation {
    let (what, why) = match generated {
        Generated::Virtual => ("virtual ", "logical replication never carries"),
        Generated::Stored | Generated::No => ("", "PostgreSQL before 18 does not publish"),
    };
    Violation::in_settings(format!(
        "{}: {} is a {what}generated column, which {why}; name the columns that it is computed from, or let the application write it",
        named.setting, named.name
    ))
}

fn missing(named: &RequiredColumn, table: &Table, shown: &str) -> Violation {
    let near = catalog::nearest(&named.name, table.columns.iter().map(|column| column.name.as_str()));
    let perhaps = near.first().map_or(String::new(), |name| format!(" (perhaps {name}?)"));
    Violation::in_settings(format!(
        "{}: {shown} has no column {}{perhaps}; it has {}",
        named.setting,
        named.name,
        table.column_names()
    ))
}

/// 13.0.
const OLDEST: u32 = 130_000;
/// 19.0.
const LOGICAL_ON_DEMAND: u32 = 190_000;
