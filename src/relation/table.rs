//! A table as the catalog describes it.

use super::sql_names;

/// A table as the catalog describes it.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts of the catalog, each by itself")]
pub struct Table {
    /// Its OID, which the stream refers to.
    pub oid: u32,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The kind of relation.
    pub kind: Kind,
    /// Whether its changes are written to the WAL.
    pub persistence: Persistence,
    /// The columns of the old row that the WAL carries for an UPDATE or DELETE.
    pub replica_identity: ReplicaIdentity,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// Its unique indexes, those with the fewest columns first.
    pub unique_indexes: Vec<UniqueIndex>,
    /// The partitions that hold rows, if it is partitioned.
    pub partitions: Vec<Partition>,
    /// The role that owns it.
    pub owner: String,
    /// Our role owns it, or is a member of the role that does.
    pub owned: bool,
    /// Our role has USAGE on its schema.
    pub schema_usable: bool,
    /// Row security would hide rows from our role.
    pub row_security: bool,
    /// Other tables inherit from it, other than partitions.
    pub has_children: bool,
    /// The planner's estimate; `None` before the first ANALYZE.
    pub rows: Option<u64>,
    /// Size on disk, TOAST included, indexes excluded.
    pub bytes: u64,
}

/// The kind of a relation. <https://www.postgresql.org/docs/current/catalog-pg-class.html>
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// An ordinary table.
    Ordinary,
    /// A view, a foreign table and so on: not supported by logical replication.
    Other,
    /// A partitioned table, whose rows are in its partitions.
    Partitioned,
}

/// Whether changes are written to the WAL.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Persistence {
    /// A permanent table: they are.
    Logged,
    /// A temporary table.
    Temporary,
    /// An unlogged table.
    Unlogged,
}

/// The replica identity.
/// <https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-REPLICA-IDENTITY>
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReplicaIdentity {
    /// The primary key, if there is one.
    Default,
    /// The whole row.
    Full,
    /// The columns of one unique index.
    Index,
    /// Nothing: UPDATE and DELETE of a published table fail.
    Nothing,
}

/// One column.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The OID of its type.
    pub type_oid: u32,
    /// The name of its type, for messages.
    pub type_name: String,
    /// No row has NULL in it.
    pub not_null: bool,
    /// Whether and how it is generated.
    pub generated: Generated,
    /// Our role has SELECT on it.
    pub readable: bool,
}

/// Whether and how a column is generated.
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
    /// It belongs to the primary key.
    pub primary: bool,
    /// `REPLICA IDENTITY USING INDEX` names it.
    pub replica_identity: bool,
    /// Not deferrable: it is checked after every row, not only at the end of a statement or transaction.
    pub immediate: bool,
    /// It is valid, has no predicate, and is over columns and not expressions.
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
    /// The kind of relation. Changes of a foreign table are not in this server's WAL.
    pub kind: Kind,
    /// Whether its changes are written to the WAL.
    pub persistence: Persistence,
    /// Its own replica identity, which may differ from the root's.
    pub replica_identity: ReplicaIdentity,
    /// The columns that its replica identity carries; empty under [`ReplicaIdentity::Full`], which carries
    /// all.
    pub carried: Vec<String>,
}

impl Table {
    /// The quoted name, for SQL.
    pub fn quoted(&self) -> String {
        sql_names::qualified_name(&self.schema, &self.name)
    }

    /// The FROM item for exactly the rows whose changes the stream carries under this table's name: tables
    /// that inherit from it are published under their own names.
    pub fn read_from(&self) -> String {
        match self.kind {
            Kind::Ordinary => format!("ONLY {}", self.quoted()),
            Kind::Other | Kind::Partitioned => self.quoted(),
        }
    }

    /// The column `name`.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The columns that pgoutput publishes: generated columns only if they are stored and the publication
    /// includes them (18+).
    pub fn published_columns(&self, generated: bool) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(move |column| match column.generated {
            Generated::No => true,
            Generated::Stored => generated,
            Generated::Virtual => false,
        })
    }

    /// The names of its columns, for messages about one that it lacks.
    pub fn column_names(&self) -> String {
        self.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
    }
}
