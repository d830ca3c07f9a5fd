//! Reads the text forms of types from the catalog.

use std::collections::HashMap;

use tokio_postgres::Client;

use crate::relation::types::kind;
use crate::relation::{TypeForm, TypeKind};
use crate::source::SourceError;

/// The form of each type in `oids`. A type that no longer exists is left out.
pub async fn type_forms(client: &Client, oids: &[u32]) -> Result<HashMap<u32, TypeForm>, SourceError> {
    let rows = client.query(include_str!("../../../sql/types.sql"), &[&oids]).await?;
    rows.iter()
        .map(|row| {
            let delimiter = row.try_get::<_, Option<&str>>("delimiter")?.and_then(|text| text.bytes().next());
            let (base, element) = (row.try_get("base")?, row.try_get("element")?);
            let kind = match kind(base, element, delimiter.unwrap_or(b',')) {
                TypeKind::Text if row.try_get("folded")? => TypeKind::Folded,
                kind => kind,
            };
            Ok((row.try_get("requested")?, TypeForm { base, kind }))
        })
        .collect()
}
