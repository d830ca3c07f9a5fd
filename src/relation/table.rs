//! A table as the catalog describes it.

use super::sql_names;

/// A table, as the catalog describes it.
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
    /// What of the old row the log carries when it is changed or deleted.
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
        sql_names::qualified_name(&self.schema, &self.name)
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
