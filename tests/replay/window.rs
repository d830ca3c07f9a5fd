//! Which ranges can be replayed, and which are refused, with the valid form or range.

use std::time::Duration;

use serde_json::{Value, json};

use crate::replay::fixture::{Fixture, stderr};
use crate::support::until;

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_with_the_valid_form_or_range() {
    let fixture = Fixture::new(15, "replay_wrong", 10, "", "").await;
    let window = fixture.window();
    let cases: [(Value, u16, &[&str]); 12] = [
        (json!({}), 400, &["`from_lsn`", "`since`"]),
        (json!({"from_lsn": window, "since": "2020-01-01T00:00:00Z"}), 400, &["`since`", "not both"]),
        (json!({"from_lsn": "16B3748"}), 400, &["`16B3748` is not an LSN", "0/16B3748"]),
        (
            json!({"from_lsn": "FFFFFFFF/0"}),
            400,
            &["`from_lsn`", "lies ahead of the stream, which is read up to"],
        ),
        (json!({"from_lsn": window, "to_lsn": "FFFFFFFF/0"}), 400, &["`to_lsn`", "lies ahead"]),
        (json!({"from_lsn": window, "to_lsn": "0/1"}), 400, &["`to_lsn`: 0/1 lies before the start"]),
        (json!({"from_lsn": window, "to_lsn": "x"}), 400, &["`to_lsn`", "not an LSN"]),
        (json!({"since": "yesterday"}), 400, &["RFC 3339"]),
        (json!({"since": "2999-01-01T00:00:00Z"}), 400, &["lies in the future"]),
        (json!({"from_lsn": window, "project": "nobody"}), 400, &["`nobody`", "there are `w1-"]),
        (json!({"from_lsn": window, "callback": "deleted"}), 400, &["`deleted` is not a callback"]),
        (json!({"from_lsn": window, "rate": 0}), 400, &["at least 1"]),
    ];
    for (request, status, sentences) in cases {
        let (got, message) = fixture.request(&request).expect_err("a refusal");
        assert_eq!(got, status, "{request}: {message}");
        sentences
            .iter()
            .for_each(|part| assert!(message.contains(part), "{request}: `{part}` is not in: {message}"));
    }
    assert_eq!(fixture.receiver.received().len(), fixture.live().len(), "nothing of it is sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_refuses_wrong_use_with_64_and_what_is_gone_with_1() {
    let fixture = Fixture::new(15, "replay_use", 5, "", "").await;
    for (arguments, status, part) in [
        (vec![], 64, "--from-lsn"),
        (vec!["--from-lsn", "12"], 64, "`12` is not an LSN"),
        (vec!["--since", "2 fortnights"], 64, "2026-01-31T09:00:00Z"),
        (vec!["--since", "1h", "--rate", "0"], 64, "--rate"),
        (vec!["--since", "1h", "--callback", "x"], 64, "`x` is not a callback"),
        (vec!["--from-lsn", "0/1"], 1, "the spool no longer holds that: what can be replayed begins with"),
        (vec!["cancel", "7"], 1, "there is no replay 7"),
    ] {
        let output = fixture.run("replay", &arguments).await;
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(part), "{arguments:?}: {}", stderr(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_window_begins_with_the_first_start_and_moves_with_what_retention_removes() {
    let mut fixture = Fixture::new(15, "replay_window", 20, "retain = \"2s\"", "").await;
    let first = fixture.window();
    let (_, report) = fixture.replay_all().await;
    assert!(report.is_clean(), "{report:?}");
    // What was spooled is removed when it is old enough; the window shows it.
    let moved = until("retention", async || Some(fixture.window()).filter(|window| *window != first)).await;
    let (status, message) = fixture.request(&json!({ "from_lsn": first })).expect_err("it is gone");
    assert_eq!(status, 409);
    let named = message.split("begins with ").nth(1).unwrap().split(',').next().unwrap().to_owned();
    assert!(message.contains("committed after 2"), "{message}");
    println!("window {first} → {moved}: {message}");
    fixture
        .request(&json!({ "from_lsn": named, "dry_run": true }))
        .expect("the place that was named is there");
    let metrics = fixture.sidecar.get("/metrics").unwrap().1;
    let start =
        metrics.lines().find(|l| l.starts_with("sidecar_replay_window_start_timestamp_seconds ")).unwrap();
    assert!(!start.ends_with(" 0"), "{start}");
    // It goes on with what comes.
    fixture.writer.model.records.clear();
    fixture.write_anew(10).await;
}

impl Fixture {
    /// More transactions; what came before is not looked at.
    async fn write_anew(&mut self, transactions: usize) {
        let before = self.live().len();
        for _ in 0..transactions {
            self.writer.transaction(&self.database.client, 4).await;
        }
        let required = self.expected().len();
        until("new records", async || {
            let taken: usize =
                self.live()[before..].iter().filter(|r| r.taken()).map(|r| r.records().len()).sum();
            (taken >= required).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_before_the_window_begins_with_it_and_says_so() {
    let fixture = Fixture::new(15, "replay_since", 5, "", "").await;
    let after = fixture.sidecar.status().unwrap()["spool"]["window"]["after"].as_str().unwrap().to_owned();
    let all = fixture.request(&json!({ "from_lsn": fixture.window(), "dry_run": true })).unwrap();
    assert!(all["records"].as_u64().unwrap() > 0 && all["begins_late"].is_null(), "{all}");
    for since in ["30d", "2001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", &after] {
        for arguments in [&["--since", since, "--dry-run"][..], &["--since", since]] {
            let output = fixture.run("replay", arguments).await;
            assert_eq!(output.status.code(), Some(0), "{since}: {}", stderr(&output));
            let message = crate::replay::fixture::stdout(&output);
            assert!(
                message.contains(&format!("committed up to {after} are no longer in the spool")),
                "{message}"
            );
            assert!(message.contains(&format!("total: {} records", all["records"])), "{message}");
        }
    }
    let output = fixture.run("replay", &["--since", "0ms", "--dry-run"]).await;
    assert!(!crate::replay::fixture::stdout(&output).contains("no longer"), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn age_waits_for_a_running_replay() {
    let fixture = Fixture::new(15, "replay_keeps", 40, "retain = \"2s\"", "[batch]\nrecords_max = 1").await;
    let records = fixture.expected().len();
    let rate = u32::try_from(records / 14).unwrap().max(1);
    let (no, id) = fixture.replay(&json!({"from_lsn": fixture.window(), "rate": rate}));
    // Retention runs every ten seconds: the replay takes longer than that.
    let began = std::time::Instant::now();
    fixture.ends(no, "done").await;
    assert!(began.elapsed() > Duration::from_secs(12), "{:?}", began.elapsed());
    let report = crate::support::check::check(fixture.expected(), &fixture.replayed(&id));
    assert!(report.is_clean() && report.records == records, "{report:?}");
    println!("{records} records at {rate} a second in {:?}", began.elapsed());
}
