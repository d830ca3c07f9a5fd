//! What the columns of a table are by their types. Domains are followed to what they are of.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use super::types::{TypeForm, TypeKind, type_forms};
use crate::source::SourceError;

/// A column's type.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ColumnType {
    /// What its text looks like.
    pub form: TypeForm,
    /// Its type, as SQL takes it in a cast: with a domain's checks, and a length.
    pub whole_name: String,
    /// What it is a domain of, without a length.
    pub base_name: String,
    /// What sort of type it is.
    pub sort: Sort,
    /// The labels of an enum, in their order.
    pub labels: Vec<String>,
    /// Its collation takes only texts for equal that are the same.
    pub deterministic: bool,
    /// Its default is the time.
    pub from_clock: bool,
}

impl ColumnType {
    /// No type of the server's own.
    pub fn is_of_extension(&self) -> bool {
        self.sort == Sort::Base && self.form.base >= FIRST_USER_OID
    }
}

/// What sort of type it is. <https://www.postgresql.org/docs/current/catalog-pg-type.html>
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sort {
    /// An array.
    Array,
    /// A scalar of the server's, or of an extension.
    Base,
    /// A row.
    Composite,
    /// An enum.
    Enum,
    /// A range or a multirange.
    Range,
    /// Nothing that a column can be of.
    Pseudo,
}

/// The types of the columns of the table `oid`, by the columns' names.
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
                sort: sort(row.try_get("kind")?),
                labels: row.try_get("labels")?,
                deterministic: row.try_get("deterministic")?,
                from_clock: row.try_get("from_clock")?,
            };
            Ok((row.try_get("name")?, column))
        })
        .collect()
}

fn sort(letter: &str) -> Sort {
    match letter {
        "a" => Sort::Array,
        "b" => Sort::Base,
        "c" => Sort::Composite,
        "e" => Sort::Enum,
        "m" | "r" => Sort::Range,
        _ => Sort::Pseudo,
    }
}

/// FirstNormalObjectId: lower oids are the server's own.
/// <https://www.postgresql.org/docs/current/system-catalog-initial-data.html#SYSTEM-CATALOG-OID-ASSIGNMENT>
const FIRST_USER_OID: u32 = 16_384;
