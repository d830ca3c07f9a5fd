//! Reads one table from the catalog: its columns, indexes, partitions and privileges. Nothing is evaluated
//! here and nothing is written.

use strsim::levenshtein;
use tokio_postgres::{Client, Row};

use super::violation::{CatalogError, Violation};
use crate::relation::{Column, Generated, Kind, Partition, Persistence, ReplicaIdentity, Table, UniqueIndex};
use crate::source::SourceError;

/// Reads the table `schema.name`. If it does not exist, the violation lists the nearest names.
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

/// Schema and name of the relation `oid`; `None` if it does not exist.
pub async fn name(client: &Client, oid: u32) -> Result<Option<(String, String)>, SourceError> {
    let row = client.query_opt(include_str!("../../../sql/table_name.sql"), &[&oid]).await?;
    row.map(|row| Ok((row.try_get("schema")?, row.try_get("name")?))).transpose()
}

/// Up to five of `names` that are most similar to `required`, the most similar first.
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

async fn no_such_table(client: &Client, schema: &str, name: &str) -> Result<Violation, SourceError> {
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
    Ok(Violation::in_settings(format!(
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

/// Before 14 a table that was never analyzed reports 0 rows, like an empty one.
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
