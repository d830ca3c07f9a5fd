use proptest::prelude::*;

use super::super::fixture::{COLUMNS, Doc, Harness, excluded, layout, live, mapping};
use super::*;
use crate::classify::{DIGEST_OVER, SimilarityColumns};

mod reference;

const INGESTED: &str = r#"p ingested {"id":"1","key":"k"}"#;
const EXCLUDED: &str = r#"p excluded {"id":"1","key":"k"}"#;
const NOTHING: [&str; 0] = [];

/// The records of `change` after the live document.
fn of_live(change: &Doc) -> Vec<String> {
    let mut harness = Harness::with_default_mapping();
    let before = harness.entry_of(&live());
    harness.records(Some(&before), change)
}

#[test]
fn an_unknown_live_document_is_ingested_and_nothing_else() {
    assert_eq!(Harness::with_default_mapping().records(None, &live()), [INGESTED]);
}

#[test]
fn an_unknown_excluded_document_makes_nothing() {
    assert_eq!(Harness::with_default_mapping().records(None, &excluded()), NOTHING);
}

#[test]
fn changed_content_is_ingested_again() {
    assert_eq!(of_live(&live().with("title", "other")), [INGESTED]);
    assert_eq!(of_live(&live().null("title")), [INGESTED]);
    assert_eq!(of_live(&live().with("title", "")), [INGESTED]);
}

#[test]
fn a_changed_key_is_ingested_under_the_new_one() {
    assert_eq!(of_live(&live().with("key", "k2")), [r#"p ingested {"id":"1","key":"k2"}"#]);
    assert_eq!(of_live(&live().null("key")), [r#"p ingested {"id":"1","key":null}"#]);
}

#[test]
fn changed_labels_are_modified() {
    assert_eq!(
        of_live(&live().with("labels", "{a,\"b c\",NULL}")),
        [r#"p modified {"id":"1","key":"k","labels":["a","b c",null]}"#]
    );
    assert_eq!(of_live(&live().with("labels", "{}")), [r#"p modified {"id":"1","key":"k","labels":[]}"#]);
    assert_eq!(of_live(&live().null("labels")), [r#"p modified {"id":"1","key":"k","labels":null}"#]);
}

#[test]
fn changed_predicted_labels_are_modified() {
    assert_eq!(
        of_live(&live().with("predicted_labels", r#"{"y": 1.50}"#)),
        [r#"p modified {"id":"1","key":"k","predicted_labels":{"y": 1.50}}"#]
    );
}

#[test]
fn each_similarity_that_the_old_value_did_not_hold_is_modified() {
    let list = r#"[{"similar_doc_id":"8","similarity_label":"near"},{"similar_doc_id":"7","score":2},
                   {"similar_doc_id":"8","similarity_label":"near"},{"similar_doc_id":"7","similar_doc_key":"x"}]"#;
    assert_eq!(
        of_live(&live().with("similarity", list)),
        [
            r#"p modified {"similar_doc_id":"8","similar_doc_key":null,"similarity_label":"near"}"#,
            r#"p modified {"similar_doc_id":"7","similar_doc_key":"x","similarity_label":null}"#,
        ]
    );
    assert_eq!(of_live(&live().null("similarity")), NOTHING);
}

#[test]
fn a_similarity_that_comes_back_is_sent_again() {
    let mut harness = Harness::with_default_mapping();
    let with = harness.entry_of(&live());
    let (without, _) = harness.classify(Some(&with), &live().with("similarity", "[]")).unwrap();
    assert_eq!(harness.records(Some(&without), &live()).len(), 1);
}

#[test]
fn several_changes_are_ingested_labels_predicted_labels_similarities_in_this_order() {
    let all = live()
        .with("similarity", r#"{"similar_doc_id":9}"#)
        .with("predicted_labels", "null")
        .with("labels", "{z}")
        .with("body", "other");
    assert_eq!(
        of_live(&all),
        [
            INGESTED,
            r#"p modified {"id":"1","key":"k","labels":["z"]}"#,
            r#"p modified {"id":"1","key":"k","predicted_labels":null}"#,
            r#"p modified {"similar_doc_id":"9","similar_doc_key":null,"similarity_label":null}"#,
        ]
    );
}

#[test]
fn an_update_of_nothing_tracked_makes_nothing() {
    assert_eq!(of_live(&live()), NOTHING);
    assert_eq!(of_live(&live().with("updated_at", "2027-01-01")), NOTHING);
}

#[test]
fn a_soft_delete_is_excluded_under_what_its_receiver_knows_and_nothing_else() {
    let everything = excluded()
        .with("id", "2")
        .with("key", "later")
        .with("project_id", "q")
        .with("title", "other")
        .with("labels", "{z}")
        .with("similarity", r#"{"similar_doc_id":9}"#);
    assert_eq!(of_live(&everything), [EXCLUDED]);
}

#[test]
fn an_excluded_document_makes_nothing_and_is_kept_current() {
    let mut harness = Harness::with_default_mapping();
    let before = harness.entry_of(&excluded());
    let changed = excluded().with("title", "other").with("key", "k2").with("project_id", "q");
    let (entry, records) = harness.classify(Some(&before), &changed).unwrap();
    assert_eq!(records, NOTHING);
    let (restored, records) = harness.classify(Some(&entry), &changed.clone().null("deleted_at")).unwrap();
    assert_eq!(records, [r#"q ingested {"id":"1","key":"k2"}"#]);
    assert_eq!(harness.records(Some(&restored), &changed.null("deleted_at")), NOTHING);
}

#[test]
fn a_restored_document_is_ingested_and_nothing_else() {
    let mut harness = Harness::with_default_mapping();
    let before = harness.entry_of(&excluded());
    let restored = live().with("labels", "{z}").with("title", "other").with("similarity", "[]");
    assert_eq!(harness.records(Some(&before), &restored), [INGESTED]);
}

#[test]
fn a_row_that_is_gone_is_excluded_where_it_was_live() {
    let mut harness = Harness::with_default_mapping();
    let (was_live, was_excluded) = (harness.entry_of(&live()), harness.entry_of(&excluded()));
    harness.drafts.clear();
    draft_removed(&was_live, &mut harness.drafts);
    assert_eq!(harness.drafted(), [EXCLUDED]);
    harness.drafts.clear();
    draft_removed(&was_excluded, &mut harness.drafts);
    assert_eq!(harness.drafted(), NOTHING);
}

#[test]
fn a_moved_document_is_excluded_there_and_ingested_here_and_nothing_else() {
    let mut harness = Harness::with_default_mapping();
    let before = harness.entry_of(&live());
    let moved = live().with("project_id", "q").with("key", "m").with("labels", "{z}").with("title", "o");
    assert_eq!(harness.records(Some(&before), &moved), [EXCLUDED, r#"q ingested {"id":"1","key":"m"}"#]);
    // Records of another project are not waited for.
    assert_eq!(harness.drafts.list[1].earlier, None);
}

#[test]
fn a_changed_id_is_excluded_and_ingested_and_the_second_waits_for_the_first() {
    let mut harness = Harness::with_default_mapping();
    let before = harness.entry_of(&live());
    let renamed = live().with("id", "2").with("labels", "{z}");
    assert_eq!(harness.records(Some(&before), &renamed), [EXCLUDED, r#"p ingested {"id":"2","key":"k"}"#]);
    let [excluded, ingested] = harness.drafts.list.as_slice() else { panic!("two records") };
    assert_eq!((excluded.document, excluded.earlier), (document_hash("1"), None));
    assert_eq!((ingested.document, ingested.earlier), (document_hash("2"), Some(document_hash("1"))));
}

#[test]
fn a_changed_identity_under_the_same_id_is_as_any_other_update() {
    let mut table = COLUMNS.to_vec();
    table.push(("pk", 20));
    let mut mapping = mapping();
    mapping.ignore.push("pk".to_owned());
    let mut harness = Harness::new(layout(&mapping, &["pk"], &table));
    let (old, new) = (live().with("pk", "10"), live().with("pk", "11"));
    let before = harness.entry_of(&old);
    assert_ne!(
        harness.layout.identity(&old.row(&harness.layout)).unwrap(),
        harness.layout.identity(&new.row(&harness.layout)).unwrap()
    );
    assert_eq!(harness.records(Some(&before), &new), NOTHING);
    assert_eq!(harness.records(Some(&before), &new.with("title", "other")), [INGESTED]);
}

#[test]
fn what_lies_out_of_line_is_unchanged_and_never_null() {
    let mut harness = Harness::with_default_mapping();
    let before = harness.entry_of(&live());
    let mut all = live();
    for (name, _) in COLUMNS {
        if name != "deleted_at" {
            all = all.unchanged(name);
        }
    }
    let (entry, records) = harness.classify(Some(&before), &all).unwrap();
    assert_eq!((records.as_slice(), &entry), (NOTHING.map(String::from).as_slice(), &before));
    let labels = live().unchanged("body").unchanged("key").unchanged("similarity").with("labels", "{z}");
    assert_eq!(
        harness.records(Some(&before), &labels),
        [r#"p modified {"id":"1","key":"k","labels":["z"]}"#]
    );
}

#[test]
fn a_value_never_seen_is_learned_without_a_record() {
    let mut harness = Harness::with_default_mapping();
    let unseen = live().unchanged("body").unchanged("labels").unchanged("similarity");
    let (before, records) = harness.classify(None, &unseen).unwrap();
    assert_eq!(records, [INGESTED]);
    let (before, records) = harness.classify(Some(&before), &live()).unwrap();
    assert_eq!(records, NOTHING);
    assert_eq!(harness.records(Some(&before), &live().with("body", "other")), [INGESTED]);
}

#[test]
fn a_value_out_of_line_that_was_held_to_be_null_was_not_known() {
    let mut harness = Harness::with_default_mapping();
    let before = harness.entry_of(&live().null("body").null("labels"));
    let left_out = live().unchanged("body").unchanged("labels");
    let (before, records) = harness.classify(Some(&before), &left_out).unwrap();
    assert_eq!(records, NOTHING);
    assert_eq!(harness.records(Some(&before), &live()), NOTHING);
}

#[test]
fn what_receivers_know_a_document_by_is_never_guessed() {
    for column in ["id", "key", "project_id"] {
        let unread = Harness::with_default_mapping().classify(None, &live().unchanged(column));
        assert_eq!(unread.unwrap_err(), Unreadable::OutOfLine { column: column.to_owned() });
    }
    let unread = Harness::with_default_mapping().classify(None, &live().null("id"));
    assert_eq!(unread.unwrap_err(), Unreadable::NullId { column: "id".to_owned() });
    let (doc, mut harness) = (live(), Harness::with_default_mapping());
    let mut bad = doc.row(&harness.layout).0;
    bad[1] = Value::Text(b"\xff");
    let unread = harness.layout.classify(None, &Row(bad), &mut harness.projects, &mut harness.drafts);
    assert_eq!(unread, Err(Unreadable::BadText { column: "key".to_owned(), expected: "UTF-8" }));
}

#[test]
fn a_first_look_tells_which_document_a_row_is_whatever_else_it_holds() {
    let mut harness = Harness::with_default_mapping();
    let doc = excluded().unchanged("key").with("labels", "{");
    let (row, project) = (doc.row(&harness.layout), harness.projects.number("p"));
    let document_ref = harness.layout.document_ref(&row, &mut harness.projects);
    assert_eq!(document_ref, Ok(DocumentRef { id: "1".to_owned(), project, excluded: true }));
}

#[test]
fn a_state_out_of_line_is_excluded_where_any_value_is_and_else_as_it_was() {
    assert_eq!(Harness::with_default_mapping().records(None, &live().unchanged("deleted_at")), NOTHING);
    let mut mapping = mapping();
    mapping.excluded_when = ExcludedWhen::Values(vec!["gone".to_owned()]);
    let mut harness = Harness::new(layout(&mapping, &["id"], &COLUMNS));
    let before = harness.entry_of(&live().with("deleted_at", "gone"));
    assert_eq!(harness.records(Some(&before), &live().unchanged("deleted_at")), NOTHING);
    let unread = harness.classify(None, &live().unchanged("deleted_at"));
    assert_eq!(unread.unwrap_err(), Unreadable::OutOfLine { column: "deleted_at".to_owned() });
}

#[test]
fn blanks_that_a_padded_column_adds_are_no_part_of_a_name() {
    let padded = COLUMNS.map(|(name, oid)| (name, if oid == 25 || name == "id" { 1042 } else { oid }));
    let mut harness = Harness::new(layout(&mapping(), &["id"], &padded));
    let doc = live().with("id", "1  ").with("key", "k ").with("project_id", "p   ");
    let before = harness.entry_of(&doc);
    assert_eq!(harness.drafted(), [INGESTED]);
    assert_eq!(harness.records(Some(&before), &doc.with("project_id", "p").with("key", "k")), NOTHING);
    assert_eq!(
        harness.records(None, &live().with("project_id", "   ")),
        [r#"default ingested {"id":"1","key":"k"}"#]
    );
}

#[test]
fn a_live_document_is_recognised_by_the_values_of_live_when() {
    let table = COLUMNS.map(|(name, oid)| (name, if name == "deleted_at" { 1700 } else { oid }));
    let mut mapping = mapping();
    mapping.excluded_when = ExcludedWhen::Unless(vec!["0".to_owned()]);
    let mut harness = Harness::new(layout(&mapping, &["id"], &table));
    let before = harness.entry_of(&live().with("deleted_at", "0.00"));
    assert_eq!(harness.records(Some(&before), &live().with("deleted_at", "0")), NOTHING);
    assert_eq!(harness.records(Some(&before), &live().with("deleted_at", "1700000000")), [EXCLUDED]);
    assert_eq!(harness.records(Some(&before), &live().null("deleted_at")), [EXCLUDED]);
}

#[test]
fn a_change_that_cannot_be_read_leaves_no_record() {
    let mut harness = Harness::with_default_mapping();
    let before = harness.entry_of(&live());
    harness.records(None, &live());
    let bad = live().with("title", "other").with("similarity", "[3]").with("labels", "{a");
    let row = bad.row(&harness.layout);
    let unread = harness.layout.classify(Some(&before), &row, &mut harness.projects, &mut harness.drafts);
    let expected = "the text of an array";
    assert_eq!(unread, Err(Unreadable::BadText { column: "labels".to_owned(), expected }));
    assert_eq!((harness.drafted(), harness.drafts.similarities_skipped), (vec![INGESTED.to_owned()], 0));
}

#[test]
fn a_similarity_that_is_none_is_counted_and_skipped() {
    let mut harness = Harness::with_default_mapping();
    let before = harness.entry_of(&live());
    let odd = live().with("similarity", r#"[3,{"similar_doc_key":"k"},{"similar_doc_id":"8"}]"#);
    assert_eq!(harness.records(Some(&before), &odd).len(), 1);
    assert_eq!(harness.drafts.similarities_skipped, 2);
}

#[test]
fn without_a_key_column_the_key_is_the_id() {
    let mut mapping = mapping();
    mapping.key = None;
    let mut harness = Harness::new(layout(&mapping, &["id"], &COLUMNS));
    assert_eq!(harness.records(None, &live()), [r#"p ingested {"id":"1","key":"1"}"#]);
}

#[test]
fn several_id_columns_are_joined_without_ambiguity() {
    let mut mapping = mapping();
    mapping.id = vec!["project_id".to_owned(), "id".to_owned()];
    let mut harness = Harness::new(layout(&mapping, &["id"], &COLUMNS));
    let doc = live().with("project_id", r"a:b\");
    let (before, records) = harness.classify(None, &doc).unwrap();
    assert_eq!(records, [r#"a:b\ ingested {"id":"a\\:b\\\\:1","key":"k"}"#]);
    let part_left_out = doc.unchanged("project_id").with("id", "2");
    let (after, _) = harness.classify(Some(&before), &part_left_out).unwrap();
    assert_eq!(after.id, r"a\:b\\:2");
}

#[test]
fn a_document_without_a_project_is_in_the_default_one() {
    const DEFAULT: &str = r#"default ingested {"id":"1","key":"k"}"#;
    assert_eq!(Harness::with_default_mapping().records(None, &live().null("project_id")), [DEFAULT]);
    assert_eq!(Harness::with_default_mapping().records(None, &live().with("project_id", "")), [DEFAULT]);
    let mut mapping = mapping();
    mapping.project = None;
    let mut harness = Harness::new(layout(&mapping, &["id"], &COLUMNS));
    assert_eq!(harness.records(None, &live()), [DEFAULT]);
}

#[test]
fn a_similarity_of_three_columns_is_complete_though_one_is_left_out() {
    let table: Vec<(&str, u32)> =
        COLUMNS.into_iter().chain([("s_id", 25), ("s_key", 25), ("s_label", 25)]).collect();
    let mut mapping = mapping();
    let [id, key, label] = ["s_id", "s_key", "s_label"].map(str::to_owned);
    mapping.similarity = SimilarityColumns::Columns { id, key, label };
    mapping.ignore.push("similarity".to_owned());
    let mut harness = Harness::new(layout(&mapping, &["id"], &table));
    let before = harness.entry_of(&live().with("s_id", "7").with("s_key", "long"));
    let labelled = live().with("s_id", "7").unchanged("s_key").with("s_label", "near");
    let (entry, records) = harness.classify(Some(&before), &labelled).unwrap();
    let expected = r#"p modified {"similar_doc_id":"7","similar_doc_key":"long","similarity_label":"near"}"#;
    assert_eq!(records, [expected]);
    assert_eq!(harness.records(Some(&entry), &labelled), NOTHING);
    assert_eq!(harness.records(Some(&entry), &live()), NOTHING, "without an id there is no similarity");
}

#[test]
fn a_digest_read_by_sql_is_the_text_that_the_stream_tells() {
    use sha2::Digest as _;
    let mut harness = Harness::with_default_mapping();
    let body = "x".repeat(DIGEST_OVER + 1);
    let doc = live().with("body", &body);
    let before = harness.entry_of(&doc);
    let digest = sha2::Sha256::digest(&body).into();
    let mut row = doc.row(&harness.layout);
    let at = harness.layout.columns().iter().position(|column| column.name == "body").unwrap();
    row.0[at] = Value::Digest(&digest);
    harness.drafts.clear();
    let entry =
        harness.layout.classify(Some(&before), &row, &mut harness.projects, &mut harness.drafts).unwrap();
    assert_eq!((harness.drafted().as_slice(), entry), ([].as_slice(), before));
}

proptest! {
    #[test]
    fn each_part_of_an_id_is_found_again(parts in prop::collection::vec(r"[a:\\]{0,4}", 1..4)) {
        let id = match parts.as_slice() {
            [only] => only.clone(),
            several => several.iter().map(|part| escaped(part)).collect::<Vec<_>>().join(":"),
        };
        for (place, part) in parts.iter().enumerate() {
            prop_assert_eq!(id_part(&id, place, parts.len()), Some(part.clone()));
        }
    }
}
