//! What became of one document, and the records that a receiver pulls.

use serde_json::{Value, json};

use crate::replay::fixture::{Fixture, stdout};
use crate::support::receiver::{Answer, Received};

fn get(fixture: &Fixture, path: &str) -> (u16, Value) {
    let (status, body) = fixture.sidecar.get(path).unwrap();
    (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{path}: {body}")))
}

fn document(fixture: &Fixture, project: &str, id: &str) -> Value {
    let (status, detail) = get(fixture, &format!("/api/v1/projects/{project}/documents/{id}"));
    assert_eq!(status, 200, "{detail}");
    detail
}

/// (callback, cause) of the records, the oldest first.
fn causes(detail: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let records = detail["records"].as_array().unwrap().iter().rev();
    records.map(|record| (text(&record["callback"]), text(&record["cause"]))).collect()
}

fn says(detail: &Value, part: &str) {
    let summary = detail["summary"].as_array().unwrap();
    assert!(summary.iter().any(|sentence| sentence.as_str().unwrap().contains(part)), "{part}: {summary:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_record_of_a_document_has_its_cause_and_its_end() {
    let fixture = Fixture::new(18, "why_causes", 0, "", "").await;
    let run = async |sql: &str| {
        fixture.database.run(sql).await;
        let end = fixture.database.text("SELECT pg_current_wal_flush_lsn()::text").await.unwrap();
        fixture.sidecar.reached(&end).await;
        fixture.settled().await;
    };
    run("INSERT INTO documents (id, project_id, title) VALUES (1, 'a', 'x'), (2, 'a', 'x')").await;
    run("UPDATE documents SET title = 'y' WHERE id = 1").await;
    run("UPDATE documents SET labels = '{z}' WHERE id = 1").await;
    run("UPDATE documents SET deleted_at = now() WHERE id = 1").await;
    run("UPDATE documents SET deleted_at = NULL WHERE id = 1").await;
    run("UPDATE documents SET project_id = 'b' WHERE id = 1").await;
    run("UPDATE documents SET id = 3 WHERE id = 2").await;
    run("UPDATE documents SET updated_at = now() WHERE id = 1").await;
    let of = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(callback, cause)| ((*callback).to_owned(), (*cause).to_owned())).collect()
    };
    let unknown = "inserted, restored, or content or key changed: no earlier record is kept that tells which";
    let either = "marked as deleted, or the row was deleted: which is not kept";
    let in_a = document(&fixture, "a", "1");
    assert_eq!(
        causes(&in_a),
        of(&[
            ("ingested", unknown),
            ("ingested", "content or key changed"),
            ("modified", "labels changed"),
            ("excluded", either),
            ("ingested", "restored, or inserted again"),
            ("excluded", "moved to project `b`"),
        ])
    );
    says(&in_a, "belongs to the project `b` now");
    assert!(in_a["records"].as_array().unwrap().iter().all(|record| {
        record["state"].as_str().unwrap().starts_with("delivered at")
            && record["delivery"]["state"] == "delivered"
    }));
    let in_b = document(&fixture, "b", "1");
    assert_eq!(causes(&in_b), of(&[("ingested", "moved from project `a`")]));
    says(&in_b, "it is live");
    says(&in_b, "`created_at`, `updated_at`");
    assert_eq!((&in_b["shadow"]["live"], &in_b["row"]["exists"]), (&json!(true), &json!(true)));
    assert_eq!(causes(&document(&fixture, "a", "2")).last().unwrap().1, "the id changed to `3`");
    assert_eq!(causes(&document(&fixture, "a", "3")), of(&[("ingested", "the id changed from `2`")]));
    run("DELETE FROM documents WHERE id = 1").await;
    assert_eq!(causes(&document(&fixture, "b", "1")).last().unwrap().1, "the row was deleted");
    says(&document(&fixture, "b", "1"), "The row was deleted.");
    for id in ["99", "no-number"] {
        says(&document(&fixture, "a", id), "There is no such row");
    }
    let output = fixture.run("why", &["--project", "a", "--id", "1"]).await;
    assert!(stdout(&output).contains("moved to project `b`"), "{}", stdout(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_delivered_says_what_it_waits_for() {
    let fixture = Fixture::new(15, "why_waits", 0, "", "order_wait = \"1h\"").await;
    fixture.receiver.answers(|r| Answer::Status(if r.callback() == "ingested" { 503 } else { 204 }));
    fixture.database.run("INSERT INTO documents (id, project_id) VALUES (1, 'p')").await;
    fixture.database.run("UPDATE documents SET labels = '{x}' WHERE id = 1").await;
    let detail = crate::support::until("both records to wait", async || {
        let detail = document(&fixture, "p", "1");
        let state = |at: usize| detail["records"][at]["state"].as_str().unwrap_or_default().to_owned();
        let waits = state(0).contains("goes first") && state(1).contains("attempts failed (503)");
        waits.then(|| detail.clone())
    })
    .await;
    assert!(detail["records"][0]["state"].as_str().unwrap().contains("in `ingested` goes first"));
    says(&detail, "not delivered yet");
    let body = json!({"project": "p", "callback": "ingested"}).to_string();
    fixture.sidecar.request("POST", "/api/v1/webhooks/pause", &body).unwrap();
    says(&document(&fixture, "p", "1"), "`ingested` is paused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_pulls_the_records_that_it_is_sent_and_those_that_wait() {
    let fixture = Fixture::new(15, "pulled", 0, "", "").await;
    let insert = async |ids: &str| {
        let rows = format!("SELECT id, 'p' FROM generate_series({ids}) id");
        fixture.database.run(&format!("INSERT INTO documents (id, project_id) {rows}")).await;
    };
    insert("1, 5").await;
    crate::support::until("the first records", async || {
        (fixture.receiver.records_taken() == 5).then_some(())
    })
    .await;
    fixture.settled().await;
    fixture.receiver.answers(|_| Answer::Status(503));
    insert("6, 8").await;
    crate::support::until("three pending records", async || {
        let status = fixture.sidecar.status()?;
        let lane = status["lanes"].as_array()?.iter().find(|lane| lane["callback"] == "ingested")?.clone();
        (lane["pending"]["records"] == 3).then_some(())
    })
    .await;
    let path = "/api/v1/projects/p/records?callback=ingested&limit=3";
    let (mut pulled, mut after) = (Vec::new(), String::new());
    loop {
        let (status, page) = get(&fixture, &format!("{path}{after}"));
        assert_eq!(status, 200, "{page}");
        pulled.extend(page["body"]["docs"].as_array().unwrap().clone());
        after = format!("&after={}", page["next"].as_str().unwrap());
        if page["more"] == false {
            break;
        }
    }
    let expected: Vec<Value> = (1..9).map(|id| json!({"id": id.to_string(), "key": null})).collect();
    assert_eq!(pulled, expected);
    let (_, page) = get(&fixture, &format!("{path}{after}"));
    assert_eq!((&page["records"], &page["body"]), (&json!(0), &json!({"docs": []})));
    let sent = fixture.receiver.received().into_iter().filter(Received::taken).collect::<Vec<_>>();
    let first = sent[0].header("sidecar-positions").split("..").next().unwrap();
    let (_, whole) = get(&fixture, "/api/v1/projects/p/records?callback=ingested");
    assert!(whole["positions"].as_str().unwrap().starts_with(first));
    let output = fixture.run("records", &["--project", "p", "--callback", "ingested", "--limit", "5"]).await;
    assert_eq!(stdout(&output).lines().count(), 2, "{}", stdout(&output));
    for wrong in ["", "?callback=x", "?callback=ingested&after=x", "?callback=ingested&limit=0"] {
        assert_eq!(get(&fixture, &format!("/api/v1/projects/p/records{wrong}")).0, 400, "{wrong}");
    }
}
