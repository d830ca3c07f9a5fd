//! Acts on batches by id and by filter, as requests, as pages without a script and as commands; jobs.

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::replay::fixture::{Fixture, stdout};
use crate::support::receiver::{Answer, Received};
use crate::support::until;

/// Documents that the receiver refuses, each a dead letter of its own.
async fn refused(fixture: &Fixture, project: &str, count: u32, from: u32) {
    let before = dead_records(fixture);
    fixture.receiver.answers(|_| Answer::Status(413));
    insert(fixture, project, count, from).await;
    until("dead letters", async || (dead_records(fixture) == before + u64::from(count)).then_some(())).await;
    fixture.receiver.answers(|_| Answer::Status(204));
}

async fn insert(fixture: &Fixture, project: &str, count: u32, from: u32) {
    let last = from + count - 1;
    fixture
        .database
        .run(&format!(
            "INSERT INTO documents (id, project_id) SELECT id, '{project}' FROM generate_series({from}, {last}) id"
        ))
        .await;
}

fn dead_records(fixture: &Fixture) -> u64 {
    fixture.sidecar.status().unwrap()["spool"]["dead_letter_records"].as_u64().unwrap()
}

fn deliveries(fixture: &Fixture, query: &str) -> Vec<Value> {
    let (status, body) = fixture.sidecar.get(&format!("/api/v1/deliveries?{query}")).unwrap();
    assert_eq!(status, 200, "{body}");
    let page: Value = serde_json::from_str(&body).unwrap();
    page["deliveries"].as_array().unwrap().clone()
}

fn job(fixture: &Fixture, no: u64) -> Value {
    let (_, body) = fixture.sidecar.get(&format!("/api/v1/jobs/{no}")).unwrap();
    serde_json::from_str(&body).unwrap()
}

async fn job_in(fixture: &Fixture, no: u64, state: &str) -> Value {
    until(&format!("job {no} to be {state}"), async || {
        Some(job(fixture, no)).filter(|job| job["state"] == state)
    })
    .await
}

const ONE_EACH: &str = "[batch]\nrecords_max = 1";

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_acted_on_by_id_and_by_filter_after_a_count() {
    let fixture = Fixture::new(15, "bulk_batches", 0, "", ONE_EACH).await;
    insert(&fixture, "p", 3, 1).await;
    until("the first three", async || (fixture.receiver.records_taken() == 3).then_some(())).await;
    fixture.settled().await;
    refused(&fixture, "p", 3, 11).await;
    refused(&fixture, "q", 2, 21).await;
    let post = |act: &str, body: Value| fixture.post(&format!("/api/v1/deliveries/{act}"), &body);
    let dead = deliveries(&fixture, "project=p&state=dead_letter");
    let delivered = deliveries(&fixture, "project=p&state=delivered");
    assert_eq!((dead.len(), delivered.len()), (3, 3));

    let both = json!({"ids": [dead[0]["id"], delivered[0]["id"]], "dry_run": true});
    let counted = post("redeliver", both.clone()).unwrap();
    assert_eq!((&counted["deliveries"], &counted["left_out"]), (&json!(1), &json!(1)), "{counted}");
    assert_eq!(post("replay", both).unwrap()["deliveries"], 2);
    let filtered = post("discard", json!({"project": "p", "status": "413", "dry_run": true})).unwrap();
    assert_eq!((&filtered["deliveries"], &filtered["records"]), (&json!(3), &json!(3)), "{filtered}");
    assert!(filtered["estimated_seconds"].is_f64() && filtered["job"].is_null(), "{filtered}");
    assert_eq!(post("discard", json!({"state": "delivered", "dry_run": true})).unwrap()["deliveries"], 0);
    assert_eq!(post("discard", json!({"all": true, "dry_run": true})).unwrap()["deliveries"], 5);
    for (act, wrong, part) in [
        ("redeliver", json!({}), "say which"),
        ("redeliver", json!({"ids": ["x"]}), "`x` is not a UUID"),
        ("redeliver", json!({"ids": [dead[0]["id"]], "all": true}), "not by both"),
        ("discard", json!({"all": true, "rate": 1}), "it is of a replay only"),
        ("discard", json!({"status": "99"}), "is not a status"),
        ("replay", json!({"all": true, "rate": 0}), "at least 1 record"),
    ] {
        let (status, why) = post(act, wrong).unwrap_err();
        assert!(status == 400 && why.contains(part), "{status} {why}");
    }
    let none = json!({"ids": ["00000000-0000-7000-8000-000000000000"]});
    assert_eq!(post("redeliver", none).unwrap_err().0, 404);

    // Neighbours are one range, and what another one lies between is not sent.
    let replay = post("replay", json!({"project": "p", "state": "delivered", "rate": 1_000})).unwrap();
    let ended = fixture.ends(replay["replay"].as_u64().unwrap(), "done").await;
    assert_eq!((&ended["records"], &ended["sent"]), (&json!(3), &json!(3)), "{ended}");
    assert_eq!(ended["asked"]["deliveries"], 3, "{ended}");
    let sent = fixture.replayed(ended["id"].as_str().unwrap());
    let mut ids: Vec<String> =
        sent.iter().flat_map(Received::records).map(|record| record["id"].to_string()).collect();
    ids.sort();
    assert_eq!(ids, ["\"1\"", "\"2\"", "\"3\""]);
    let ends = [delivered[0]["id"].clone(), delivered[2]["id"].clone()];
    let replay = post("replay", json!({"ids": ends})).unwrap();
    let ended = fixture.ends(replay["replay"].as_u64().unwrap(), "done").await;
    assert_eq!(ended["sent"], 2, "the one between them is not sent: {ended}");

    assert_eq!(post("redeliver", json!({"project": "q"})).unwrap()["deliveries"], 2);
    until("the dead letters of q", async || (dead_records(&fixture) == 3).then_some(())).await;
    let output =
        fixture.run("deliveries", &["discard", "--project", "p", "--status", "4xx", "--dry-run"]).await;
    assert!(stdout(&output).contains("3 batches with 3 records, which takes about"), "{}", stdout(&output));
    let id = dead[0]["id"].as_str().unwrap();
    let output = fixture.run("deliveries", &["redeliver", id]).await;
    assert!(output.status.success() && stdout(&output).contains("1 batch"), "{}", stdout(&output));
    let output = fixture.run("deliveries", &["discard", "--state", "dead_letter", "--yes"]).await;
    assert!(output.status.success(), "{}", stdout(&output));
    until("no dead letter", async || (dead_records(&fixture) == 0).then_some(())).await;
    let output = fixture.run("deliveries", &["replay", "--project", "q"]).await;
    assert!(stdout(&output).contains("has started") && stdout(&output).contains("2 batches"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_batches_acts_without_a_script() {
    let fixture = Fixture::new(15, "bulk_page", 0, "", ONE_EACH).await;
    refused(&fixture, "p", 4, 1).await;
    let page = |path: &str| fixture.sidecar.get(path).unwrap();
    let html = page("/deliveries?state=dead_letter").1;
    let dead = deliveries(&fixture, "state=dead_letter");
    let id = dead[0]["id"].as_str().unwrap();
    for part in [
        &format!("name=\"id\" value=\"{id}\""),
        "formaction=\"./deliveries/discard\"",
        "href=\"./deliveries/redeliver?state=dead_letter&#38;all=1\"",
        "<time datetime=\"20",
    ] {
        assert!(html.contains(part), "{part} is missing in {html}");
    }
    assert!(page("/deliveries?by=webhook-id&find=x").0 == 400);
    let found = page(&format!("/deliveries?by=webhook-id&find={id}")).1;
    assert!(!found.contains("All that match"), "{found}");
    let (status, html) = page("/deliveries/discard");
    assert!(status == 400 && html.contains("no batch is selected"), "{html}");
    let selected = format!("/deliveries/discard?id={id}");
    let html = page(&selected).1;
    assert!(html.contains("This is about 1 batch with 1 record, which is a dead letter."), "{html}");
    assert!(html.contains("It takes about") && html.contains("<form method=\"post\""), "{html}");
    let html = page("/deliveries/redeliver?all=1&state=delivered").1;
    assert!(html.contains("There is nothing to do.") && !html.contains("<form method=\"post\""), "{html}");
    assert_eq!(fixture.sidecar.request("POST", &selected, "").unwrap().0, 303);
    assert_eq!(dead_records(&fixture), 3);
    assert_eq!(fixture.sidecar.request("POST", "/deliveries/redeliver?all=1&project=p", "").unwrap().0, 303);
    until("the rest", async || (dead_records(&fixture) == 0).then_some(())).await;
    let all = "/deliveries/replay?all=1&state=delivered";
    assert!(page(all).1.contains("3 batches with 3 records"), "{}", page(all).1);
    assert_eq!(fixture.sidecar.request("POST", all, "").unwrap().0, 303);
    fixture.ends(1, "done").await;
    assert!(page("/replay").1.contains("3 batches selected, all projects"), "{}", page("/replay").1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_shows_its_progress_and_stops_where_it_is_cancelled() {
    let fixture = Fixture::new(15, "bulk_cancel", 0, "", ONE_EACH).await;
    refused(&fixture, "p", 1_200, 1).await;
    let html = fixture.sidecar.get("/dead-letters/discard?all=1&project=p").unwrap().1;
    assert!(
        html.contains("1,200 dead letters with 1,200 records") && html.contains("It takes about"),
        "{html}"
    );
    // The writer of the spool waits, so that the job is at work until it is let go.
    let spool = Connection::open(fixture.sidecar.spool().join("spool.sqlite")).unwrap();
    spool.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (sidecar, path) = (&fixture.sidecar, "/dead-letters/discard?all=1&project=p");
    let ((), (), ()) = tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let started = scope.spawn(|| sidecar.request("POST", path, ""));
            let cancelled = scope.spawn(|| {
                while sidecar.get("/api/v1/jobs/1").unwrap().0 != 200 {
                    std::thread::yield_now();
                }
                let running = job(&fixture, 1);
                assert_eq!((&running["state"], &running["total"]), (&json!("running"), &json!(1_200)));
                let html = sidecar.get("/job?no=1").unwrap().1;
                let parts =
                    ["<progress max=\"1200\" value=\"0\"", "0 of 1,200 dead letters", "job/cancel?no=1"];
                assert!(parts.iter().all(|part| html.contains(part)), "{html}");
                assert!(sidecar.get("/jobs").unwrap().1.contains("Discards dead letters"));
                sidecar.request("POST", "/job/cancel?no=1", "")
            });
            while !sidecar.log().contains("a job was cancelled") {
                std::thread::yield_now();
            }
            spool.execute_batch("ROLLBACK").unwrap();
            assert_eq!(started.join().unwrap().unwrap().0, 303);
            assert_eq!(cancelled.join().unwrap().unwrap().0, 303);
        });
        ((), (), ())
    });
    let ended = job_in(&fixture, 1, "cancelled").await;
    let done = ended["done"].as_u64().unwrap();
    assert!(done <= 500, "it stopped after the part that it was at: {ended}");
    assert_eq!(dead_records(&fixture), 1_200 - done);
    assert!(fixture.sidecar.get("/job?no=1").unwrap().1.contains("Cancelled"));
    assert_eq!(fixture.sidecar.request("DELETE", "/api/v1/jobs/1", "").unwrap().0, 409);
    let output = fixture.run("dead-letters", &["discard", "--project", "p", "--yes"]).await;
    assert!(output.status.success(), "{}", stdout(&output));
    assert_eq!(dead_records(&fixture), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_a_crash_ends_is_asked_for_again_and_loses_nothing() {
    let mut fixture = Fixture::new(15, "bulk_crash", 0, "", ONE_EACH).await;
    refused(&fixture, "p", 1_200, 1).await;
    fixture.sidecar.stop().await;
    fixture.sidecar.spawn_with(&[("SIDECAR_FAILPOINT", "redeliver.before:2")]);
    fixture.sidecar.ready().await;
    let selection = json!({"project": "p", "status": "413"});
    let _ = fixture.sidecar.request("POST", "/api/v1/deliveries/redeliver", &selection.to_string());
    fixture.sidecar.ended().await;
    fixture.sidecar.spawn();
    fixture.sidecar.ready().await;
    let (_, jobs) = fixture.sidecar.get("/api/v1/jobs").unwrap();
    assert_eq!(serde_json::from_str::<Value>(&jobs).unwrap()["jobs"], json!([]));
    until("the part that was durable", async || (dead_records(&fixture) == 700).then_some(())).await;
    let counts = fixture.post("/api/v1/deliveries/redeliver", &selection).unwrap();
    assert_eq!((&counts["deliveries"], &counts["job"]), (&json!(700), &Value::Null), "{counts}");
    until("the rest", async || (dead_records(&fixture) == 0).then_some(())).await;
    let mut requests = std::collections::BTreeMap::<String, u32>::new();
    for request in fixture.receiver.received() {
        *requests.entry(request.records()[0]["id"].to_string()).or_default() += 1;
    }
    let again = requests.values().filter(|count| **count >= 2).count();
    assert_eq!((requests.len(), again), (1_200, 1_200), "each is sent once more");
}
