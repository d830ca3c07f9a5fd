//! What the text of a column's type looks like, so that labels can be written as JSON.

use std::collections::HashMap;

use tokio_postgres::Client;

use super::SourceError;

/// The form of a type's text; domains are what they are domains of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TypeKind {
    /// An array. <https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO>
    Array {
        /// What stands between its elements: a comma, but for box.
        delimiter: u8,
        /// What an element's text is in JSON.
        element: Element,
    },
    /// json or jsonb.
    Json,
    /// Anything else: a string.
    Text,
}

/// What an array's element is in JSON.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Element {
    /// `t` or `f`.
    Bool,
    /// A number, where JSON has it; a float's or numeric's `NaN` and `Infinity` are strings.
    Number,
    /// A string.
    Text,
}

/// The kind of each type of `oids`; a type that is gone is not in the answer.
pub async fn type_kinds(client: &Client, oids: &[u32]) -> Result<HashMap<u32, TypeKind>, SourceError> {
    let rows = client.query(include_str!("../../sql/types.sql"), &[&oids]).await?;
    rows.iter()
        .map(|row| {
            let delimiter = row.try_get::<_, Option<&str>>("delimiter")?.and_then(|text| text.bytes().next());
            let element = row.try_get("element")?;
            Ok((row.try_get("asked")?, kind(row.try_get("base")?, element, delimiter.unwrap_or(b','))))
        })
        .collect()
}

/// By oids, which never change. <https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat>
fn kind(base: u32, element: Option<u32>, delimiter: u8) -> TypeKind {
    match (base, element) {
        (_, Some(16)) => TypeKind::Array { delimiter, element: Element::Bool },
        // int8, int2, int4, oid, float4, float8, numeric. Not money: its text is no number.
        (_, Some(20 | 21 | 23 | 26 | 700 | 701 | 1700)) => {
            TypeKind::Array { delimiter, element: Element::Number }
        }
        (_, Some(_)) => TypeKind::Array { delimiter, element: Element::Text },
        (114 | 3802, None) => TypeKind::Json,
        (_, None) => TypeKind::Text,
    }
}
