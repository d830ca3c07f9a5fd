//! Chooses the columns that identify a row of the table. Pure: the catalog's facts in, the identity or a
//! violation with the SQL that would provide one out.

use postgres_protocol::escape::escape_identifier;

use super::violation::Violation;
use crate::relation::{Column, Kind, Partition, ReplicaIdentity, Table, UniqueIndex, sql_names};

/// The identity: the columns of the replica identity; under FULL the primary key, else an immediate unique
/// index over NOT NULL columns.
///
/// A violation if there is none, if a partition has another one, or if a column of `id` may be NULL.
pub fn choose(table: &Table, id: &[String]) -> Result<Vec<String>, Violation> {
    let identity = of_root(table, id)?;
    if let Some(stranger) = table.partitions.iter().find(|partition| !partition_carries(partition, &identity))
    {
        return Err(of_partition(table, stranger, &identity));
    }
    match nullable(table, id) {
        Some(column) => Err(may_be_null(table, column)),
        None => Ok(identity),
    }
}

fn of_root(table: &Table, id: &[String]) -> Result<Vec<String>, Violation> {
    let index = match table.replica_identity {
        ReplicaIdentity::Default => {
            table.unique_indexes.iter().find(|index| index.primary && index.immediate)
        }
        ReplicaIdentity::Index => {
            table.unique_indexes.iter().find(|index| index.replica_identity && index.immediate && index.whole)
        }
        ReplicaIdentity::Full => candidate(table),
        ReplicaIdentity::Nothing => None,
    };
    match index {
        Some(index) => Ok(index.columns.clone()),
        None => Err(none(table, id)),
    }
}

/// The primary key, else the first of the smallest indexes that could serve as one. A deferrable index
/// cannot: two rows may hold the same values while a statement runs.
fn candidate(table: &Table) -> Option<&UniqueIndex> {
    let serves = |index: &&UniqueIndex| {
        let not_null = |name: &String| table.column(name).is_some_and(|column| column.not_null);
        index.immediate && index.whole && index.columns.iter().all(not_null)
    };
    let primary = table.unique_indexes.iter().find(|index| index.primary && index.immediate);
    primary.or_else(|| table.unique_indexes.iter().find(serves))
}

/// Whether the partition's replica identity carries the columns: a changed row is logged by the identity of
/// its partition, not of the root.
fn partition_carries(partition: &Partition, identity: &[String]) -> bool {
    let same = || {
        partition.carried.len() == identity.len()
            && identity.iter().all(|column| partition.carried.contains(column))
    };
    partition.replica_identity == ReplicaIdentity::Full || same()
}

fn nullable<'a>(table: &'a Table, id: &[String]) -> Option<&'a Column> {
    id.iter().filter_map(|name| table.column(name)).find(|column| !column.not_null)
}

fn none(table: &Table, id: &[String]) -> Violation {
    let (quoted, shown) = (table.quoted(), shown(table));
    let why = match table.replica_identity {
        ReplicaIdentity::Default => "no primary key (or one that is deferrable)",
        ReplicaIdentity::Full => {
            "replica identity FULL, no primary key, and no unique index that could serve as one"
        }
        ReplicaIdentity::Index => "a replica identity whose index is gone or invalid",
        ReplicaIdentity::Nothing => "replica identity NOTHING",
    };
    let cure = match candidate(table) {
        Some(index) if index.primary => format!("ALTER TABLE {quoted} REPLICA IDENTITY DEFAULT;"),
        Some(index) => {
            format!("ALTER TABLE {quoted} REPLICA IDENTITY USING INDEX {};", escape_identifier(&index.name))
        }
        None => {
            let key = format!("ALTER TABLE {quoted} ADD PRIMARY KEY ({});", sql_names::column_list(id));
            let default = format!(" ALTER TABLE {quoted} REPLICA IDENTITY DEFAULT;");
            let dropped =
                table.unique_indexes.iter().find(|index| index.primary).map_or(String::new(), |index| {
                    format!("ALTER TABLE {quoted} DROP CONSTRAINT {}; ", escape_identifier(&index.name))
                });
            dropped + &key + if table.replica_identity == ReplicaIdentity::Default { "" } else { &default }
        }
    };
    Violation::with_fix(
        format!(
            "the table {shown} has {why}: once it is published, its UPDATEs and DELETEs fail or cannot be assigned to a document"
        ),
        cure,
    )
}

fn of_partition(table: &Table, partition: &Partition, identity: &[String]) -> Violation {
    let shown = shown(table);
    let (quoted, name) = (sql_names::qualified_name(&partition.schema, &partition.name), &partition.name);
    let what = format!(
        "the partition {name} of {shown} has another replica identity than ({})",
        identity.join(", ")
    );
    if partition.kind == Kind::Other {
        let detach = format!("ALTER TABLE {} DETACH PARTITION {quoted};", table.quoted());
        return Violation::with_fix(
            format!(
                "the partition {name} of {shown} is a foreign table: its changes are not in this server's WAL"
            ),
            detach,
        );
    }
    // A partition's index over the same columns may have any name, so it is matched by its columns. FULL
    // needs no index.
    let primary = table.unique_indexes.iter().any(|index| index.primary && index.columns == identity);
    let cure = if primary { "DEFAULT" } else { "FULL" };
    Violation::with_fix(what, format!("ALTER TABLE {quoted} REPLICA IDENTITY {cure};"))
}

fn may_be_null(table: &Table, column: &Column) -> Violation {
    Violation::with_fix(
        format!(
            "documents.id: the column {} of {} may hold NULL, so a document could have no id",
            column.name,
            shown(table)
        ),
        format!(
            "ALTER TABLE {} ALTER COLUMN {} SET NOT NULL;",
            table.quoted(),
            escape_identifier(&column.name)
        ),
    )
}

fn shown(table: &Table) -> String {
    format!("{}.{}", table.schema, table.name)
}
