//! The table's columns, as the stream would describe and carry them.

use super::error::ResyncError;
use crate::capture::{Documents, GroupWriter};
use crate::classify::{DIGEST_OVER, Layout, TypeKinds, Value};
use crate::decode::{Column, Relation, ReplicaIdentity};
use crate::relation::Table;
use crate::source::catalog::added::added;
use crate::source::catalog::types;
use crate::source::documents::select::ReadColumn;
use crate::source::documents::snapshot::{Snapshot, SqlValue};

/// The layout of the table in `snapshot`. The group writer's layouts know its columns then.
pub(super) async fn layout(
    snapshot: &Snapshot,
    documents: &Documents,
    generated: bool,
    group_writer: &mut GroupWriter,
) -> Result<Layout, ResyncError> {
    let (client, mapping) = (snapshot.client(), &documents.mapping);
    let relation = relation(&snapshot.table, generated);
    let mut kinds = TypeKinds::read_for(documents.excluded_type);
    let unknown = Layout::unknown_types(mapping, &relation, &kinds);
    for (oid, form) in types::type_forms(client, &unknown).await? {
        kinds.insert(oid, form);
    }
    let names = group_writer.layouts.added(mapping, &relation);
    let added = added(client, snapshot.table.oid, &names).await?;
    let defaults = added.certain(&group_writer.layouts.files, None);
    let layout = Layout::resolve(
        mapping,
        &documents.identity,
        &relation,
        &mut group_writer.layouts,
        &kinds,
        &defaults,
    )?;
    group_writer.layouts.files = added.files;
    Ok(layout)
}

/// The table as the stream describes it.
fn relation(table: &Table, generated: bool) -> Relation {
    let column = |column: &crate::relation::Column| Column {
        name: column.name.clone(),
        type_oid: column.type_oid,
        part_of_key: false,
    };
    Relation {
        oid: table.oid,
        schema: table.schema.clone(),
        name: table.name.clone(),
        replica_identity: ReplicaIdentity::Default,
        columns: table.published_columns(generated).map(column).collect(),
    }
}

pub(super) fn read_columns(layout: &Layout) -> Vec<ReadColumn> {
    let read = |column: &crate::classify::LayoutColumn| ReadColumn {
        name: column.name.clone(),
        digest_over: column.digestible.then_some(DIGEST_OVER),
    };
    layout.columns().iter().map(read).collect()
}

pub(super) fn value<'a>(value: &'a SqlValue<'_>) -> Value<'a> {
    match value {
        SqlValue::Digest(sha256) => Value::Digest(sha256),
        SqlValue::Null => Value::Null,
        SqlValue::Text(text) => Value::Text(text),
    }
}
