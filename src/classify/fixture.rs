//! A documents table and its rows, for the tests of this module.

use std::collections::BTreeMap;

use super::{
    Drafts, Entry, ExcludedWhen, Layout, Layouts, Mapping, Projects, Row, SimilarityColumns, TypeKinds,
    Unreadable, Value,
};
use crate::decode::{Column, Relation, ReplicaIdentity};

/// (name, type's OID) of the table that the default settings expect.
pub(super) const COLUMNS: [(&str, u32); 10] = [
    ("id", 20),
    ("key", 25),
    ("project_id", 25),
    ("title", 25),
    ("body", 25),
    ("labels", 1009),
    ("predicted_labels", 3802),
    ("similarity", 3802),
    ("deleted_at", 1184),
    ("updated_at", 1184),
];

pub(super) fn relation(columns: &[(&str, u32)]) -> Relation {
    let column = |&(name, type_oid): &(&str, u32)| Column {
        name: name.to_owned(),
        type_oid,
        part_of_key: name == "id",
    };
    Relation {
        oid: 5,
        schema: "public".to_owned(),
        name: "documents".to_owned(),
        replica_identity: ReplicaIdentity::Default,
        columns: columns.iter().map(column).collect(),
    }
}

pub(super) fn mapping() -> Mapping {
    Mapping {
        table: "documents".parse().unwrap(),
        id: vec!["id".to_owned()],
        key: Some("key".to_owned()),
        project: Some("project_id".to_owned()),
        labels: Some("labels".to_owned()),
        predicted_labels: Some("predicted_labels".to_owned()),
        similarity: SimilarityColumns::Json("similarity".to_owned()),
        excluded: Some("deleted_at".to_owned()),
        excluded_when: ExcludedWhen::NotNull,
        content: None,
        ignore: vec!["created_at".to_owned(), "updated_at".to_owned()],
    }
}

pub(super) fn layout(mapping: &Mapping, identity: &[&str], columns: &[(&str, u32)]) -> Layout {
    let identity: Vec<String> = identity.iter().map(|&name| name.to_owned()).collect();
    let (mut layouts, kinds) = (Layouts::default(), TypeKinds::default());
    Layout::resolve(mapping, &identity, &relation(columns), &mut layouts, &kinds, &BTreeMap::new()).unwrap()
}

/// A column's value in a change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum TestValue {
    Null,
    Text(String),
    Unchanged,
}

/// A row by column name. A column that is not named is NULL.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Doc(pub(super) BTreeMap<String, TestValue>);

impl Doc {
    pub(super) fn with(mut self, column: &str, text: &str) -> Self {
        self.0.insert(column.to_owned(), TestValue::Text(text.to_owned()));
        self
    }

    pub(super) fn null(mut self, column: &str) -> Self {
        self.0.remove(column);
        self
    }

    pub(super) fn unchanged(mut self, column: &str) -> Self {
        self.0.insert(column.to_owned(), TestValue::Unchanged);
        self
    }

    pub(super) fn row(&self, layout: &Layout) -> Row<'_> {
        let value = |name: &str| match self.0.get(name) {
            None | Some(TestValue::Null) => Value::Null,
            Some(TestValue::Text(text)) => Value::Text(text.as_bytes()),
            Some(TestValue::Unchanged) => Value::Unchanged,
        };
        Row(layout.columns().iter().map(|column| value(&column.name)).collect())
    }
}

/// A live document in project `p`.
pub(super) fn live() -> Doc {
    Doc::default()
        .with("id", "1")
        .with("key", "k")
        .with("project_id", "p")
        .with("title", "t")
        .with("body", "b")
        .with("labels", "{a}")
        .with("predicted_labels", r#"["x"]"#)
        .with("similarity", r#"[{"similar_doc_id": "7"}]"#)
        .with("updated_at", "2026-01-01")
}

pub(super) fn excluded() -> Doc {
    live().with("deleted_at", "2026-02-02")
}

/// A layout, with the drafts and projects that it writes to.
pub(super) struct Harness {
    pub(super) layout: Layout,
    pub(super) projects: Projects,
    pub(super) drafts: Drafts,
}

impl Harness {
    pub(super) fn new(layout: Layout) -> Self {
        Self { layout, projects: Projects::default(), drafts: Drafts::default() }
    }

    /// For the table of the default settings.
    pub(super) fn with_default_mapping() -> Self {
        Self::new(layout(&mapping(), &["id"], &COLUMNS))
    }

    /// The entry of `doc`, which is new.
    pub(super) fn entry_of(&mut self, doc: &Doc) -> Entry {
        self.classify(None, doc).unwrap().0
    }

    /// The records that `doc` creates after `before`, and the new entry.
    pub(super) fn classify(
        &mut self,
        before: Option<&Entry>,
        doc: &Doc,
    ) -> Result<(Entry, Vec<String>), Unreadable> {
        self.drafts.clear();
        let row = doc.row(&self.layout);
        let entry = self.layout.classify(before, &row, &mut self.projects, &mut self.drafts)?;
        Ok((entry, self.drafted()))
    }

    /// The records alone.
    pub(super) fn records(&mut self, before: Option<&Entry>, doc: &Doc) -> Vec<String> {
        self.classify(before, doc).unwrap().1
    }

    /// `project callback json` of each draft.
    pub(super) fn drafted(&self) -> Vec<String> {
        let shown = |draft: &super::Draft| {
            let json = std::str::from_utf8(self.drafts.fragment(draft)).unwrap();
            format!("{} {} {json}", self.projects.name(draft.project), draft.callback)
        };
        self.drafts.list.iter().map(shown).collect()
    }
}
