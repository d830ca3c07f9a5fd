//! The first start: what is there before, what happens meanwhile, and a death half-way.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value;

use crate::e2e::changes::{by_lane, to};
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::{Received, Receiver};
use crate::support::workload::Writer;
use crate::support::{VERSIONS, until};

const SILENT: &str = "";
const INGESTED: &str = "[documents]\ninitial = \"ingested\"\n";

async fn with_documents(version: u32, test: &str, count: u32) -> Database {
    let database = Database::new(version, test).await;
    database.run(DOCUMENTS).await;
    database
        .run(&format!(
            "INSERT INTO documents (id, key, project_id, title, body, labels, deleted_at)
             SELECT g, 'k' || g, 'p' || g % 3, 't', CASE WHEN g % 10 = 0 THEN repeat('x', 9000) ELSE 'short' END, '{{a}}',
                    CASE WHEN g % 5 = 0 THEN now() END
             FROM generate_series(1, {count}) g"
        ))
        .await;
    database
}

fn ids(received: &[Received], callback: &str) -> Vec<i64> {
    let lanes = by_lane(received);
    let of = lanes.iter().filter(|((_, of), _)| of == callback).flat_map(|(_, records)| records);
    let mut ids: Vec<i64> = of.map(|record| record["id"].as_str().unwrap().parse().unwrap()).collect();
    ids.sort_unstable();
    ids
}

/// Changes after the start are compared with what was there before: also of long and of excluded documents.
async fn later_changes_are_classified_right(database: &Database, sidecar: &Sidecar, receiver: &Receiver) {
    database
        .run("UPDATE documents SET labels = '{b}' WHERE id = 11; UPDATE documents SET body = repeat('x', 9000) WHERE id = 10; \
              UPDATE documents SET body = repeat('x', 8999) || 'y' WHERE id = 20; \
              UPDATE documents SET deleted_at = NULL, body = repeat('x', 9000) WHERE id = 30; \
              UPDATE documents SET title = 't', labels = '{a}' WHERE id = 12; \
              DELETE FROM documents WHERE id IN (13, 15); \
              INSERT INTO documents (id, project_id) VALUES (-1, 'end')")
        .await;
    let end = ("end".to_owned(), "ingested".to_owned());
    until("the end", async || by_lane(&receiver.received()).contains_key(&end).then_some(())).await;
    sidecar.idle().await;
    let received = receiver.received();
    assert_eq!(ids(&received, "modified"), [11]);
    assert_eq!(ids(&received, "excluded"), [13], "15 was excluded before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_first_start_sends_nothing_and_fills_the_shadow() {
    for version in VERSIONS {
        let database = with_documents(version, "silent", 2_000).await;
        let receiver = Receiver::start().await;
        let sidecar = Sidecar::start(&database, &format!("{SILENT}{}", to(&receiver))).await;
        later_changes_are_classified_right(&database, &sidecar, &receiver).await;
        assert_eq!(
            ids(&receiver.received(), "ingested"),
            [-1, 30],
            "nothing of what was there, but what came back"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingested_first_start_sends_each_live_document_once() {
    for version in VERSIONS {
        let database = with_documents(version, "ingested", 2_000).await;
        let receiver = Receiver::start().await;
        let sidecar = Sidecar::start(&database, &format!("{INGESTED}{}", to(&receiver))).await;
        let live: Vec<i64> = (1..=2_000).filter(|id| id % 5 != 0).collect();
        until("the documents", async || (receiver.records_taken() >= live.len()).then_some(())).await;
        assert_eq!(ids(&receiver.received(), "ingested"), live);
        later_changes_are_classified_right(&database, &sidecar, &receiver).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_that_is_killed_half_way_is_made_again_and_ends_right() {
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    for (settings, name) in [(SILENT, "killedsilent"), (INGESTED, "killedingested")] {
        let database = with_documents(15, name, 100_000).await;
        let receiver = Receiver::start().await;
        let mut sidecar = Sidecar::prepare(&database, &format!("{settings}{}", to(&receiver)));
        for _ in 0..6 {
            sidecar.spawn();
            // The one before was killed half-way, or there would be nothing left to read.
            sidecar.in_state("seeding").await;
            // The pace of the kills: where in its reading it dies is drawn.
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..300))).await;
            sidecar.kill();
            // What changes between two starts is seen by the second.
            let id = rng.random_range(100..15_000) * 5 + 1;
            database.run(&format!("DELETE FROM documents WHERE id = {id}")).await;
        }
        sidecar.spawn();
        sidecar.in_state("seeding").await;
        sidecar.idle().await;
        if settings == SILENT {
            assert_eq!(receiver.records_taken(), 0, "silent stays silent");
        } else {
            let rows = database
                .client
                .query("SELECT project_id, id::text, key FROM documents WHERE deleted_at IS NULL", &[])
                .await
                .unwrap();
            let live: BTreeMap<(String, String), String> =
                rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect();
            until("every live document, and no other", async || {
                let delivered = last_delivered(&receiver.received());
                delivered.keys().eq(live.keys()).then_some(())
            })
            .await;
            for request in receiver.received() {
                for record in request.records() {
                    let id = record["id"].as_str().unwrap();
                    assert_eq!(record, serde_json::json!({"id": id, "key": format!("k{id}")}));
                    assert_ne!(request.callback(), "modified", "no label changed");
                }
            }
        }
        database.run("DELETE FROM documents WHERE id IN (1, 2, 3, 4, 5)").await;
        until("the deletes", async || {
            let gone = ids(&receiver.received(), "excluded");
            [1, 2, 3, 4].iter().all(|id| gone.contains(id)).then_some(())
        })
        .await;
        assert!(!ids(&receiver.received(), "excluded").contains(&5), "it was excluded before");
    }
}

/// What receivers hold after all that they were sent: (project, id) → labels, where those were sent.
fn last_delivered(received: &[Received]) -> BTreeMap<(String, String), Option<Value>> {
    let mut seen = std::collections::HashSet::new();
    let mut delivered = BTreeMap::new();
    for request in received.iter().filter(|request| request.taken()) {
        if !seen.insert(request.header("webhook-id").to_owned()) {
            continue;
        }
        for record in request.records() {
            let Some(id) = record["id"].as_str() else { continue };
            let id = (request.project().to_owned(), id.to_owned());
            match request.callback() {
                "ingested" => drop(delivered.entry(id).or_insert(None)),
                "excluded" => drop(delivered.remove(&id)),
                _ => {
                    if let Some(labels) = record.get("labels") {
                        delivered.insert(id, Some(labels.clone()));
                    }
                }
            }
        }
    }
    delivered
}

#[tokio::test(flavor = "multi_thread")]
async fn the_snapshot_and_the_stream_meet_without_a_gap_under_writers() {
    for version in VERSIONS {
        let database = Database::new(version, "handover").await;
        database.run(DOCUMENTS).await;
        let receiver = Receiver::start().await;
        let mut sidecar = Sidecar::prepare(&database, &format!("{INGESTED}{}", to(&receiver)));
        let mut writing = Vec::new();
        for number in 1..=3 {
            let client = database.session().await;
            writing.push(tokio::spawn(async move {
                let mut writer = Writer::new(u64::from(version), number);
                for _ in 0..400 {
                    writer.transaction(&client, 4).await;
                }
                writer.model
            }));
        }
        until("documents that are there before", async || {
            let some = "SELECT nullif(count(*) > 50, false)::text FROM documents";
            database.text(some).await
        })
        .await;
        sidecar.spawn();
        let mut live: Vec<((String, String), Option<Vec<String>>)> = Vec::new();
        for writer in writing {
            let model = writer.await.unwrap();
            let rows = model.rows.values().filter(|row| !row.excluded);
            live.extend(
                rows.map(|row| ((row.project.clone().unwrap(), row.id.to_string()), row.labels.clone())),
            );
        }
        live.sort();
        sidecar.ready().await;
        until("what receivers hold to be what is there", async || {
            let delivered = last_delivered(&receiver.received());
            // Labels are sent when they change, not when a document arrives.
            let same = |((id, delivered), (required, labels)): (
                ((String, String), Option<Value>),
                &((String, String), _),
            )| {
                id == *required && delivered.is_none_or(|delivered| delivered == serde_json::json!(labels))
            };
            (delivered.len() == live.len() && delivered.into_iter().zip(&live).all(same)).then_some(())
        })
        .await;
        println!("PostgreSQL {version}: {} live documents, {} records", live.len(), receiver.records_taken());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_transaction_that_holds_up_the_slot_is_named() {
    let database = Database::new(15, "prepared").await;
    database.run(DOCUMENTS).await;
    let gid = format!("straddling_{}", database.name);
    database
        .run(&format!("BEGIN; INSERT INTO documents (id, key, project_id) VALUES (7, 'k', 'p'); PREPARE TRANSACTION '{gid}'"))
        .await;
    let receiver = Receiver::start().await;
    let mut sidecar = Sidecar::prepare(&database, &format!("{INGESTED}{}", to(&receiver)));
    sidecar.spawn();
    until("its name in the log", async || sidecar.log().contains(&gid).then_some(())).await;
    database.run(&format!("COMMIT PREPARED '{gid}'")).await;
    sidecar.ready().await;
    until("its document", async || (ids(&receiver.received(), "ingested") == [7]).then_some(())).await;
}
