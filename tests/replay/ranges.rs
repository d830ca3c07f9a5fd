//! What a replay covers: exactly the settled records of its range, once, in order, as batches of its own.

use std::collections::HashSet;

use serde_json::json;
use sidecar::time::Timestamp;

use crate::replay::fixture::{Fixture, place, settings, stderr, stdout};
use crate::support::VERSIONS;
use crate::support::receiver::Received;

fn ids(received: &[Received]) -> HashSet<String> {
    received.iter().map(|request| request.header("webhook-id").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_sent_again_once_and_in_order_as_other_batches() {
    for version in VERSIONS {
        let fixture = Fixture::new(version, "replay_all", 120, "", "[batch]\nrecords_max = 7").await;
        let (ended, report) = fixture.replay_all().await;
        assert!(report.is_clean() && report.duplicates == 0, "{report:?}");
        assert_eq!(
            (report.records, ended["sent"].as_u64()),
            (fixture.expected().len(), Some(report.records as u64))
        );
        let (live, replayed) = (fixture.live(), fixture.replayed(ended["id"].as_str().unwrap()));
        assert!(ids(&live).is_disjoint(&ids(&replayed)), "a replay's batches have ids of their own");
        let epochs: HashSet<&str> = live.iter().chain(&replayed).map(|r| r.header("sidecar-epoch")).collect();
        assert_eq!(epochs.len(), 1, "they are the records of the same epoch");
        println!("{version}: {} records once more in {} batches", report.records, replayed.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_is_exactly_its_records() {
    let fixture = Fixture::new(15, "replay_range", 60, "", "[batch]\nrecords_max = 1").await;
    let mut places: Vec<_> = fixture.live().iter().map(place).collect();
    places.sort_unstable();
    let (from, to) = (places[places.len() / 3], places[places.len() / 3 * 2]);
    let of_range = |required: &dyn Fn(&Received) -> bool| {
        let mut all: Vec<_> =
            fixture.live().iter().filter(|r| required(r)).map(|r| (place(r), r.body.clone())).collect();
        all.sort_unstable();
        all
    };
    let commit = from.commit;
    let project = fixture.live()[0].project().to_owned();
    let cases: Vec<(serde_json::Value, Box<dyn Fn(&Received) -> bool>)> = vec![
        (
            json!({"from_lsn": from.to_string(), "to_lsn": to.to_string()}),
            Box::new(move |r| (from..=to).contains(&place(r))),
        ),
        (
            json!({"from_lsn": from.commit.to_string(), "to_lsn": to.commit.to_string()}),
            Box::new(move |r| (commit..=to.commit).contains(&place(r).commit)),
        ),
        (json!({"from_lsn": from.commit.to_string()}), Box::new(move |r| place(r).commit >= commit)),
        (
            json!({"from_lsn": from.commit.to_string(), "callback": "modified"}),
            Box::new(move |r| place(r).commit >= commit && r.callback() == "modified"),
        ),
        (
            json!({"from_lsn": from.commit.to_string(), "project": project.clone()}),
            Box::new(move |r| place(r).commit >= commit && r.project() == project),
        ),
    ];
    for (request, required) in cases {
        let required = of_range(&*required);
        let dry = fixture
            .request(
                &json!({"dry_run": true})
                    .as_object()
                    .map(|dry| {
                        let mut all = request.clone();
                        all.as_object_mut().unwrap().extend(dry.clone());
                        all
                    })
                    .unwrap(),
            )
            .unwrap();
        assert_eq!(dry["records"], required.len(), "{request}: {dry}");
        assert!(dry["no"].is_null(), "a dry run is no replay");
        let (no, id) = fixture.replay(&request);
        fixture.ends(no, "done").await;
        let mut got: Vec<_> = fixture.replayed(&id).iter().map(|r| (place(r), r.body.clone())).collect();
        got.sort_unstable();
        assert_eq!(got, required, "{request}");
        assert!(!got.is_empty(), "{request}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn since_a_time_is_from_the_first_transaction_committed_then() {
    let mut fixture = Fixture::new(18, "replay_since", 30, "", "[batch]\nrecords_max = 1").await;
    let before: HashSet<_> = fixture.live().iter().map(place).collect();
    let now = "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
    let since = fixture.database.text(now).await.unwrap();
    assert!(Timestamp::from_rfc3339(&since).is_some());
    fixture.write(30).await;
    let (no, id) = fixture.replay(&json!({ "since": since }));
    fixture.ends(no, "done").await;
    let mut required: Vec<_> =
        fixture.live().iter().map(place).filter(|place| !before.contains(place)).collect();
    let mut got: Vec<_> = fixture.replayed(&id).iter().map(place).collect();
    required.sort_unstable();
    got.sort_unstable();
    assert_eq!(got, required);
    assert!(!got.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_with_an_end_says_how_many_documents_are_newer_and_sends_nothing() {
    let fixture = Fixture::new(15, "replay_dry", 0, "", "[batch]\nrecords_max = 1").await;
    let insert = |id: u32| format!("INSERT INTO documents (id, project_id) VALUES ({id}, 'p')");
    for id in 1..=4 {
        fixture.database.run(&insert(id)).await;
    }
    fixture.settled().await;
    let end = crate::support::until("four records", async || {
        let mut places: Vec<_> = fixture.live().iter().map(place).collect();
        places.sort_unstable();
        (places.len() == 4).then(|| places[3])
    })
    .await;
    fixture
        .database
        .run("UPDATE documents SET labels = '{a}' WHERE id = 2; DELETE FROM documents WHERE id = 3")
        .await;
    fixture.database.run(&insert(9)).await;
    crate::support::until("seven records", async || (fixture.live().len() == 7).then_some(())).await;
    let window = fixture.window();
    let output =
        fixture.run("replay", &["--from-lsn", &window, "--to-lsn", &end.to_string(), "--dry-run"]).await;
    let printed = stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(printed.contains("total: 4 records"), "{printed}");
    assert!(printed.contains("2 of these documents have newer records"), "{printed}");
    fixture.settled().await;
    assert_eq!(fixture.receiver.received().len(), 7, "a dry run sends nothing");
    assert_eq!(fixture.sidecar.status().unwrap()["replays"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn lanes_without_a_webhook_take_no_part_and_are_named() {
    let fixture = Fixture::new(15, "replay_unset", 0, "", "[batch]\nrecords_max = 1").await;
    for project in ["a", "b"] {
        let id = if project == "a" { 1 } else { 2 };
        fixture
            .database
            .run(&format!("INSERT INTO documents (id, project_id) VALUES ({id}, '{project}')"))
            .await;
    }
    crate::support::until("two records", async || (fixture.live().len() == 2).then_some(())).await;
    fixture.settled().await;
    let only_a = settings(&fixture.receiver, "", "").replace("project = \"*\"", "project = \"a\"");
    fixture.sidecar.configure(&fixture.database, &only_a);
    fixture.sidecar.signal("HUP");
    crate::support::until("b to have no webhook", async || {
        let status = fixture.sidecar.status()?;
        let of_b = status["lanes"].as_array()?.iter().find(|lane| lane["project"] == "b").cloned()?;
        (of_b["state"] == "without webhook").then_some(())
    })
    .await;
    let window = fixture.window();
    let output = fixture.run("replay", &["--from-lsn", &window]).await;
    let printed = stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    let of_b = printed.lines().find(|line| line.starts_with("b ")).expect("b is named");
    assert!(of_b.contains("left out, as no webhook is configured"), "{printed}");
    assert!(printed.contains("total: 1 record,"), "{printed}");
    let replayed: Vec<_> =
        fixture.receiver.received().into_iter().filter(|r| !r.header("sidecar-replay").is_empty()).collect();
    assert_eq!(replayed.iter().map(Received::project).collect::<Vec<_>>(), ["a"]);
}
