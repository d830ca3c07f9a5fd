//! Any values of a document, one after another: classified or refused, never a panic; every record is
//! JSON, and what is remembered is read back as it was.

#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sidecar::classify::{
    Drafts, Entry, ExcludedWhen, Identity, Layout, Layouts, Mapping, Projects, Row, SimilarityColumns,
    TypeKinds, Value,
};
use sidecar::decode::{Column, Relation, ReplicaIdentity};

/// Labels are arrays, of texts and of numbers: a json column is passed through, as the server checked it.
const COLUMNS: [(&str, u32); 7] = [
    ("id", 25),
    ("key", 25),
    ("project_id", 25),
    ("labels", 1009),
    ("predicted_labels", 1007),
    ("similarity", 3802),
    ("deleted_at", 1184),
];

static LAYOUT: LazyLock<Layout> = LazyLock::new(|| {
    let named = |name: &str| Some(name.to_owned());
    let mapping = Mapping {
        table: "documents".parse().expect("a table's name"),
        id: vec!["id".to_owned()],
        key: named("key"),
        project: named("project_id"),
        labels: named("labels"),
        predicted_labels: named("predicted_labels"),
        similarity: SimilarityColumns::Json("similarity".to_owned()),
        excluded: named("deleted_at"),
        excluded_when: ExcludedWhen::NotNull,
        content: None,
        ignore: Vec::new(),
    };
    let column =
        |(name, type_oid): (&str, u32)| Column { name: name.to_owned(), type_oid, part_of_key: name == "id" };
    let relation = Relation {
        oid: 1,
        schema: "public".to_owned(),
        name: "documents".to_owned(),
        replica_identity: ReplicaIdentity::Default,
        columns: COLUMNS.map(column).to_vec(),
    };
    let (mut layouts, kinds) = (Layouts::default(), TypeKinds::default());
    Layout::resolve(&mapping, &["id".to_owned()], &relation, &mut layouts, &kinds, &BTreeMap::new())
        .expect("every column is there")
});

fuzz_target!(|bytes: &[u8]| {
    let _ = Entry::decode(&Identity(bytes.into()), bytes);
    let (mut projects, mut drafts, mut before) = (Projects::default(), Drafts::default(), None);
    // A byte 0xFF parts values: no text holds it.
    let values: Vec<&[u8]> = bytes.split(|byte| *byte == 0xFF).collect();
    for row in values.chunks_exact(COLUMNS.len()) {
        let row = Row(row.iter().map(|text| value(text)).collect());
        drafts.clear();
        let classified = LAYOUT.classify(before.as_ref(), &row, &mut projects, &mut drafts);
        for draft in &drafts.list {
            let json: Result<&serde_json::value::RawValue, _> =
                serde_json::from_slice(drafts.fragment(draft));
            assert!(json.is_ok(), "{:?}", String::from_utf8_lossy(drafts.fragment(draft)));
        }
        let (Ok(entry), Ok(identity)) = (classified, LAYOUT.identity(&row)) else {
            continue;
        };
        assert_eq!(Entry::decode(&identity, &entry.encode(&identity)), Ok(entry.clone()));
        before = Some(entry);
    }
});

/// Nothing is NULL, a single byte 1 a value left out.
fn value(bytes: &[u8]) -> Value<'_> {
    match bytes {
        [] => Value::Null,
        [1] => Value::Unchanged,
        text => Value::Text(text),
    }
}
