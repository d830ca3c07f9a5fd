//! The slot goes while the application writes: what then arrives makes of every receiver's data the
//! table's.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::faults::fixture::Fixture;
use crate::support::model::Document;
use crate::support::receiver::Received;
use crate::support::until;

/// What a receiver knows of a document.
#[derive(Debug, Default, PartialEq)]
struct ReceiverView {
    live: bool,
    /// Where they were ever sent.
    labels: Option<Value>,
}

/// (project, id) → what its receiver holds after all records in order; each batch once.
fn views(received: &[Received]) -> HashMap<(String, String), ReceiverView> {
    let mut views: HashMap<(String, String), ReceiverView> = HashMap::new();
    let mut seen = HashSet::new();
    for request in received.iter().filter(|r| r.taken() && seen.insert(r.header("webhook-id").to_owned())) {
        for record in request.records() {
            let Some(id) = record["id"].as_str() else { continue };
            let view = views.entry((request.project().to_owned(), id.to_owned())).or_default();
            match request.callback() {
                "ingested" => view.live = true,
                "excluded" => *view = ReceiverView::default(),
                _ => view.labels = record.get("labels").cloned().or(view.labels.take()),
            }
        }
    }
    views
}

fn compare(rows: &[Document], views: &HashMap<(String, String), ReceiverView>, what: &str) {
    let key = |row: &Document| {
        let project = row.project.clone().filter(|name| !name.is_empty());
        (project.unwrap_or_else(|| "default".into()), row.id.to_string())
    };
    let live: HashMap<_, &Document> =
        rows.iter().filter(|row| !row.excluded).map(|row| (key(row), row)).collect();
    let known: HashSet<_> = views.iter().filter(|(_, view)| view.live).map(|(key, _)| key.clone()).collect();
    let missing: Vec<_> = live.keys().filter(|key| !known.contains(*key)).collect();
    let gone: Vec<_> = known.iter().filter(|key| !live.contains_key(*key)).collect();
    assert!(missing.is_empty() && gone.is_empty(), "{what}: not sent: {missing:?}, not excluded: {gone:?}");
    for (key, row) in &live {
        // A receiver fetches what an `ingested` replaced; what it was sent since must be what is in the table.
        if let Some(labels) = views.get(key).and_then(|view| view.labels.as_ref()) {
            assert_eq!(*labels, serde_json::json!(row.labels), "{what}: labels of {key:?}");
        }
    }
    println!("{what}: {} live documents, and each receiver knows exactly its own", live.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_dropped_under_writers_leaves_every_receiver_up_to_date() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut fixture =
        Fixture::new(15, seed, "max_slot_wal_keep_size = '16MB'\nmin_wal_size = '32MB'\n").await;
    let slot = "s_app";
    for round in 0..4 {
        let writing = fixture.writers_write();
        let before = fixture.receiver.records_taken();
        until("some records", async || (fixture.receiver.records_taken() > before + 50).then_some(())).await;
        fixture.sidecar.kill();
        let what = if round % 2 == 0 {
            fixture.on_postgres(&format!("SELECT pg_drop_replication_slot('{slot}')::text FROM pg_replication_slots WHERE slot_name = '{slot}' AND NOT active")).await;
            until("the slot to be gone", async || {
                let left = fixture.on_postgres(&format!("SELECT pg_drop_replication_slot(slot_name)::text FROM pg_replication_slots WHERE slot_name = '{slot}' AND NOT active")).await;
                let there = fixture.on_postgres("SELECT slot_name::text FROM pg_replication_slots").await;
                (left.is_empty() && there.is_empty()).then_some(())
            })
            .await;
            "the slot was dropped"
        } else {
            until("the slot to be lost", async || {
                fixture.on_postgres("CREATE TABLE IF NOT EXISTS other (t text)").await;
                fixture
                    .on_postgres("INSERT INTO other SELECT repeat('x', 1000) FROM generate_series(1, 20000)")
                    .await;
                fixture.on_postgres("SELECT pg_switch_wal()::text").await;
                fixture.on_postgres("CHECKPOINT").await;
                let status = fixture.on_postgres("SELECT wal_status::text FROM pg_replication_slots").await;
                (status == ["lost"]).then_some(())
            })
            .await;
            "the slot was invalidated"
        };
        fixture.start_sidecar(&[]).await;
        fixture.writers_end(writing).await;
        fixture.is_ready(&[]).await;
        let rows = fixture.rows();
        fixture.all_streamed().await;
        fixture.settled().await;
        compare(&rows, &views(&fixture.receiver.received()), &format!("round {round}, {what}"));
    }
}
