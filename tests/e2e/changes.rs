//! Every rule of what becomes of a change, on each version, under the default identity and FULL.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::e2e::cases::CASES;
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::{Received, Receiver};
use crate::support::schemas::assert_bodies_fit;
use crate::support::{VERSIONS, until};

/// All webhooks to one receiver, at once.
pub(crate) fn to(receiver: &Receiver) -> String {
    format!(
        "[batch]\nwait_max_ms = 0\n[delivery]\nretry_schedule = [\"50ms\", \"100ms\"]\n\
         [[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{}/\"\n",
        receiver.url
    )
}

/// The records taken, by (project, callback), in their order.
pub(crate) fn by_lane(received: &[Received]) -> BTreeMap<(String, String), Vec<Value>> {
    let mut lanes: BTreeMap<_, Vec<Value>> = BTreeMap::new();
    for request in received.iter().filter(|request| request.taken()) {
        let lane = (request.project().to_owned(), request.callback().to_owned());
        lanes.entry(lane).or_default().extend(request.records());
    }
    lanes
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_holds_on_each_version_under_default_and_full() {
    for version in VERSIONS {
        for identity in ["DEFAULT", "FULL"] {
            every_rule_holds(version, identity).await;
        }
    }
}

async fn every_rule_holds(version: u32, identity: &str) {
    let database = Database::new(version, "rules").await;
    database.run(DOCUMENTS).await;
    database.run(&format!("ALTER TABLE documents REPLICA IDENTITY {identity}")).await;
    let receiver = Receiver::start().await;
    let _sidecar = Sidecar::start(&database, &to(&receiver)).await;
    let mut expected: BTreeMap<(String, String), Vec<Value>> = BTreeMap::new();
    for (number, case) in CASES.iter().enumerate() {
        for transaction in case.transactions {
            database.run(&format!("BEGIN; {}; COMMIT", filled(transaction, number))).await;
        }
        for (project, callback, json) in case.records {
            let lane = (filled(project, number), (*callback).to_owned());
            expected.entry(lane).or_default().push(serde_json::from_str(&filled(json, number)).unwrap());
        }
    }
    database.run("INSERT INTO documents (id, project_id) VALUES (-1, 'end')").await;
    let end = ("end".to_owned(), "ingested".to_owned());
    let count: usize = expected.values().map(Vec::len).sum();
    until("the records of all rules", async || {
        let lanes = by_lane(&receiver.received());
        let came: usize = lanes.values().map(Vec::len).sum();
        (lanes.contains_key(&end) && came > count).then_some(())
    })
    .await;
    assert_bodies_fit(&receiver.received());
    let mut lanes = by_lane(&receiver.received());
    lanes.remove(&end);
    for (number, case) in CASES.iter().enumerate() {
        for project in [filled("{p}", number), filled("{q}", number)] {
            for callback in ["ingested", "modified", "excluded"] {
                let lane = (project.clone(), callback.to_owned());
                assert_eq!(
                    lanes.remove(&lane).unwrap_or_default(),
                    expected.remove(&lane).unwrap_or_default(),
                    "{} ({callback} of {project}; PostgreSQL {version}, {identity})",
                    case.name
                );
            }
        }
    }
    assert!(lanes.is_empty(), "no record is in a project of its own: {lanes:?}");
}

fn filled(text: &str, number: usize) -> String {
    let mut text = text.replace("{p}", &format!("p{number}")).replace("{q}", &format!("q{number}"));
    for id in 1..=3 {
        text = text.replace(&format!("{{{id}}}"), &(number * 10 + id).to_string());
    }
    text.replace("{big}", &"0123456789".repeat(900))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncate_excludes_every_live_document_and_no_other() {
    for version in VERSIONS {
        let database = Database::new(version, "truncate").await;
        database.run(DOCUMENTS).await;
        database
            .run(
                "INSERT INTO documents (id, key, project_id, deleted_at)
                  SELECT g, 'k', 'p', CASE WHEN g % 3 = 0 THEN now() END FROM generate_series(1, 12000) g",
            )
            .await;
        let receiver = Receiver::start().await;
        let _sidecar = Sidecar::start(&database, &to(&receiver)).await;
        database
            .run("BEGIN; INSERT INTO documents (id, key, project_id) VALUES (20000, 'k', 'p'); TRUNCATE documents; \
                  INSERT INTO documents (id, key, project_id) VALUES (1, 'again', 'p'); COMMIT")
            .await;
        until("the excluded records", async || (receiver.records_taken() >= 8_003).then_some(())).await;
        let lanes = by_lane(&receiver.received());
        let mut excluded: Vec<i64> = lanes[&("p".into(), "excluded".into())]
            .iter()
            .map(|record| record["id"].as_str().unwrap().parse().unwrap())
            .collect();
        excluded.sort_unstable();
        let live: Vec<i64> = (1..=12_000).filter(|id| id % 3 != 0).chain([20_000]).collect();
        assert_eq!(excluded, live);
        let ingested: Vec<&str> = lanes[&("p".into(), "ingested".into())]
            .iter()
            .map(|record| record["id"].as_str().unwrap())
            .collect();
        assert_eq!(ingested, ["20000", "1"], "and what comes after it is new");
    }
}
