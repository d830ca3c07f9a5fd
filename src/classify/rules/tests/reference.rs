//! The rules once more, as plainly as possible, over whole old rows.

use proptest::prelude::*;

use super::super::super::fixture::{Doc, Harness, TestValue};
use super::super::draft_removed;

/// What happens to the one row: it is written, with some unchanged columns left out, or deleted.
#[derive(Clone, Debug)]
enum Step {
    Delete,
    Write { row: Doc, left_out: u16 },
}

const VALUES: [(&str, &[Option<&str>]); 9] = [
    ("id", &[Some("1"), Some("1"), Some("1"), Some("2")]),
    ("key", &[Some("k"), Some("k"), Some("l"), None]),
    ("project_id", &[Some("p"), Some("p"), Some("p"), Some("q"), None]),
    ("title", &[Some("t"), Some("u"), Some(""), None]),
    ("body", &[Some("b"), Some("c"), None]),
    ("labels", &[Some("{a}"), Some("{}"), None]),
    ("predicted_labels", &[Some("[1]"), Some("null"), None]),
    ("similarity", &[Some(SEVEN), Some(BOTH), Some("[3]"), None]),
    ("deleted_at", &[None, None, None, Some("2026-02-02")]),
];
const SEVEN: &str = r#"{"similar_doc_id":"7"}"#;
const BOTH: &str = r#"[{"similar_doc_id":"8"},{"similar_doc_id":"7"}]"#;

fn row() -> impl Strategy<Value = Doc> {
    VALUES.map(|(_, values)| prop::sample::select(values)).prop_map(|values| {
        let named = VALUES.iter().zip(values).map(|((name, _), value)| {
            ((*name).to_owned(), value.map_or(TestValue::Null, |text| TestValue::Text(text.to_owned())))
        });
        Doc(named.collect())
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Delete),
        8 => (row(), any::<u16>()).prop_map(|(row, left_out)| Step::Write { row, left_out }),
    ]
}

fn text<'a>(row: &'a Doc, column: &str) -> Option<&'a str> {
    match &row.0[column] {
        TestValue::Text(text) => Some(text),
        _ => None,
    }
}

fn record(row: &Doc, callback: &str, more: &str) -> String {
    let key = text(row, "key").map_or("null".to_owned(), |key| format!("\"{key}\""));
    let (project, id) = (text(row, "project_id").unwrap_or("default"), text(row, "id").unwrap());
    format!("{project} {callback} {{\"id\":\"{id}\",\"key\":{key}{more}}}")
}

fn similar(row: &Doc) -> &'static [&'static str] {
    match text(row, "similarity") {
        Some(BOTH) => &["8", "7"],
        Some(SEVEN) => &["7"],
        _ => &[],
    }
}

/// The table of rules.
fn expected(old: Option<&Doc>, new: Option<&Doc>) -> Vec<String> {
    let live = |row: Option<&Doc>| row.is_some_and(|row| text(row, "deleted_at").is_none());
    match (old, new) {
        (Some(old), _) if live(Some(old)) && !live(new) => vec![record(old, "excluded", "")],
        (old, Some(new)) if !live(old) && live(Some(new)) => vec![record(new, "ingested", "")],
        (Some(old), Some(new)) if live(Some(old)) => updated(old, new),
        _ => Vec::new(),
    }
}

fn updated(old: &Doc, new: &Doc) -> Vec<String> {
    let differs = |column: &str| text(old, column) != text(new, column);
    if differs("id") || differs("project_id") {
        return vec![record(old, "excluded", ""), record(new, "ingested", "")];
    }
    let mut records = Vec::new();
    if differs("key") || differs("title") || differs("body") {
        records.push(record(new, "ingested", ""));
    }
    if differs("labels") {
        let json = text(new, "labels").map_or("null", |text| if text == "{}" { "[]" } else { r#"["a"]"# });
        records.push(record(new, "modified", &format!(",\"labels\":{json}")));
    }
    if differs("predicted_labels") {
        let json = text(new, "predicted_labels").unwrap_or("null");
        records.push(record(new, "modified", &format!(",\"predicted_labels\":{json}")));
    }
    let project = text(new, "project_id").unwrap_or("default");
    records.extend(similar(new).iter().filter(|id| !similar(old).contains(id)).map(|id| {
        format!(
            r#"{project} modified {{"similar_doc_id":"{id}","similar_doc_key":null,"similarity_label":null}}"#
        )
    }));
    records
}

/// `row` as the stream tells it: some values that are as they were, and not NULL, are left out.
fn as_streamed(row: &Doc, old: &Doc, left_out: u16) -> Doc {
    let mut streamed = row.clone();
    for (at, (name, _)) in VALUES.iter().enumerate() {
        if left_out >> at & 1 == 1 && old.0[*name] == row.0[*name] && row.0[*name] != TestValue::Null {
            streamed = streamed.unchanged(name);
        }
    }
    streamed
}

proptest! {
    #[test]
    fn every_history_makes_what_comparing_whole_rows_would_make(steps in prop::collection::vec(step(), 1..24)) {
        let mut harness = Harness::with_default_mapping();
        let (mut entry, mut old): (_, Option<Doc>) = (None, None);
        for step in steps {
            let (made, new) = match step {
                Step::Delete => {
                    harness.drafts.clear();
                    if let Some(before) = entry.take() {
                        draft_removed(&before, &mut harness.drafts);
                    }
                    (harness.drafted(), None)
                }
                Step::Write { row, left_out } => {
                    let streamed = old.as_ref().map_or(row.clone(), |old| as_streamed(&row, old, left_out));
                    let (after, made) = harness.classify(entry.as_ref(), &streamed).unwrap();
                    entry = Some(after);
                    (made, Some(row))
                }
            };
            prop_assert_eq!(made, expected(old.as_ref(), new.as_ref()));
            old = new;
        }
    }
}
