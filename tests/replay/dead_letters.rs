//! What was given up: listed, shown, sent once more, dropped.

use serde_json::{Value, json};

use crate::replay::fixture::{Fixture, stderr, stdout};
use crate::support::receiver::{Answer, Received};
use crate::support::until;

/// Five records of project `p`, given up: the first batch was attempted, the others were never cut.
async fn given_up(name: &str) -> Fixture {
    let fixture = Fixture::new(15, name, 0, "", "give_up_after = \"300ms\"\n[batch]\nrecords_max = 2").await;
    fixture.receiver.answers(|r| Answer::Status(if r.project() == "p" { 500 } else { 204 }));
    // In one transaction: they are given up together, as a batch and what was never cut.
    let insert = "INSERT INTO documents (id, project_id) SELECT id, 'p' FROM generate_series(1, 5) id";
    fixture.database.run(insert).await;
    until("five dead records", async || {
        (fixture.sidecar.status()?["spool"]["dead_letter_records"] == 5).then_some(())
    })
    .await;
    fixture.settled().await;
    fixture
}

fn letters(fixture: &Fixture, query: &str) -> Vec<Value> {
    let (status, body) = fixture.sidecar.get(&format!("/api/v1/dead-letters{query}")).unwrap();
    assert_eq!(status, 200, "{body}");
    serde_json::from_str::<Value>(&body).unwrap()["dead_letters"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_listed_by_filter_and_shown_with_records_and_attempts() {
    let fixture = given_up("dead_list").await;
    let all = letters(&fixture, "");
    assert_eq!(all.iter().map(|letter| letter["records"].as_u64().unwrap()).sum::<u64>(), 5);
    assert!(all.iter().all(|letter| letter["reason"] == "given_up" && letter["project"] == "p"));
    assert_eq!(letters(&fixture, "?project=p&callback=ingested&reason=given_up"), all);
    assert!(letters(&fixture, "?project=q").is_empty() && letters(&fixture, "?reason=too_large").is_empty());
    let page = letters(&fixture, "?limit=1");
    assert_eq!(page, all[..1]);
    let attempted = all.iter().find(|letter| !letter["batch"].is_null()).expect("a batch that was tried");
    let output = fixture.run("dead-letters", &["show", &attempted["no"].to_string(), "--json"]).await;
    let shown: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(shown["first_records"][0]["record"], json!({"id": "1", "key": null}));
    assert_eq!(
        (&shown["attempts"][0]["outcome"], &shown["attempts"][0]["status"]),
        (&json!("status"), &json!(500))
    );
    for arguments in [vec!["list"], vec!["list", "--project", "p"], vec!["show", "1"]] {
        let output = fixture.run("dead-letters", &arguments).await;
        assert!(output.status.success() && stdout(&output).contains("given_up"), "{arguments:?}");
    }
    for (arguments, status, part) in [
        (vec!["show", "99"], 1, "there is no dead letter 99"),
        (vec!["redeliver"], 64, "say which"),
        (vec!["redeliver", "1", "--all"], 64, "cannot be used with"),
        (vec!["list", "--reason", "bored"], 64, "too_large"),
        (vec!["discard", "1"], 64, "--yes"),
    ] {
        let output = fixture.run("dead-letters", &arguments).await;
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(part), "{arguments:?}: {}", stderr(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_more_attempt_is_of_the_same_batch_and_what_was_never_cut_is_cut() {
    let mut fixture = given_up("dead_again").await;
    let attempted = fixture.receiver.received()[0].clone();
    let attempts = fixture.receiver.received().len();
    // It fails once more: the letter stays, and the lane's health does not change.
    let output = fixture.run("dead-letters", &["redeliver", "--project", "p"]).await;
    assert!(output.status.success(), "{}", stderr(&output));
    until("all attempts", async || {
        let ended = letters(&fixture, "").iter().all(|letter| letter["redelivering"] == false);
        (ended && fixture.receiver.received().len() >= attempts + 3).then_some(())
    })
    .await;
    assert_eq!(fixture.receiver.received().len(), attempts + 3, "one attempt a batch: 2, 2 and 1 records");
    let left = letters(&fixture, "");
    assert_eq!(left.len(), 3, "{left:?}");
    assert!(left.iter().all(|letter| !letter["batch"].is_null()), "all are cut now: {left:?}");
    // A killed process continues what was requested.
    fixture.receiver.answers(|_| Answer::Hang);
    fixture.post("/api/v1/dead-letters/redeliver", &json!({"all": true})).unwrap();
    until("a request that hangs", async || (fixture.receiver.received().len() > attempts + 3).then_some(()))
        .await;
    fixture.sidecar.kill();
    fixture.receiver.answers(|_| Answer::Status(204));
    fixture.sidecar.spawn();
    fixture.sidecar.ready().await;
    until("no dead letter", async || {
        (fixture.sidecar.status()?["spool"]["dead_letter_records"] == 0).then_some(())
    })
    .await;
    assert!(letters(&fixture, "").is_empty());
    let taken: Vec<_> = fixture.receiver.received().into_iter().filter(Received::taken).collect();
    let records: Vec<_> = taken.iter().flat_map(Received::records).collect();
    let required: Vec<_> = (1..=5).map(|id| json!({"id": id.to_string(), "key": null})).collect();
    assert_eq!(records, required, "in the order of the lane");
    let again = taken.iter().find(|request| request.records() == attempted.records()).unwrap();
    assert_eq!((again.header("webhook-id"), &again.body), (attempted.header("webhook-id"), &attempted.body));
    assert_ne!(again.header("sidecar-replay"), "");
    assert_ne!(again.header("sidecar-attempt"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_discarded_is_sent_by_no_replay_and_what_was_given_up_is() {
    let fixture = given_up("dead_gone").await;
    fixture.receiver.answers(|_| Answer::Status(204));
    let first = letters(&fixture, "")[0].clone();
    let gone = first["records"].as_u64().unwrap();
    let output = fixture.run("dead-letters", &["discard", &first["no"].to_string(), "--yes"]).await;
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stdout(&output).contains(&format!("discarded: 1 dead letter with {gone} record")),
        "{}",
        stdout(&output)
    );
    let (no, id) = fixture.replay(&json!({"from_lsn": fixture.window()}));
    let ended = fixture.ends(no, "done").await;
    assert_eq!(ended["sent"], 5 - gone);
    let records: usize = fixture.replayed(&id).iter().map(|request| request.records().len()).sum();
    assert_eq!(records as u64, 5 - gone);
}
