//! What the catalog says of one table: in goes its name, out come its columns, indexes, partitions and
//! who may read it. Nothing is judged here and nothing is written.

use strsim::levenshtein;
use tokio_postgres::{Client, Row};

use super::quote;
use super::refusal::{CatalogError, Refusal};
use crate::source::SourceError;

/// A table, as it stands in the catalog.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts of the catalog, each by itself")]
pub struct Table {
    /// Its oid, which the stream names it by.
    pub oid: u32,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Whether its changes are logged at all.
    pub persistence: Persistence,
    /// What of a row the log tells when it is changed or deleted.
    pub replica_identity: ReplicaIdentity,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// Its unique indexes, those with the fewest columns first.
    pub unique_indexes: Vec<UniqueIndex>,
    /// The partitions that hold rows, where it is partitioned.
    pub partitions: Vec<Partition>,
    /// The role that owns it.
    pub owner: String,
    /// Our role owns it, or is a member of the role that does.
    pub owned: bool,
    /// Our role may look into its schema.
    pub schema_usable: bool,
    /// Row security would hide rows from our role.
    pub row_security: bool,
    /// Other tables inherit from it (not its partitions).
    pub has_children: bool,
    /// The planner's estimate; `None` before the first ANALYZE.
    pub rows: Option<u64>,
    /// On disk, TOAST included, indexes not.
    pub bytes: u64,
}

/// What a relation is. <https://www.postgresql.org/docs/current/catalog-pg-class.html>
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A table.
    Ordinary,
    /// A view, a foreign table and so on: nothing that logical replication carries.
    Other,
    /// A table whose rows are in its partitions.
    Partitioned,
}

/// Whether changes reach the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Persistence {
    /// They do.
    Logged,
    /// A temporary table.
    Temporary,
    /// An unlogged table.
    Unlogged,
}

/// <https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-REPLICA-IDENTITY>
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReplicaIdentity {
    /// The primary key, where there is one.
    Default,
    /// The whole row.
    Full,
    /// The columns of one unique index.
    Index,
    /// Nothing: changes and deletions of published rows fail.
    Nothing,
}

/// One column.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as the stream names it.
    pub type_oid: u32,
    /// Its type, for people.
    pub type_name: String,
    /// No row holds a NULL in it.
    pub not_null: bool,
    /// Whether and how it is computed.
    pub generated: Generated,
    /// Our role may read it.
    pub readable: bool,
}

/// <https://www.postgresql.org/docs/current/ddl-generated-columns.html>
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Generated {
    /// An ordinary column.
    No,
    /// Computed when written.
    Stored,
    /// Computed when read (18+): never published.
    Virtual,
}

/// A unique index.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "facts of the catalog, each by itself")]
pub struct UniqueIndex {
    /// Its name.
    pub name: String,
    /// It is the primary key's.
    pub primary: bool,
    /// `REPLICA IDENTITY USING INDEX` names it.
    pub replica_identity: bool,
    /// Not deferrable: it holds after every row, not only at the commit.
    pub immediate: bool,
    /// Valid, without a predicate, over columns and not expressions.
    pub whole: bool,
    /// Its key columns, in order.
    pub columns: Vec<String>,
}

/// A partition that holds rows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Partition {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// A foreign table's changes are not logged here.
    pub kind: Kind,
    /// As of a table.
    pub persistence: Persistence,
    /// Its own: it need not be the root's.
    pub replica_identity: ReplicaIdentity,
    /// The columns that its own replica identity carries; under [`ReplicaIdentity::Full`] empty here,
    /// as it carries all.
    pub carried: Vec<String>,
}

impl Table {
    /// Its name, quoted, for SQL.
    pub fn quoted(&self) -> String {
        quote::table(&self.schema, &self.name)
    }

    /// As SELECT reads exactly the rows whose changes the stream carries under this table's name:
    /// tables that inherit from it are published as themselves.
    pub fn read_from(&self) -> String {
        match self.kind {
            Kind::Ordinary => format!("ONLY {}", self.quoted()),
            Kind::Other | Kind::Partitioned => self.quoted(),
        }
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The columns that pgoutput publishes: of the generated ones only stored ones, and only where
    /// the publication says so (18+).
    pub fn published_columns(&self, generated: bool) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(move |column| match column.generated {
            Generated::No => true,
            Generated::Stored => generated,
            Generated::Virtual => false,
        })
    }

    /// The names of its columns, for an answer to one that it has not.
    pub fn column_names(&self) -> String {
        self.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// Reads the table `schema.name`. One that is not there is refused with the nearest names.
pub async fn table(client: &Client, schema: &str, name: &str) -> Result<Table, CatalogError> {
    let Some(found) = client.query_opt(include_str!("../../../sql/table.sql"), &[&schema, &name]).await?
    else {
        return Err(no_such_table(client, schema, name).await?.into());
    };
    let oid: u32 = found.try_get("oid")?;
    let columns = client.query(include_str!("../../../sql/columns.sql"), &[&oid]).await?;
    let indexes = client.query(include_str!("../../../sql/unique_indexes.sql"), &[&oid]).await?;
    let partitions = client.query(include_str!("../../../sql/partitions.sql"), &[&oid]).await?;
    let bytes = u64::try_from(found.try_get::<_, i64>("bytes")?).unwrap_or(0);
    Ok(Table {
        oid,
        schema: schema.to_owned(),
        name: name.to_owned(),
        kind: kind(found.try_get("kind")?),
        persistence: persistence(found.try_get("persistence")?),
        replica_identity: replica_identity(found.try_get("replica_identity")?),
        columns: columns.iter().map(column).collect::<Result<_, _>>()?,
        unique_indexes: indexes.iter().map(unique_index).collect::<Result<_, _>>()?,
        partitions: partitions.iter().map(partition).collect::<Result<_, _>>()?,
        owner: found.try_get("owner")?,
        owned: found.try_get("owned")?,
        schema_usable: found.try_get("schema_usable")?,
        row_security: found.try_get("row_security")?,
        has_children: found.try_get("has_children")?,
        rows: estimate(found.try_get("rows")?, bytes),
        bytes,
    })
}

/// Schema and name of the relation `oid`; `None` where there is none.
pub async fn name(client: &Client, oid: u32) -> Result<Option<(String, String)>, SourceError> {
    let row = client.query_opt(include_str!("../../../sql/table_name.sql"), &[&oid]).await?;
    row.map(|row| Ok((row.try_get("schema")?, row.try_get("name")?))).transpose()
}

/// The up to five of `names` that are most like `wanted`, the nearest first.
pub fn nearest<'a>(required: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let limit = required.chars().count() / 2 + 1;
    let mut near: Vec<(usize, &str)> = names
        .into_iter()
        .map(|name| (levenshtein(&required.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    near.sort_unstable();
    near.into_iter().take(5).map(|(_, name)| name).collect()
}

async fn no_such_table(client: &Client, schema: &str, name: &str) -> Result<Refusal, SourceError> {
    let rows = client.query(include_str!("../../../sql/tables.sql"), &[]).await?;
    let tables: Vec<(String, String)> = rows
        .iter()
        .map(|row| Ok((row.try_get("schema")?, row.try_get("name")?)))
        .collect::<Result<_, SourceError>>()?;
    let elsewhere = tables.iter().filter(|(_, found)| found == name);
    let alike =
        nearest(name, tables.iter().filter(|(found, _)| found == schema).map(|(_, name)| name.as_str()));
    let mut near: Vec<String> = elsewhere.map(|(schema, name)| format!("{schema}.{name}")).collect();
    near.extend(alike.into_iter().map(|name| format!("{schema}.{name}")));
    let hint = if near.is_empty() { String::new() } else { format!("; there is {}", near.join(", ")) };
    Ok(Refusal::of_a_setting(format!(
        "documents.table: there is no table {schema}.{name} in this database{hint}"
    )))
}

fn column(row: &Row) -> Result<Column, SourceError> {
    let generated = match row.try_get("generated")? {
        "s" => Generated::Stored,
        "v" => Generated::Virtual,
        _ => Generated::No,
    };
    Ok(Column {
        name: row.try_get("name")?,
        type_oid: row.try_get("type_oid")?,
        type_name: row.try_get("type_name")?,
        not_null: row.try_get("not_null")?,
        generated,
        readable: row.try_get("readable")?,
    })
}

fn unique_index(row: &Row) -> Result<UniqueIndex, SourceError> {
    Ok(UniqueIndex {
        name: row.try_get("name")?,
        primary: row.try_get("primary")?,
        replica_identity: row.try_get("replica_identity")?,
        immediate: row.try_get("immediate")?,
        whole: row.try_get("whole")?,
        columns: row.try_get("columns")?,
    })
}

fn partition(row: &Row) -> Result<Partition, SourceError> {
    Ok(Partition {
        schema: row.try_get("schema")?,
        name: row.try_get("name")?,
        kind: kind(row.try_get("kind")?),
        persistence: persistence(row.try_get("persistence")?),
        replica_identity: replica_identity(row.try_get("replica_identity")?),
        carried: row.try_get("carried")?,
    })
}

fn kind(letter: &str) -> Kind {
    match letter {
        "r" => Kind::Ordinary,
        "p" => Kind::Partitioned,
        _ => Kind::Other,
    }
}

fn persistence(letter: &str) -> Persistence {
    match letter {
        "t" => Persistence::Temporary,
        "u" => Persistence::Unlogged,
        _ => Persistence::Logged,
    }
}

fn replica_identity(letter: &str) -> ReplicaIdentity {
    match letter {
        "d" => ReplicaIdentity::Default,
        "f" => ReplicaIdentity::Full,
        "i" => ReplicaIdentity::Index,
        _ => ReplicaIdentity::Nothing,
    }
}

/// Before 14 a table that was never counted says 0, like an empty one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate, and at least 0")]
fn estimate(rows: f64, bytes: u64) -> Option<u64> {
    (rows > 0.0 || bytes == 0).then_some(rows.max(0.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_names_come_first_and_strangers_not_at_all() {
        let names = ["orders", "documents", "document", "users"];
        assert_eq!(nearest("Documnts", names), ["documents", "document"]);
    }
}
