use super::super::fixture::{COLUMNS, Doc, Harness, layout, live, mapping, relation};
use super::*;
use crate::classify::ExcludedWhen;
use crate::relation::TypeForm;

const INGESTED: &str = r#"p ingested {"id":"1","key":"k"}"#;
const NOTHING: [&str; 0] = [];

/// A table whose columns change while its documents stay.
struct Table {
    layouts: Layouts,
    harness: Harness,
}

impl Table {
    fn new() -> Self {
        let mut layouts = Layouts::default();
        let layout = resolve(&mut layouts, &COLUMNS, &[]);
        Self { layouts, harness: Harness::new(layout) }
    }

    fn altered(&mut self, columns: &[(&str, u32)], defaults: &[(&str, MissingValue)]) {
        self.harness.layout = resolve(&mut self.layouts, columns, defaults);
    }
}

fn resolve(layouts: &mut Layouts, columns: &[(&str, u32)], defaults: &[(&str, MissingValue)]) -> Layout {
    let defaults = defaults.iter().map(|(name, default)| ((*name).to_owned(), default.clone())).collect();
    let identity = ["id".to_owned()];
    Layout::resolve(&mapping(), &identity, &relation(columns), layouts, &TypeKinds::default(), &defaults)
        .unwrap()
}

fn with(name: &'static str) -> Vec<(&'static str, u32)> {
    COLUMNS.into_iter().chain([(name, 25)]).collect()
}

fn without(name: &str) -> Vec<(&'static str, u32)> {
    COLUMNS.into_iter().filter(|column| column.0 != name).collect()
}

#[test]
fn every_missing_column_is_named_with_its_setting_and_the_columns_there_are() {
    let mut mapping = mapping();
    mapping.content = Some(vec!["title".to_owned(), "teaser".to_owned()]);
    let relation = relation(&[("id", 20), ("title", 25), ("tags", 1009)]);
    let refused = Layout::resolve(
        &mapping,
        &["id".to_owned(), "day".to_owned()],
        &relation,
        &mut Layouts::default(),
        &TypeKinds::default(),
        &BTreeMap::new(),
    );
    let unresolved = refused.unwrap_err();
    let missing: Vec<(&str, &str)> =
        unresolved.missing.iter().map(|(setting, column)| (setting.as_str(), column.as_str())).collect();
    assert_eq!(
        missing,
        [
            ("documents.key", "key"),
            ("documents.project", "project_id"),
            ("documents.labels", "labels"),
            ("documents.predicted_labels", "predicted_labels"),
            ("documents.similarity", "similarity"),
            ("documents.excluded", "deleted_at"),
            ("documents.content", "teaser"),
        ]
    );
    assert_eq!(unresolved.identity_missing, ["day"]);
    let sentence = unresolved.to_string();
    for part in ["`documents.labels` names the column `labels`", "identity's `day`", "id, title, tags"] {
        assert!(sentence.contains(part), "{part}: {sentence}");
    }
}

#[test]
fn a_refused_shape_leaves_the_layouts_as_they_were() {
    let mut table = Table::new();
    let before = table.layouts.clone();
    let renamed = COLUMNS.map(|(name, oid)| (if name == "labels" { "tags" } else { name }, oid));
    let refused = Layout::resolve(
        &mapping(),
        &["id".to_owned()],
        &relation(&renamed),
        &mut table.layouts,
        &TypeKinds::default(),
        &BTreeMap::new(),
    );
    assert!(refused.is_err());
    assert_eq!(table.layouts, before);
}

#[test]
fn content_is_every_column_without_another_role_that_is_not_ignored() {
    let names = |mapping: &Mapping| -> Vec<String> {
        let layout = layout(mapping, &["id"], &COLUMNS);
        layout.content.iter().map(|at| layout.column_name(*at).to_owned()).collect()
    };
    assert_eq!(names(&mapping()), ["title", "body"]);
    let mut listed = mapping();
    listed.content = Some(vec!["body".to_owned()]);
    assert_eq!(names(&listed), ["body"]);
}

#[test]
fn only_content_may_travel_as_a_digest() {
    let mut mapping = mapping();
    mapping.content = Some(vec!["title".to_owned(), "labels".to_owned()]);
    let layout = layout(&mapping, &["id", "body"], &COLUMNS);
    let digestible: Vec<&str> = layout
        .columns()
        .iter()
        .filter(|column| column.digestible)
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(digestible, ["title"]);
}

#[test]
fn a_dropped_content_column_is_forgotten() {
    let mut table = Table::new();
    let before = table.harness.entry_of(&live());
    table.altered(&without("title"), &[]);
    assert_eq!(table.harness.records(Some(&before), &live()), NOTHING);
    assert_eq!(table.harness.records(Some(&before), &live().with("body", "other")), [INGESTED]);
}

#[test]
fn an_added_column_was_null_or_its_constant_default_and_else_is_learned() {
    for (default, silent, loud) in [
        (MissingValue::Null, live(), live().with("added", "x")),
        (MissingValue::Constant(b"x".to_vec()), live().with("added", "x"), live()),
    ] {
        let mut table = Table::new();
        let before = table.harness.entry_of(&live());
        assert_eq!(table.layouts.added(&mapping(), &relation(&with("added"))), ["added"]);
        table.altered(&with("added"), &[("added", default)]);
        assert_eq!(table.harness.records(Some(&before), &silent), NOTHING);
        assert_eq!(table.harness.records(Some(&before), &loud), [INGESTED]);
    }
    let mut table = Table::new();
    let before = table.harness.entry_of(&live());
    table.altered(&with("added"), &[("added", MissingValue::Unknown)]);
    let (learned, records) = table.harness.classify(Some(&before), &live().with("added", "x")).unwrap();
    assert_eq!(records, NOTHING);
    assert_eq!(table.harness.records(Some(&learned), &live().with("added", "y")), [INGESTED]);
}

#[test]
fn a_renamed_column_is_a_dropped_and_an_added_one() {
    let mut table = Table::new();
    let before = table.harness.entry_of(&live());
    let renamed = COLUMNS.map(|(name, oid)| (if name == "title" { "headline" } else { name }, oid));
    assert_eq!(table.layouts.added(&mapping(), &relation(&renamed)), ["headline"]);
    table.altered(&renamed, &[("headline", MissingValue::Null)]);
    assert_eq!(table.harness.records(Some(&before), &live().with("headline", "t")), [INGESTED]);
}

#[test]
fn a_retyped_or_reordered_column_keeps_its_fingerprints() {
    let mut table = Table::new();
    let before = table.harness.entry_of(&live());
    let mut altered = COLUMNS.map(|(name, oid)| (name, if name == "title" { 1043 } else { oid }));
    altered.swap(3, 4);
    assert_eq!(table.layouts.added(&mapping(), &relation(&altered)), NOTHING);
    table.altered(&altered, &[]);
    assert_eq!(table.harness.records(Some(&before), &live()), NOTHING);
    assert_eq!(table.harness.records(Some(&before), &live().with("title", "other")), [INGESTED]);
}

#[test]
fn a_column_dropped_and_made_again_is_another() {
    let mut table = Table::new();
    let before = table.harness.entry_of(&live());
    table.altered(&without("title"), &[]);
    table.altered(&COLUMNS, &[("title", MissingValue::Null)]);
    assert_eq!(table.harness.records(Some(&before), &live().null("title")), NOTHING);
    assert_eq!(table.harness.records(Some(&before), &live()), [INGESTED]);
}

#[test]
fn the_same_columns_sent_again_are_the_same_layout() {
    let mut table = Table::new();
    table.altered(&with("added"), &[("added", MissingValue::Null)]);
    let known = table.layouts.clone();
    table.altered(&with("added"), &[]);
    assert_eq!(table.layouts, known);
    let kept = serde_json::to_vec(&known).unwrap();
    assert_eq!(serde_json::from_slice::<Layouts>(&kept).unwrap(), known);
}

#[test]
fn an_entry_of_an_unknown_layout_is_learned_anew() {
    let mut table = Table::new();
    let mut before = table.harness.entry_of(&live());
    before.layout = 77;
    assert_eq!(table.harness.records(Some(&before), &live().with("title", "other")), NOTHING);
}

#[test]
fn only_types_of_columns_with_a_role_and_a_users_type_are_queried() {
    let mut table = COLUMNS.map(|(name, oid)| (name, if name == "title" { 20_000 } else { oid }));
    let mut kinds = TypeKinds::default();
    let unknown =
        |table: &[(&str, u32)], kinds: &TypeKinds| Layout::unknown_types(&mapping(), &relation(table), kinds);
    assert_eq!(unknown(&table, &kinds), Vec::<u32>::new());
    table[5].1 = 20_001;
    assert_eq!(unknown(&table, &kinds), [20_001]);
    kinds.insert(20_001, TypeForm { base: 3802, kind: TypeKind::Json });
    assert_eq!(unknown(&table, &kinds), Vec::<u32>::new());
}

/// A tuple of three columns.
fn tuple(cells: [Cell<'_>; 3]) -> Tuple<'_> {
    Tuple(cells.to_vec())
}

fn small() -> Layout {
    let mut mapping = mapping();
    mapping.id = vec!["name".to_owned()];
    (mapping.key, mapping.project, mapping.labels, mapping.predicted_labels) = (None, None, None, None);
    (mapping.similarity, mapping.excluded) = (SimilarityColumns::None, None);
    layout(&mapping, &["day", "name"], &[("name", 25), ("body", 25), ("day", 1082)])
}

#[test]
fn an_identity_out_of_line_is_taken_from_the_old_tuple_and_nothing_else_is() {
    let layout = small();
    let old = tuple([Cell::Text(b"long"), Cell::Text(b"old"), Cell::Text(b"mon")]);
    let new = tuple([Cell::Unchanged, Cell::Unchanged, Cell::Text(b"tue")]);
    let whole = [Value::Text(b"long".as_slice()), Value::Unchanged, Value::Text(b"tue")];
    for old in [OldTuple::Key(old.clone()), OldTuple::Full(old)] {
        let row = layout.updated_row(Some(&old), &new).unwrap();
        assert_eq!(row.0, whole);
        assert_eq!(layout.identity(&row), Identity::of(&[b"tue", b"long"]));
        assert_eq!(layout.old_identity(&old), Identity::of(&[b"mon", b"long"]));
    }
    let row = layout.updated_row(None, &new).unwrap();
    assert_eq!(layout.identity(&row), Err(Unreadable::OutOfLine { column: "name".to_owned() }));
}

#[test]
fn an_identity_that_is_null_or_a_row_of_another_width_is_unreadable() {
    let layout = small();
    let row = layout.row(&tuple([Cell::Text(b"a"), Cell::Null, Cell::Null])).unwrap();
    assert_eq!(layout.identity(&row), Err(Unreadable::NullId { column: "day".to_owned() }));
    for found in [1, 4] {
        let tuple = Tuple(vec![Cell::Null; found]);
        assert_eq!(layout.row(&tuple), Err(Unreadable::Width { found, expected: 3 }));
    }
}

#[test]
fn a_row_is_the_same_whatever_else_the_table_has() {
    let doc = Doc::default().with("id", "1");
    let narrow = layout(&mapping(), &["id"], &COLUMNS);
    let ignored: Vec<(&str, u32)> = [("created_at", 1184)].into_iter().chain(COLUMNS).collect();
    let wide = layout(&mapping(), &["id"], &ignored);
    assert_eq!(doc.row(&narrow), doc.row(&wide));
}

#[test]
fn a_column_of_another_type_than_its_values_were_read_for_stops_the_stream() {
    let form = |base, kind| TypeForm { base, kind };
    let resolved = |when: &ExcludedWhen, known, oid| {
        let table = COLUMNS.map(|(name, was)| (name, if name == "deleted_at" { oid } else { was }));
        let mapping = Mapping { excluded_when: when.clone(), ..mapping() };
        let kinds = TypeKinds::read_for(Some(known));
        let id = ["id".to_owned()];
        Layout::resolve(&mapping, &id, &relation(&table), &mut Layouts::default(), &kinds, &BTreeMap::new())
    };
    let values = ExcludedWhen::Values(vec!["0".to_owned()]);
    let (number, text) = (form(23, TypeKind::Number), form(1043, TypeKind::Text));
    assert!(resolved(&values, number, 1700).is_ok() && resolved(&values, text, 25).is_ok());
    assert!(resolved(&ExcludedWhen::NotNull, form(1114, TypeKind::Text), 1184).is_ok());
    for (when, known, oid) in [
        (&values, number, 25),
        (&ExcludedWhen::True, form(16, TypeKind::Text), 1184),
        (&values, form(1114, TypeKind::Text), 1184),
    ] {
        let unresolved = resolved(when, known, oid).unwrap_err();
        assert!(unresolved.to_string().contains("`deleted_at`, which is of another type"), "{unresolved}");
    }
}
