//! Edges that a fixture does not pass: the end of a first start, giving up, replays, dead letters. The
//! process dies before and after each is durable.

use serde_json::{Value, json};

use crate::support::database::Database;
use crate::support::process::Sidecar;
use crate::support::receiver::{Answer, Received, Receiver};
use crate::support::until;

const SIDES: [&str; 2] = ["before", "after"];

fn settings(receiver: &Receiver, more: &str) -> String {
    format!(
        "[batch]\nwait_max_ms = 5\nrecords_max = 10\n[delivery]\nretry_schedule = [\"20ms\"]\n{more}\n\
         [[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{}/\"\n",
        receiver.url
    )
}

async fn insert(database: &Database, from: u32, to: u32) {
    database
        .run(&format!(
            "INSERT INTO documents (id, project_id) SELECT g, 'p' FROM generate_series({from}, {to}) g"
        ))
        .await;
}

/// The ids that were taken, in order, each batch once.
fn taken(receiver: &Receiver, required: impl Fn(&Received) -> bool) -> Vec<u64> {
    let mut seen = std::collections::HashSet::new();
    let all = receiver.received();
    let taken = all.iter().filter(|r| r.taken() && required(r));
    let once = taken.filter(|r| seen.insert(r.header("webhook-id").to_owned()));
    once.flat_map(Received::records).map(|record| record["id"].as_str().unwrap().parse().unwrap()).collect()
}

/// It is started to die at this edge, does, and is started again.
async fn dies_at(sidecar: &mut Sidecar, edge: &str) {
    sidecar.spawn_with(&[("SIDECAR_FAILPOINT", edge)]);
    assert!(!sidecar.ended().await.success(), "it dies at {edge}");
    sidecar.spawn();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_that_dies_at_its_end_sends_every_document() {
    for side in SIDES {
        let database = crate::faults::fixture::database(15, "edge_seed").await;
        insert(&database, 1, 500).await;
        let receiver = Receiver::start().await;
        let settings = settings(&receiver, "[documents]\ninitial = \"ingested\"");
        let mut sidecar = Sidecar::prepare(&database, &settings);
        dies_at(&mut sidecar, &format!("seed.{side}:1")).await;
        until("every document", async || (taken(&receiver, |_| true).len() >= 500).then_some(())).await;
        sidecar.ready().await;
        let mut ids = taken(&receiver, |_| true);
        ids.sort_unstable();
        assert_eq!(ids, (1..=500).collect::<Vec<_>>(), "{side}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn giving_up_is_whole_or_not_at_all() {
    for side in SIDES {
        let database = crate::faults::fixture::database(15, "edge_dead").await;
        let receiver = Receiver::start().await;
        let settings = settings(&receiver, "give_up_after = \"200ms\"");
        let mut sidecar = Sidecar::start(&database, &settings).await;
        sidecar.kill();
        receiver.answers(|_| Answer::Status(500));
        insert(&database, 1, 35).await;
        dies_at(&mut sidecar, &format!("give_up.{side}:1")).await;
        let dead = |sidecar: &Sidecar| sidecar.status()?["spool"]["dead_letter_records"].as_u64();
        until("all to be given up", async || (dead(&sidecar)? == 35).then_some(())).await;
        receiver.answers(|_| Answer::Status(204));
        // One more attempt, dying at each edge of it.
        let all = r#"{"all":true}"#;
        sidecar.kill();
        sidecar.spawn_with(&[("SIDECAR_FAILPOINT", &format!("redeliver.{side}:1"))]);
        sidecar.ready().await;
        let _ = sidecar.request("POST", "/api/v1/dead-letters/redeliver", all);
        assert!(!sidecar.ended().await.success());
        sidecar.spawn_with(&[("SIDECAR_FAILPOINT", &format!("cut_dead.{side}:1"))]);
        if side == "before" {
            // It was not stored: it is requested again.
            until("the socket", async || sidecar.request("POST", "/api/v1/dead-letters/redeliver", all))
                .await;
        }
        assert!(!sidecar.ended().await.success());
        sidecar.spawn_with(&[("SIDECAR_FAILPOINT", &format!("redelivered.{side}:2"))]);
        assert!(!sidecar.ended().await.success());
        sidecar.spawn();
        until("no dead letter", async || (dead(&sidecar)? == 0).then_some(())).await;
        let mut ids = taken(&receiver, |_| true);
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids, (1..=35).collect::<Vec<_>>(), "{side}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_entered_and_cancelled_whole_or_not_at_all() {
    for side in SIDES {
        let database = crate::faults::fixture::database(15, "edge_replay").await;
        let receiver = Receiver::start().await;
        let mut sidecar = Sidecar::start(&database, &settings(&receiver, "")).await;
        insert(&database, 1, 60).await;
        until("all", async || (taken(&receiver, |_| true).len() == 60).then_some(())).await;
        let status = sidecar.status().unwrap();
        let window = status["spool"]["window"]["from_lsn"].as_str().unwrap().to_owned();
        let request_body = |rate: u32| json!({"from_lsn": window, "rate": rate}).to_string();
        let replays = |sidecar: &Sidecar| -> Option<Vec<Value>> {
            let (_, body) = sidecar.get("/api/v1/replays")?;
            serde_json::from_str::<Value>(&body).ok()?["replays"].as_array().cloned()
        };
        sidecar.kill();
        sidecar.spawn_with(&[("SIDECAR_FAILPOINT", &format!("replay.{side}:1"))]);
        sidecar.ready().await;
        assert_eq!(sidecar.request("POST", "/api/v1/replays", &request_body(1_000)), None);
        assert!(!sidecar.ended().await.success());
        sidecar.spawn_with(&[("SIDECAR_FAILPOINT", &format!("cancel.{side}:1"))]);
        sidecar.ready().await;
        if side == "after" {
            until("the replay that was entered", async || {
                (replays(&sidecar)?.first()?["state"] == "done").then_some(())
            })
            .await;
            assert_eq!(
                taken(&receiver, |r| !r.header("sidecar-replay").is_empty()),
                (1..=60).collect::<Vec<_>>()
            );
        } else {
            assert_eq!(replays(&sidecar).unwrap(), Vec::<Value>::new());
        }
        let (_, answer) = sidecar.request("POST", "/api/v1/replays", &request_body(1)).unwrap();
        let no = serde_json::from_str::<Value>(&answer).unwrap()["no"].as_u64().unwrap();
        let _ = sidecar.request("DELETE", &format!("/api/v1/replays/{no}"), "");
        assert!(!sidecar.ended().await.success());
        sidecar.spawn();
        sidecar.ready().await;
        let all = replays(&sidecar).unwrap();
        let state = all.iter().find(|replay| replay["no"] == no).unwrap()["state"].clone();
        assert_eq!(state, if side == "after" { "cancelled" } else { "running" });
    }
}

/// A process of its own, so that all of it can be stopped: the kernel still takes its connections.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_stopped_dead_for_a_while_loses_nothing() {
    let database = crate::faults::fixture::database(15, "edge_stopped").await;
    let folder = tempfile::tempdir().unwrap();
    let (out, log) = (folder.path().join("out"), folder.path().join("told"));
    let mut receiver = std::process::Command::new(env!("CARGO_BIN_EXE_sidecar"))
        .args(["receive", "--listen", "127.0.0.1:0"])
        .stdout(std::fs::File::create(&out).unwrap())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap_or_default();
    let url = until("its address", async || {
        let log = read(&log);
        Some(log.split("receiving on ").nth(1)?.lines().next()?.to_owned())
    })
    .await;
    let settings = format!(
        "[batch]\nwait_max_ms = 5\nrecords_max = 10\n[delivery]\ntimeout_ms = 500\nretry_schedule = [\"20ms\"]\n\
         [[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{url}/\"\n"
    );
    let sidecar = Sidecar::start(&database, &settings).await;
    let signal = |name: &str| {
        let pid = receiver.id().to_string();
        assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
    };
    let lane = |sidecar: &Sidecar| -> Option<Value> {
        Some(sidecar.status()?["lanes"].as_array()?.first()?.clone())
    };
    for round in 0..3 {
        insert(&database, round * 100 + 1, round * 100 + 50).await;
        signal("-STOP");
        insert(&database, round * 100 + 51, round * 100 + 100).await;
        until("it to be found silent", async || (lane(&sidecar)?["last_outcome"] == "timeout").then_some(()))
            .await;
        signal("-CONT");
        until("the lane to be empty", async || (lane(&sidecar)?["pending"]["records"] == 0).then_some(()))
            .await;
    }
    let shown = read(&out);
    let id = |line: &str| line.split(r#""id":""#).nth(1)?.split('"').next()?.parse::<u32>().ok();
    let mut ids: Vec<u32> = shown.lines().filter_map(id).collect();
    println!("{} records shown for 300 made", ids.len());
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids, (1..=300).collect::<Vec<_>>(), "{shown}");
    let _ = receiver.kill();
    let _ = receiver.wait();
}
