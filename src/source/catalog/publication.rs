//! The publication: what it publishes, and which of its properties would lose changes or break the
//! application's writes.

use postgres_protocol::escape::escape_identifier;
use tokio_postgres::Client;

use super::violation::Violation;
use crate::relation::{Generated, Kind, ReplicaIdentity, Table};
use crate::source::SourceError;

/// A publication, and how it publishes the documents table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "facts of the catalog, each by itself")]
pub struct Publication {
    /// Its OID. A publication that is dropped and recreated gets another one.
    pub oid: u32,
    /// FOR ALL TABLES.
    pub all_tables: bool,
    /// It publishes inserts, updates, deletes and truncates.
    pub publishes_all: bool,
    /// Changes of partitions are published under the root's name (`publish_via_partition_root`).
    pub via_root: bool,
    /// Stored generated columns are published (18+).
    pub generated: bool,
    /// Our role may alter and drop it.
    pub owned: bool,
    /// Changes of the table are published under its own name.
    pub publishes_table: bool,
    /// The publication names the table, or publishes partitions of it only.
    pub publishes_parts: bool,
    /// The publication has a column list for the table.
    pub has_column_list: bool,
    /// The publication has a row filter for the table.
    pub has_row_filter: bool,
    /// Number of other tables that it publishes.
    pub others: i64,
}

/// Reads the publication `name` with its view of the table `oid`; `None` if it does not exist.
pub async fn publication(client: &Client, name: &str, oid: u32) -> Result<Option<Publication>, SourceError> {
    let Some(found) = client.query_opt(include_str!("../../../sql/publication.sql"), &[&name]).await? else {
        return Ok(None);
    };
    let own: u32 = found.try_get("oid")?;
    let tables = client.query_one(include_str!("../../../sql/publication_tables.sql"), &[&own, &oid]).await?;
    let limits = client.query_opt(include_str!("../../../sql/publication_limits.sql"), &[&own, &oid]).await?;
    let limit = |column: &str| limits.as_ref().map_or(Ok(false), |row| row.try_get(column));
    let publishes = |column: &str| found.try_get::<_, bool>(column);
    Ok(Some(Publication {
        oid: own,
        all_tables: found.try_get("all_tables")?,
        publishes_all: publishes("inserts")?
            && publishes("updates")?
            && publishes("deletes")?
            && publishes("truncates")?,
        via_root: found.try_get("via_root")?,
        generated: found.try_get("generated")?,
        owned: found.try_get("owned")?,
        publishes_table: tables.try_get("publishes_table")?,
        publishes_parts: limits.is_some() || tables.try_get("publishes_parts")?,
        has_column_list: limit("has_column_list")?,
        has_row_filter: limit("has_row_filter")?,
        others: tables.try_get("others")?,
    }))
}

/// The problems of the publication `name`, each with the SQL that fixes it.
pub fn violations(
    name: &str,
    publication: &Publication,
    table: &Table,
    needs_generated: bool,
) -> Vec<Violation> {
    let (publication_sql, table_sql) = (escape_identifier(name), table.quoted());
    let set = |option: &str| format!("ALTER PUBLICATION {publication_sql} SET ({option});");
    let mut violations = Vec::new();
    if !publication.publishes_all {
        violations.push(Violation::with_fix(
            format!("the publication {name} lacks insert, update, delete or truncate"),
            set("publish = 'insert, update, delete, truncate'"),
        ));
    }
    let under_leaves = table.kind == Kind::Partitioned && !publication.via_root;
    if under_leaves && (publication.publishes_parts || publication.all_tables) {
        violations.push(Violation::with_fix(
            format!(
                "the publication {name} publishes changes under the names of the partitions of {}",
                table.name
            ),
            set("publish_via_partition_root = true"),
        ));
    } else if !publication.publishes_table {
        violations.push(Violation::with_fix(
            format!("the publication {name} does not contain the table {}.{}", table.schema, table.name),
            format!("ALTER PUBLICATION {publication_sql} ADD TABLE {table_sql};"),
        ));
    }
    if publication.has_column_list || publication.has_row_filter {
        let limit = if publication.has_column_list { "column list" } else { "row filter" };
        violations.push(Violation::with_fix(
            format!(
                "the publication {name} has a {limit} for {}: changes would be lost, or the application's UPDATEs fail",
                table.name
            ),
            format!("ALTER PUBLICATION {publication_sql} DROP TABLE {table_sql}; ALTER PUBLICATION {publication_sql} ADD TABLE {table_sql};"),
        ));
    }
    if needs_generated && !publication.generated {
        violations.push(Violation::with_fix(
            format!("the publication {name} leaves out generated columns of {}", table.name),
            set("publish_generated_columns = stored"),
        ));
    }
    violations
}

/// Whether the publication must publish stored generated columns (18+): if a setting or the identity names
/// one, and under FULL, where the application's UPDATEs and DELETEs would fail otherwise.
/// <https://www.postgresql.org/docs/current/logical-replication-gencols.html>
pub fn needs_generated(version: u32, table: &Table, named: impl IntoIterator<Item: AsRef<str>>) -> bool {
    let stored = |name: &str| table.column(name).is_some_and(|column| column.generated == Generated::Stored);
    let under_full = table.replica_identity == ReplicaIdentity::Full
        && table.columns.iter().any(|column| column.generated == Generated::Stored);
    version >= PUBLISHES_GENERATED && (under_full || named.into_iter().any(|name| stored(name.as_ref())))
}

/// The SQL that creates the publication `name` for `table`.
pub fn create(name: &str, table: &Table, generated: bool) -> String {
    let mut options = Vec::new();
    if table.kind == Kind::Partitioned {
        options.push("publish_via_partition_root = true");
    }
    if generated {
        options.push("publish_generated_columns = stored");
    }
    let with = if options.is_empty() { String::new() } else { format!(" WITH ({})", options.join(", ")) };
    format!("CREATE PUBLICATION {} FOR TABLE {}{with};", escape_identifier(name), table.read_from())
}

/// The first version that can publish generated columns.
pub const PUBLISHES_GENERATED: u32 = 180_000;
