//! The table's columns, as the stream would describe and carry them.

use super::{Comparison, ComparisonMode, ResyncError};
use crate::capture::GroupWriter;
use crate::classify::{DIGEST_OVER, Layout, TypeKinds, Value};
use crate::decode::{Column, Relation, ReplicaIdentity};
use crate::source::catalog::Table;
use crate::source::catalog::added::added;
use crate::source::catalog::types;
use crate::source::documents::select::ReadColumn;
use crate::source::documents::snapshot::SqlValue;
use crate::spool::Fact;

pub(super) async fn layout(
    start: &Comparison,
    group_writer: &mut GroupWriter,
) -> Result<Layout, ResyncError> {
    let relation = relation(&start.snapshot.table, start.generated);
    let mapping = &start.documents.mapping;
    let mut kinds = TypeKinds::read_for(start.documents.excluded_type);
    let unknown = Layout::unknown_types(mapping, &relation, &kinds);
    for (oid, form) in types::type_forms(start.snapshot.client(), &unknown).await? {
        kinds.learn(oid, form);
    }
    let (client, oid) = (start.snapshot.client(), start.snapshot.table.oid);
    let names = group_writer.layouts.added(mapping, &relation);
    let added = added(client, oid, &names).await?;
    let defaults = added.certain(&group_writer.layouts.files, None);
    let layout = Layout::resolve(
        mapping,
        &start.documents.identity,
        &relation,
        &mut group_writer.layouts,
        &kinds,
        &defaults,
    )?;
    group_writer.layouts.files = added.files;
    if start.mode != ComparisonMode::Count {
        group_writer.layouts.learn();
        group_writer.set_fact(Fact::Layouts, serde_json::to_vec(&group_writer.layouts).ok());
    }
    Ok(layout)
}

/// The table as the stream describes it.
fn relation(table: &Table, generated: bool) -> Relation {
    let column = |column: &crate::source::catalog::Column| Column {
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
