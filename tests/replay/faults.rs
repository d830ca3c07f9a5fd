//! Replays under faults: a dying process, failing and paused receivers, a full spool, no database.

use std::time::Duration;

use serde_json::json;

use crate::replay::fixture::{Fixture, settings, stdout};
use crate::support::check::check;
use crate::support::receiver::Answer;
use crate::support::until;

const SLOW: Answer = Answer::Slow(204, Duration::from_millis(20));

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_replay_goes_on_and_repeats_one_batch_a_lane_at_most() {
    let mut fixture = Fixture::new(15, "replay_killed", 100, "", "[batch]\nrecords_max = 3").await;
    let lanes = fixture.sidecar.status().unwrap()["lanes"].as_array().unwrap().len();
    fixture.receiver.answers(|_| SLOW);
    let (no, id) = fixture.replay(&json!({"from_lsn": fixture.window()}));
    let mut kills = 0;
    for quarter in 1..=3 {
        let enough = fixture.expected().len() * quarter / 4;
        until("part of the replay", async || {
            let taken: usize = fixture.replayed(&id).iter().map(|r| r.records().len()).sum();
            (taken >= enough).then_some(())
        })
        .await;
        fixture.sidecar.kill();
        fixture.sidecar.spawn();
        fixture.sidecar.ready().await;
        kills += 1;
    }
    fixture.ends(no, "done").await;
    let report = check(fixture.expected(), &fixture.replayed(&id));
    println!("{} records over {kills} kills: {report:?}", fixture.expected().len());
    assert!(report.is_clean() && report.records == fixture.expected().len(), "{report:?}");
    assert!(report.duplicates <= kills * lanes, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn live_records_go_out_once_beside_replays_and_replays_follow_one_another() {
    let mut fixture = Fixture::new(15, "replay_live", 60, "", "[batch]\nrecords_max = 3").await;
    fixture.receiver.answers(|_| SLOW);
    let covered = fixture.expected().to_vec();
    let window = fixture.window();
    let requests = [json!({"from_lsn": window}), json!({"from_lsn": window, "rate": 2_000})];
    let replays: Vec<_> = requests.iter().map(|request| fixture.replay(request)).collect();
    fixture.write(30).await;
    for (no, id) in &replays {
        fixture.ends(*no, "done").await;
        let report = check(&covered, &fixture.replayed(id));
        assert!(report.is_clean() && report.duplicates == 0 && report.records == covered.len(), "{report:?}");
    }
    let report = check(fixture.expected(), &fixture.live());
    assert!(report.is_clean() && report.duplicates == 0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_replay_leaves_room_for_live_records() {
    let mut fixture = Fixture::new(15, "replay_rate", 40, "", "[batch]\nrecords_max = 1").await;
    let (no, id) = fixture.replay(&json!({"from_lsn": fixture.window(), "rate": 1}));
    fixture.write(10).await;
    let replay = fixture.listed(no).unwrap();
    assert_eq!(replay["state"], "running", "live records did not wait for it: {replay}");
    let left = replay["records"].as_u64().unwrap() - replay["sent"].as_u64().unwrap();
    let status = fixture.sidecar.status().unwrap();
    assert!(left > 0 && status["replays"][0]["no"] == no, "{status}");
    let message = stdout(&fixture.run("status", &[]).await);
    assert!(message.contains(&format!("replay window: from {}", fixture.window())), "{message}");
    assert!(message.contains("records sent, from-lsn"), "{message}");
    let (_, metrics) = fixture.sidecar.get("/metrics").unwrap();
    let metric =
        |name: &str| metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    assert_eq!(metric("sidecar_replays_running"), Some(1), "{metrics}");
    assert!(
        metric("sidecar_replay_pending_records") > Some(0)
            && metric("sidecar_records_replayed_total") > Some(0)
    );
    assert!(metric("sidecar_replay_window_start_timestamp_seconds") > Some(1_700_000_000), "{metrics}");
    let (status, cancelled) =
        fixture.sidecar.request("DELETE", &format!("/api/v1/replays/{no}"), "").unwrap();
    assert_eq!(status, 200, "{cancelled}");
    fixture.ends(no, "cancelled").await;
    let (_, metrics) = fixture.sidecar.get("/metrics").unwrap();
    assert!(metrics.contains("sidecar_replays_total{outcome=\"cancelled\"} 1"), "{metrics}");
    let list = stdout(&fixture.run("replay", &["list"]).await);
    assert!(list.contains("cancelled") && list.contains("replay window: from"), "{list}");
    let sent = fixture.replayed(&id).len();
    fixture.write(10).await;
    assert!(fixture.replayed(&id).len() <= sent + 1, "nothing of a cancelled replay is begun any more");
    assert!(check(fixture.expected(), &fixture.live()).is_clean());
    let again = fixture.sidecar.request("DELETE", &format!("/api/v1/replays/{no}"), "").unwrap();
    assert_eq!(again.0, 409, "{}", again.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_waits_for_a_failing_lane_without_hurting_another_project() {
    let fixture = Fixture::new(15, "replay_fails", 80, "", "[batch]\nrecords_max = 3").await;
    let failing = fixture.live()[0].project().to_owned();
    let of = failing.clone();
    fixture.receiver.answers(move |r| Answer::Status(if r.project() == of { 500 } else { 204 }));
    let (no, id) = fixture.replay(&json!({"from_lsn": fixture.window()}));
    let waiting = until("all but the failing project's", async || {
        let replay = fixture.listed(no)?;
        let waiting = replay["waiting"].as_array()?.clone();
        let only = waiting.iter().all(|lane| lane["project"] == failing.as_str());
        let fails = waiting.iter().any(|lane| lane["state"] == "failing");
        (only && fails).then_some(waiting)
    })
    .await;
    println!("{waiting:?}");
    fixture.receiver.answers(|_| Answer::Status(204));
    fixture.ends(no, "done").await;
    let report = check(fixture.expected(), &fixture.replayed(&id));
    assert!(report.is_clean() && report.records == fixture.expected().len(), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_too_large_for_a_receiver_is_passed_over_and_counted() {
    let fixture = Fixture::new(15, "replay_large", 40, "", "[batch]\nrecords_max = 5").await;
    let victim = fixture.live()[0].records()[0].clone();
    let large = victim.clone();
    fixture.receiver.answers(move |r| {
        let holds = r.records().contains(&large);
        Answer::Status(if holds && !r.header("sidecar-replay").is_empty() { 413 } else { 204 })
    });
    let (no, id) = fixture.replay(&json!({"from_lsn": fixture.window()}));
    let ended = fixture.ends(no, "done").await;
    let alike = fixture.expected().iter().filter(|record| record.json == victim).count() as u64;
    assert_eq!(ended["refused"], alike);
    assert_eq!(ended["sent"], fixture.expected().len() as u64 - alike);
    let report = check(fixture.expected(), &fixture.replayed(&id));
    assert_eq!((report.lost as u64, report.unexpected, report.lane_inversions), (alike, 0, 0), "{report:?}");
    assert_eq!(fixture.sidecar.status().unwrap()["spool"]["dead_letter_records"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_needs_no_database() {
    let fixture = Fixture::new(15, "replay_alone", 30, "", "").await;
    fixture
        .database
        .run("ALTER TABLE documents DROP COLUMN labels; INSERT INTO documents (id) VALUES (7)")
        .await;
    until("the stream to stop", async || {
        fixture.sidecar.get("/-/ready").filter(|(status, _)| *status == 503).map(drop)
    })
    .await;
    let (_, report) = fixture.replay_all().await;
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn near_its_limit_the_spool_cancels_the_newest_replay_before_it_gives_anything_up() {
    let mut fixture = Fixture::new(15, "replay_full", 0, "", "").await;
    let spool = "bytes_max = \"1MiB\"\nlane_bytes_max = \"1MiB\"";
    fixture.sidecar.stop().await;
    fixture
        .sidecar
        .configure(&fixture.database, &settings(&fixture.receiver, spool, "[batch]\nrecords_max = 50"));
    fixture.sidecar.spawn();
    fixture.sidecar.ready().await;
    let insert = |from: u32, to: u32| {
        format!(
            "INSERT INTO documents (id, key, project_id) SELECT g, repeat('k', 200), 'p' FROM generate_series({from}, {to}) g"
        )
    };
    fixture.database.run(&insert(1, 2_800)).await;
    until("the first records", async || (fixture.receiver.records_taken() >= 2_800).then_some(())).await;
    fixture.settled().await;
    let window = fixture.window();
    // Live records pile up from now on, in a lane that does not fail.
    fixture.receiver.answers(|r| match r.header("sidecar-replay") {
        "" => Answer::Slow(204, Duration::from_millis(500)),
        _ => Answer::Status(204),
    });
    let replays: Vec<u64> =
        (0..2).map(|_| fixture.replay(&json!({"from_lsn": window, "rate": 1})).0).collect();
    let mut last = 2_800;
    let newest = until("the newest replay to be cancelled", async || {
        let newest = fixture.listed(replays[1])?;
        if newest["state"] == "running" {
            fixture.database.run(&insert(last + 1, last + 100)).await;
            last += 100;
            return None;
        }
        Some(newest)
    })
    .await;
    println!("after {last} documents: {newest}");
    assert_eq!(newest["state"], "cancelled");
    let older = fixture.listed(replays[0]).unwrap();
    assert!(older["ended_at"].is_null() || older["ended_at"].as_str() >= newest["ended_at"].as_str());
    fixture.receiver.answers(|_| Answer::Status(204));
    until("every live record", async || {
        let taken: usize = fixture.live().iter().map(|r| r.records().len()).sum();
        (taken >= last as usize).then_some(())
    })
    .await;
    let status = fixture.sidecar.status().unwrap();
    assert_eq!(status["spool"]["dead_letter_records"], 0, "nothing was given up");
    assert!(fixture.sidecar.log().contains("the newest replay is cancelled"));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_spool_is_near_its_limit_no_replay_is_entered() {
    let spool = "bytes_max = \"1MiB\"\nlane_bytes_max = \"1MiB\"";
    let fixture = Fixture::new(15, "replay_near", 0, spool, "[batch]\nrecords_max = 50").await;
    let insert = |from: u32, to: u32| {
        format!(
            "INSERT INTO documents (id, key, project_id) SELECT g, repeat('k', 200), 'p' FROM generate_series({from}, {to}) g"
        )
    };
    fixture.database.run(&insert(1, 50)).await;
    until("the first records", async || (fixture.receiver.records_taken() >= 50).then_some(())).await;
    fixture.settled().await;
    // A receiver that takes its time is no failing one: what is pending stays.
    fixture.receiver.answers(|_| Answer::Slow(204, Duration::from_secs(2)));
    let mut last = 50;
    until("the spool to be near its limit", async || {
        if fixture.sidecar.status()?["spool"]["room"] != "open" {
            return Some(());
        }
        fixture.database.run(&insert(last + 1, last + 100)).await;
        last += 100;
        None
    })
    .await;
    // What was delivered goes meanwhile, and the window with it.
    let (status, message) = until("a refusal", async || {
        fixture
            .request(&json!({"from_lsn": fixture.window()}))
            .err()
            .filter(|(_, message)| !message.contains("no longer"))
    })
    .await;
    assert_eq!(status, 409, "{message}");
    assert!(message.contains("near `spool.bytes_max`"), "{message}");
}
