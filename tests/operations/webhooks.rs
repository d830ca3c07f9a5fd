//! Webhooks that are set while the sidecar runs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::fixture::{output_text, release, run};
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::{Answer, Received, Receiver};
use crate::support::until;

/// A sidecar without a webhook in its settings file.
async fn start(name: &str) -> (Database, Sidecar) {
    let database = Database::new(18, name).await;
    database.run(DOCUMENTS).await;
    let sidecar = Sidecar::start(&database, SETTINGS).await;
    (database, sidecar)
}

async fn succeeds(sidecar: &Sidecar, arguments: &[&str]) -> String {
    let output = run(sidecar, arguments).await;
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", output_text(&output));
    output_text(&output)
}

async fn fails(sidecar: &Sidecar, arguments: &[&str], status: i32) -> String {
    let output = run(sidecar, arguments).await;
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", output_text(&output));
    output_text(&output)
}

async fn set(sidecar: &Sidecar, project: &str, url: &str) {
    let file = sidecar.folder.path().join("set.json");
    std::fs::write(&file, json!({"url": url, "wait_max_ms": 1, "retry_schedule": ["20ms"]}).to_string())
        .unwrap();
    succeeds(sidecar, &["webhooks", "set", "--project", project, "--from-file", file.to_str().unwrap()])
        .await;
}

async fn insert(database: &Database, project: &str, ids: std::ops::Range<u32>) {
    let (first, last) = (ids.start, ids.end - 1);
    let rows = format!("SELECT i, '{project}' FROM generate_series({first}, {last}) i");
    database.run(&format!("INSERT INTO documents (id, project_id) {rows}")).await;
}

/// Ids in the order in which they were taken.
fn ids(receiver: &Receiver) -> Vec<u32> {
    let taken: Vec<_> = receiver.received().into_iter().filter(Received::taken).collect();
    let records = taken.iter().flat_map(Received::records);
    records.map(|record| record["id"].as_str().unwrap().parse().unwrap()).collect()
}

async fn taken(receiver: &Receiver, records: usize) {
    until("the records", async || (receiver.records_taken() >= records).then_some(())).await;
}

fn list(sidecar: &Sidecar) -> Value {
    serde_json::from_str(&sidecar.get("/api/v1/webhooks").unwrap().1).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_set_acts_within_a_second_and_is_kept_over_restarts() {
    let (database, mut sidecar) = start("webhooks_set").await;
    let (of_file, of_p) = (Receiver::start().await, Receiver::start().await);
    insert(&database, "p", 0..5).await;
    sidecar.idle().await;
    set(&sidecar, "*", &of_file.url).await;
    set(&sidecar, "p", &format!("{}/?key=geheim", of_p.url)).await;
    let began = Instant::now();
    insert(&database, "p", 5..10).await;
    taken(&of_p, 5).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    insert(&database, "q", 10..12).await;
    taken(&of_file, 2).await;
    sidecar.stop().await;
    sidecar.spawn();
    sidecar.ready().await;
    insert(&database, "p", 12..14).await;
    taken(&of_p, 7).await;
    assert_eq!(ids(&of_p), [5, 6, 7, 8, 9, 12, 13]);
    let shown = list(&sidecar);
    let webhook = &shown["webhooks"][1];
    assert_eq!(
        (&webhook["project"], &webhook["callback"], &webhook["origin"]),
        (&json!("p"), &json!("*"), &json!("set"))
    );
    assert_eq!(webhook["lanes"][0]["callback"], "ingested");
    let text = succeeds(&sidecar, &["webhooks", "list"]).await;
    assert!(text.contains("127.0.0.1:"), "{text}");
    let detail = succeeds(&sidecar, &["webhooks", "show", "--project", "p"]).await;
    assert!(!(detail + &sidecar.log()).contains("geheim"));
    assert!(sidecar.log().contains("a webhook was set"));
    // Without it, the wider one answers.
    succeeds(&sidecar, &["webhooks", "remove", "--project", "p"]).await;
    insert(&database, "p", 14..15).await;
    taken(&of_file, 3).await;
    sidecar.stop().await;
    release(&database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_url_under_traffic_loses_doubles_and_reorders_nothing() {
    let (database, mut sidecar) = start("webhooks_url").await;
    let receivers = [Receiver::start().await, Receiver::start().await];
    set(&sidecar, "p", &receivers[0].url).await;
    for round in 0..10_u32 {
        insert(&database, "p", round * 100..round * 100 + 100).await;
        set(&sidecar, "p", &receivers[(round as usize + 1) % 2].url).await;
    }
    sidecar.settled().await;
    taken(&receivers[0], 1).await;
    until("all records", async || {
        (receivers.iter().map(Receiver::records_taken).sum::<usize>() >= 1_000).then_some(())
    })
    .await;
    sidecar.idle().await;
    let mut requests: Vec<_> = receivers.iter().flat_map(Receiver::received).collect();
    requests.sort_by_key(|request| request.at);
    let records = requests.iter().flat_map(Received::records);
    let ids: Vec<u32> = records.map(|record| record["id"].as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(ids, (0..1_000).collect::<Vec<_>>());
    assert!(receivers.iter().all(|receiver| receiver.records_taken() > 0), "both had a part");
    sidecar.stop().await;
    release(&database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_pause_not_one_byte_leaves_until_it_is_resumed() {
    let (database, mut sidecar) = start("webhooks_pause").await;
    let receiver = Receiver::start().await;
    receiver.answers(|_| Answer::Slow(204, Duration::from_millis(30)));
    set(&sidecar, "*", &receiver.url).await;
    insert(&database, "p", 0..500).await;
    taken(&receiver, 100).await;
    succeeds(&sidecar, &["webhooks", "pause", "--all", "--reason", "maintenance"]).await;
    let paused_at = Instant::now();
    let received = receiver.received().len();
    // A project that had no record before.
    insert(&database, "q", 500..510).await;
    let both = |lane: &Value| lane["state"] == "paused" && lane["reason"] == "maintenance";
    until("both lanes to be paused", async || {
        let status = sidecar.status()?;
        let lanes = status["lanes"].as_array()?;
        (lanes.len() == 2 && lanes.iter().all(both)).then_some(())
    })
    .await;
    sidecar.stop().await;
    sidecar.spawn();
    sidecar.ready().await;
    insert(&database, "r", 510..511).await;
    until("the third lane to be paused", async || {
        let status = sidecar.status()?;
        let lanes = status["lanes"].as_array()?;
        (lanes.len() == 3 && lanes.iter().all(both)).then_some(())
    })
    .await;
    assert_eq!(receiver.received().len(), received);
    // One project is not resumed while the pause of all stands.
    let still = fails(&sidecar, &["webhooks", "resume", "--project", "p"], 1).await;
    assert!(still.contains("all lanes"), "{still}");
    assert_eq!(receiver.received().len(), received);
    succeeds(&sidecar, &["webhooks", "resume", "--all"]).await;
    taken(&receiver, 511).await;
    sidecar.idle().await;
    assert_eq!(receiver.records_taken(), 511);
    assert!(receiver.received().iter().skip(received).all(|request| request.at > paused_at));
    sidecar.stop().await;
    release(&database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn skipped_records_are_counted_and_a_replay_sends_them() {
    let (database, mut sidecar) = start("webhooks_skip").await;
    let receiver = Receiver::start().await;
    receiver.answers(|_| Answer::Status(503));
    set(&sidecar, "p", &receiver.url).await;
    insert(&database, "p", 0..250).await;
    until("an attempt and all records", async || {
        let pending = sidecar.status()?["lanes"][0]["pending"]["records"] == 250;
        (pending && !receiver.received().is_empty()).then_some(())
    })
    .await;
    let skip = ["webhooks", "skip", "--project", "p", "--until", "now"];
    let asked = fails(&sidecar, &skip, 64).await;
    assert!(asked.contains("250 records") && asked.contains("nothing was skipped"), "{asked}");
    assert_eq!(sidecar.metric("sidecar_records_skipped_total"), 0);
    let done = succeeds(&sidecar, &[&skip[..], &["--yes"]].concat()).await;
    assert!(done.contains("250 records were skipped"), "{done}");
    assert_eq!(sidecar.metric("sidecar_records_skipped_total"), 250);
    assert!(sidecar.log().contains("records were skipped"));
    receiver.answers(|_| Answer::Status(204));
    insert(&database, "p", 250..252).await;
    taken(&receiver, 2).await;
    assert_eq!(ids(&receiver), [250, 251]);
    let nothing = succeeds(&sidecar, &skip).await;
    assert!(nothing.contains("nothing waits"), "{nothing}");
    succeeds(&sidecar, &["replay", "--since", "1h"]).await;
    taken(&receiver, 254).await;
    assert_eq!(ids(&receiver)[2..], (0..252).collect::<Vec<_>>());
    for until in ["yesterday", "2999-01-01T00:00:00Z", ""] {
        let why = fails(&sidecar, &["webhooks", "skip", "--project", "p", "--until", until], 64).await;
        assert!(why.contains("`until`"), "{why}");
    }
    sidecar.stop().await;
    release(&database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skip_ends_at_a_position_or_a_time() {
    let (database, mut sidecar) = start("webhooks_skip_until").await;
    let receiver = Receiver::start().await;
    set(&sidecar, "p", &receiver.url).await;
    succeeds(&sidecar, &["webhooks", "pause", "--project", "p"]).await;
    let time = r#"SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#;
    insert(&database, "p", 0..3).await;
    let lsn = database.text("SELECT pg_current_wal_insert_lsn()::text").await.unwrap();
    insert(&database, "p", 3..5).await;
    let time = database.text(time).await.unwrap();
    insert(&database, "p", 5..6).await;
    until("all records", async || (sidecar.status()?["lanes"][0]["pending"]["records"] == 6).then_some(()))
        .await;
    for (end, records) in [(&lsn, 3), (&time, 2)] {
        let skip = ["webhooks", "skip", "--project", "p", "--until", end, "--yes"];
        let done = succeeds(&sidecar, &skip).await;
        assert!(done.contains(&format!("{records} records were skipped")), "{end}: {done}");
    }
    succeeds(&sidecar, &["webhooks", "resume", "--project", "p"]).await;
    taken(&receiver, 1).await;
    assert_eq!(ids(&receiver), [5]);
    sidecar.stop().await;
    release(&database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_is_signed_marked_and_no_attempt() {
    let (database, mut sidecar) = start("webhooks_test").await;
    let receiver = Receiver::start().await;
    let secret = sidecar.folder.path().join("secret");
    std::fs::write(&secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let secret = format!("file:{}", secret.display());
    let set = ["webhooks", "set", "--project", "p", "--url", &receiver.url, "--secret", &secret];
    succeeds(&sidecar, &set).await;
    let test = ["webhooks", "test", "--project", "p", "--callback", "modified"];
    fails(&sidecar, &[&test[..], &["--last"]].concat(), 1).await;
    let file = sidecar.folder.path().join("body");
    std::fs::write(&file, "any text").unwrap();
    for (more, body) in [
        (vec![], r#"{"modified":[]}"#),
        (vec!["--specimen"], r#""similarity_label":"specimen"}]}"#),
        (vec!["--body", file.to_str().unwrap()], "any text"),
    ] {
        let text = succeeds(&sidecar, &[&test[..], &more].concat()).await;
        assert!(text.contains("delivered: status 204"), "{text}");
        let request = receiver.received().pop().unwrap();
        assert!(String::from_utf8_lossy(&request.body).ends_with(body), "{:?}", request.body);
        assert_eq!(request.header("sidecar-test"), "1");
        assert_eq!((request.project(), request.callback()), ("p", "modified"));
        let webhook = standardwebhooks::Webhook::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let headers: Vec<(&str, &str)> =
            request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let headers = headers.into_iter().filter_map(|(name, value)| {
            Some((name.parse::<hyper::header::HeaderName>().ok()?, value.parse().ok()?))
        });
        webhook.verify(&request.body, &headers.collect()).unwrap();
    }
    receiver.forget();
    insert(&database, "p", 0..3).await;
    taken(&receiver, 3).await;
    sidecar.idle().await;
    let sent = receiver.received().pop().unwrap();
    let last = ["webhooks", "test", "--project", "p", "--last"];
    succeeds(&sidecar, &last).await;
    let again = receiver.received().pop().unwrap();
    assert_eq!(
        (&again.body, again.header("sidecar-positions")),
        (&sent.body, sent.header("sidecar-positions"))
    );
    assert_ne!(again.header("webhook-id"), sent.header("webhook-id"));
    // A paused lane is tested, and resumed by a test that succeeds.
    succeeds(&sidecar, &["webhooks", "pause", "--project", "p", "--callback", "ingested"]).await;
    receiver.answers(|_| Answer::Status(500));
    fails(&sidecar, &[&last[..], &["--resume"]].concat(), 1).await;
    assert_eq!(sidecar.status().unwrap()["lanes"][0]["state"], "paused");
    receiver.answers(|_| Answer::Status(204));
    let offered = succeeds(&sidecar, &last).await;
    assert!(offered.contains("--resume"), "{offered}");
    succeeds(&sidecar, &[&last[..], &["--resume"]].concat()).await;
    assert_ne!(sidecar.status().unwrap()["lanes"][0]["state"], "paused");
    let attempts = sidecar.get("/metrics").unwrap().1;
    let attempts = attempts.lines().filter(|line| line.starts_with("sidecar_attempts_total{"));
    let counted: u64 = attempts.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum();
    let batches =
        receiver.received().iter().filter(|request| request.header("sidecar-test").is_empty()).count();
    assert_eq!(counted, batches as u64);
    sidecar.stop().await;
    release(&database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_is_applied_without_a_change_and_a_plan_changes_nothing() {
    let (database, mut sidecar) = start("webhooks_apply").await;
    set(&sidecar, "a", "http://127.0.0.1:9/a").await;
    set(&sidecar, "b", "http://127.0.0.1:9/b").await;
    let file = sidecar.folder.path().join("hooks.toml");
    let exported = succeeds(&sidecar, &["webhooks", "export"]).await;
    std::fs::write(&file, &exported).unwrap();
    let apply = ["webhooks", "apply", file.to_str().unwrap()];
    let plan = [&apply[..], &["--dry-run"]].concat();
    assert_eq!(succeeds(&sidecar, &plan).await, "0 would change, 2 stay as they are\n");
    let other = "[[webhook]]\nproject = \"c\"\ncallback = \"*\"\nurl = \"http://127.0.0.1:9/c\"\n";
    let of_b = exported.split("\n\n").find(|section| section.contains("/b")).unwrap();
    let changed = format!("{other}{}\n", of_b.replace("wait_max_ms = 1", "wait_max_ms = 2"));
    std::fs::write(&file, &changed).unwrap();
    let planned = "- a *\n~ b * wait_max_ms\n+ c *\n";
    assert_eq!(succeeds(&sidecar, &plan).await, format!("{planned}3 would change, 0 stay as they are\n"));
    assert_eq!(succeeds(&sidecar, &["webhooks", "export"]).await, exported, "a plan changes nothing");
    std::fs::write(&file, changed.replace("127.0.0.1:9/c", "127.0.0.1:0/c")).unwrap();
    let refused = fails(&sidecar, &apply, 64).await;
    assert!(refused.contains("`webhook.url`"), "{refused}");
    assert_eq!(succeeds(&sidecar, &["webhooks", "export"]).await, exported, "all or nothing");
    std::fs::write(&file, &changed).unwrap();
    assert_eq!(succeeds(&sidecar, &apply).await, format!("{planned}3 changed, 0 stay as they are\n"));
    assert_eq!(succeeds(&sidecar, &plan).await, "0 would change, 2 stay as they are\n");
    sidecar.stop().await;
    release(&database).await;
}

const SETTINGS: &str = "[delivery]\ntimeout_ms = 5000\n";
