//! The types of a table's columns, with domains resolved to their base types.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use crate::relation::{ColumnType, TypeClass, TypeForm, TypeKind};
use crate::source::SourceError;
use crate::source::catalog::types::type_forms;

/// The types of the columns of the table `oid`, by column name.
pub async fn column_types(client: &Client, oid: u32) -> Result<BTreeMap<String, ColumnType>, SourceError> {
    let rows = client.query(include_str!("../../../sql/column_types.sql"), &[&oid]).await?;
    let bases = rows.iter().map(|row| row.try_get("base")).collect::<Result<Vec<u32>, _>>()?;
    let forms = type_forms(client, &bases).await?;
    rows.iter()
        .map(|row| {
            let base = row.try_get("base")?;
            let column = ColumnType {
                form: forms.get(&base).copied().unwrap_or(TypeForm { base, kind: TypeKind::Text }),
                whole_name: row.try_get("whole_name")?,
                base_name: row.try_get("base_name")?,
                class: class(row.try_get("kind")?),
                labels: row.try_get("labels")?,
                deterministic: row.try_get("deterministic")?,
                from_clock: row.try_get("from_clock")?,
            };
            Ok((row.try_get("name")?, column))
        })
        .collect()
}

fn class(letter: &str) -> TypeClass {
    match letter {
        "a" => TypeClass::Array,
        "b" => TypeClass::Base,
        "c" => TypeClass::Composite,
        "e" => TypeClass::Enum,
        "m" | "r" => TypeClass::Range,
        _ => TypeClass::Pseudo,
    }
}
