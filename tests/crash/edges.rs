//! Edges that a storm does not pass: the end of a first start, giving up, replays, dead letters. The
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
fn taken(receiver: &Receiver, wanted: impl Fn(&Received) -> bool) -> Vec<u64> {
    let mut seen = std::collections::HashSet::new();
    let all = receiver.received();
    let taken = all.iter().filter(|r| r.taken() && wanted(r));
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
async fn a_first_start_that_dies_at_its_end_tells_every_document() {
    for side in SIDES {
        let database = crate::storm::database(15, "edge_seed").await;
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
        let database = crate::storm::database(15, "edge_dead").await;
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
        let _ = sidecar.ask("POST", "/api/v1/dead-letters/redeliver", all);
        assert!(!sidecar.ended().await.success());
        sidecar.spawn_with(&[("SIDECAR_FAILPOINT", &format!("cut_dead.{side}:1"))]);
        if side == "before" {
            // It was not written down: it is asked for again.
            until("the socket", async || sidecar.ask("POST", "/api/v1/dead-letters/redeliver", all)).await;
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
        let database = crate::storm::database(15, "edge_replay").await;
        let receiver = Receiver::start().await;
        let mut sidecar = Sidecar::start(&database, &settings(&receiver, "")).await;
        insert(&database, 1, 60).await;
        until("all", async || (taken(&receiver, |_| true).len() == 60).then_some(())).await;
        let status = sidecar.status().unwrap();
        let window = status["spool"]["window"]["from_lsn"].as_str().unwrap().to_owned();
        let asked = |rate: u32| json!({"from_lsn": window, "rate": rate}).to_string();
        let replays = |sidecar: &Sidecar| -> Option<Vec<Value>> {
            let (_, body) = sidecar.get("/api/v1/replays")?;
            serde_json::from_str::<Value>(&body).ok()?["replays"].as_array().cloned()
        };
        sidecar.kill();
        sidecar.spawn_with(&[("SIDECAR_FAILPOINT", &format!("replay.{side}:1"))]);
        sidecar.ready().await;
        assert_eq!(sidecar.ask("POST", "/api/v1/replays", &asked(1_000)), None);
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
        let (_, answer) = sidecar.ask("POST", "/api/v1/replays", &asked(1)).unwrap();
        let no = serde_json::from_str::<Value>(&answer).unwrap()["no"].as_u64().unwrap();
        let _ = sidecar.ask("DELETE", &format!("/api/v1/replays/{no}"), "");
        assert!(!sidecar.ended().await.success());
        sidecar.spawn();
        sidecar.ready().await;
        let all = replays(&sidecar).unwrap();
        let state = all.iter().find(|replay| replay["no"] == no).unwrap()["state"].clone();
        assert_eq!(state, if side == "after" { "cancelled" } else { "running" });
    }
}
