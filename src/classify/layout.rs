//! A mapping applied to one version of the table.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::Entry;
use super::fingerprint::Fingerprint;
use super::identity::Identity;
use super::labels::TypeKinds;
use super::layouts::{EntryColumn, Layouts, content_names};
use super::mapping::{Mapping, SimilarityColumns};
use super::row::{Row, Unreadable, Value};
use crate::decode::{Cell, OldTuple, Relation, Tuple};
use crate::relation::{MissingValue, TypeKind};

/// The positions of a mapping's columns in the tuples of one relation.
#[derive(Clone, Debug)]
pub struct Layout {
    pub(super) mapping: Mapping,
    /// The columns that are read, each once. Roles are indexes into it.
    columns: Vec<LayoutColumn>,
    /// The number of columns of the relation, and so of cells of a tuple.
    width: usize,
    identity: Vec<usize>,
    pub(super) id: Vec<usize>,
    pub(super) key: Option<usize>,
    pub(super) project: Option<usize>,
    pub(super) labels: Option<(usize, TypeKind)>,
    pub(super) predicted_labels: Option<(usize, TypeKind)>,
    pub(super) similarity: SimilarityAt,
    pub(super) excluded: Option<usize>,
    pub(super) content: Vec<usize>,
    /// The number of this set of content columns, by which entries refer to it.
    pub(super) number: u32,
    /// For each earlier number: where its entries hold each content column of this layout.
    translations: Vec<Vec<EntryColumn>>,
}

/// A column that is read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LayoutColumn {
    /// Its name.
    pub name: String,
    /// It is content and has no other role, so the sha256 of a long value suffices.
    pub digestible: bool,
    /// The index in the relation's tuples.
    cell: usize,
    /// The form of its text.
    kind: TypeKind,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SimilarityAt {
    Columns([usize; 3]),
    Json(usize),
    Nowhere,
}

/// What the mapping needs and the relation lacks.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", describe(self))]
pub struct Unresolved {
    /// (setting, column) of missing columns.
    pub missing: Vec<(String, String)>,
    /// Identity columns that the stream does not carry.
    pub identity_missing: Vec<String>,
    /// The column of `documents.excluded`, if its type gives `documents.excluded_when` another meaning.
    pub retyped: Option<String>,
    /// The columns of the relation.
    pub found: Vec<String>,
}

fn describe(unresolved: &Unresolved) -> String {
    let mut parts: Vec<String> = unresolved
        .missing
        .iter()
        .map(|(setting, column)| {
            format!("`{setting}` names the column `{column}`, which the table does not have")
        })
        .collect();
    if !unresolved.identity_missing.is_empty() {
        parts.push(format!(
            "the stream no longer carries the identity's `{}`",
            unresolved.identity_missing.join("`, `")
        ));
    }
    if let Some(column) = &unresolved.retyped {
        parts.push(format!(
            "`documents.excluded` names the column `{column}`, which is of another type here than \
             `documents.excluded_when` and `documents.live_when` were read for"
        ));
        if parts.len() == 1 {
            return parts.concat();
        }
    }
    format!("{}; its columns are: {}", parts.join("; "), unresolved.found.join(", "))
}

impl Layout {
    /// Finds the mapping's columns in `relation`. `defaults` has the missing values of the columns that
    /// [`Layouts::added`] returned.
    pub fn resolve(
        mapping: &Mapping,
        identity: &[String],
        relation: &Relation,
        layouts: &mut Layouts,
        kinds: &TypeKinds,
        defaults: &BTreeMap<String, MissingValue>,
    ) -> Result<Self, Unresolved> {
        check(mapping, identity, relation, kinds)?;
        let number = layouts.number(mapping, relation, defaults);
        let roles: BTreeSet<&str> = mapping
            .roles()
            .into_iter()
            .map(|(_, column)| column)
            .chain(identity.iter().map(String::as_str))
            .collect();
        let read =
            relation.columns.iter().enumerate().filter(|(_, column)| {
                roles.contains(column.name.as_str()) || mapping.is_content(&column.name)
            });
        let columns: Vec<LayoutColumn> = read
            .map(|(cell, column)| LayoutColumn {
                name: column.name.clone(),
                digestible: !roles.contains(column.name.as_str()),
                cell,
                kind: kinds.kind(column.type_oid),
            })
            .collect();
        // `check` found every name.
        let at = |name: &str| columns.iter().position(|column| column.name == name).unwrap_or(usize::MAX);
        let kind = |at: usize| columns.get(at).map_or(TypeKind::Text, |column| column.kind);
        let with_kind = |name: &String| (at(name), kind(at(name)));
        Ok(Self {
            width: relation.columns.len(),
            identity: identity.iter().map(|name| at(name)).collect(),
            id: mapping.id.iter().map(|name| at(name)).collect(),
            key: mapping.key.as_deref().map(at),
            project: mapping.project.as_deref().map(at),
            labels: mapping.labels.as_ref().map(with_kind),
            predicted_labels: mapping.predicted_labels.as_ref().map(with_kind),
            similarity: match &mapping.similarity {
                SimilarityColumns::Columns { id, key, label } => {
                    SimilarityAt::Columns([at(id), at(key), at(label)])
                }
                SimilarityColumns::Json(column) => SimilarityAt::Json(at(column)),
                SimilarityColumns::None => SimilarityAt::Nowhere,
            },
            excluded: mapping.excluded.as_deref().map(at),
            content: content_names(mapping, relation).map(at).collect(),
            number,
            translations: layouts.translations(),
            mapping: mapping.clone(),
            columns,
        })
    }

    /// The OIDs of types of columns with a role that are missing in `kinds`: they must be read from the
    /// catalog before [`Layout::resolve`].
    pub fn unknown_types(mapping: &Mapping, relation: &Relation, kinds: &TypeKinds) -> Vec<u32> {
        let roles = mapping.roles();
        let columns =
            relation.columns.iter().filter(|column| roles.iter().any(|(_, name)| *name == column.name));
        columns.map(|column| column.type_oid).filter(|oid| !kinds.contains(*oid)).collect()
    }

    /// The columns of a row, in the order of [`Row`]'s values.
    pub fn columns(&self) -> &[LayoutColumn] {
        &self.columns
    }

    /// The values of this layout's columns in a new tuple.
    pub fn row<'a>(&self, tuple: &Tuple<'a>) -> Result<Row<'a>, Unreadable> {
        let cells = &tuple.0;
        let width = Unreadable::Width { found: cells.len(), expected: self.width };
        if cells.len() != self.width {
            return Err(width);
        }
        let value = |column: &LayoutColumn| match cells.get(column.cell) {
            Some(Cell::Null) => Ok(Value::Null),
            Some(Cell::Text(text)) => Ok(Value::Text(text)),
            Some(Cell::Unchanged) => Ok(Value::Unchanged),
            None => Err(width.clone()),
        };
        self.columns.iter().map(value).collect::<Result<_, _>>().map(Row)
    }

    /// The values of this layout's columns after an UPDATE. An identity column that is stored out of line
    /// and unchanged is missing in the new tuple and present in the old one (seen on 15 and 18).
    pub fn updated_row<'a>(
        &self,
        old: Option<&OldTuple<'a>>,
        new: &Tuple<'a>,
    ) -> Result<Row<'a>, Unreadable> {
        let mut row = self.row(new)?;
        let Some(OldTuple::Full(old) | OldTuple::Key(old)) = old else { return Ok(row) };
        for at in &self.identity {
            if let (Some(value @ Value::Unchanged), Some(column)) =
                (row.0.get_mut(*at), self.columns.get(*at))
                && let Some(Cell::Text(text)) = old.0.get(column.cell)
            {
                *value = Value::Text(text);
            }
        }
        Ok(row)
    }

    /// The identity of the new row.
    pub fn identity(&self, row: &Row<'_>) -> Result<Identity, Unreadable> {
        let texts = self.identity.iter().map(|at| self.identity_text(row, *at));
        Identity::of(&texts.collect::<Result<Vec<_>, _>>()?)
    }

    /// The identity of the old row. Nothing else of an old tuple is read.
    pub fn old_identity(&self, old: &OldTuple<'_>) -> Result<Identity, Unreadable> {
        let (OldTuple::Full(tuple) | OldTuple::Key(tuple)) = old;
        self.identity(&self.row(tuple)?)
    }

    /// The identity for messages, even if it is invalid.
    pub fn shown_identity(&self, row: &Row<'_>) -> String {
        let shown = |at: &usize| {
            let name = self.column_name(*at);
            match self.value(row, *at) {
                Value::Text(text) => format!("{name} {}", String::from_utf8_lossy(text).escape_debug()),
                Value::Null => format!("{name} NULL"),
                Value::Digest(_) | Value::Unchanged => format!("an unknown {name}"),
            }
        };
        self.identity.iter().map(shown).collect::<Vec<_>>().join(", ")
    }

    fn identity_text<'a>(&self, row: &Row<'a>, at: usize) -> Result<&'a [u8], Unreadable> {
        match self.value(row, at) {
            Value::Text(text) => Ok(text),
            Value::Unchanged => Err(self.out_of_line(at)),
            Value::Digest(_) | Value::Null => Err(self.null_id(at)),
        }
    }

    #[expect(clippy::unused_self, reason = "a place means nothing without its layout")]
    pub(super) fn value<'a>(&self, row: &Row<'a>, at: usize) -> Value<'a> {
        row.0.get(at).copied().unwrap_or(Value::Unchanged)
    }

    pub(super) fn out_of_line(&self, at: usize) -> Unreadable {
        Unreadable::OutOfLine { column: self.column_name(at).to_owned() }
    }

    pub(super) fn null_id(&self, at: usize) -> Unreadable {
        Unreadable::NullId { column: self.column_name(at).to_owned() }
    }

    pub(super) fn kind(&self, at: usize) -> TypeKind {
        self.columns.get(at).map_or(TypeKind::Text, |column| column.kind)
    }

    pub(super) fn column_name(&self, at: usize) -> &str {
        self.columns.get(at).map_or("", |column| column.name.as_str())
    }

    /// The fingerprints of this layout's content columns in an entry that was written under any layout.
    pub(super) fn content_of(&self, entry: &Entry) -> Vec<Fingerprint> {
        if entry.layout == self.number {
            return entry.content.clone();
        }
        let translation = usize::try_from(entry.layout).ok().and_then(|at| self.translations.get(at));
        let Some(translation) = translation else { return vec![Fingerprint::UNKNOWN; self.content.len()] };
        let read = |held: &EntryColumn| match held {
            EntryColumn::Index(at) => entry.content.get(*at).copied().unwrap_or(Fingerprint::UNKNOWN),
            EntryColumn::Before(fingerprint) => *fingerprint,
        };
        translation.iter().map(read).collect()
    }
}

fn check(
    mapping: &Mapping,
    identity: &[String],
    relation: &Relation,
    kinds: &TypeKinds,
) -> Result<(), Unresolved> {
    let found: Vec<String> = relation.columns.iter().map(|column| column.name.clone()).collect();
    let lacks = |column: &str| !found.iter().any(|found| found == column);
    let listed = mapping.content.iter().flatten().map(|column| ("documents.content", column.as_str()));
    let missing: Vec<(String, String)> = mapping
        .roles()
        .into_iter()
        .chain(listed)
        .filter(|(_, column)| lacks(column))
        .map(|(setting, column)| (setting.to_owned(), column.to_owned()))
        .collect();
    let identity_missing: Vec<String> = identity.iter().filter(|column| lacks(column)).cloned().collect();
    let excluded = relation.columns.iter().find(|column| mapping.excluded.as_ref() == Some(&column.name));
    let retyped = excluded
        .filter(|column| !kinds.is_read_for(&mapping.excluded_when, column.type_oid))
        .map(|column| column.name.clone());
    if missing.is_empty() && identity_missing.is_empty() && retyped.is_none() {
        return Ok(());
    }
    Err(Unresolved { missing, identity_missing, retyped, found })
}

#[cfg(test)]
mod tests;
