//! An LSN is written as Postgres writes it, wherever it may be pasted into SQL.

use std::time::Duration;

use crate::operations::fixture::{Fixture, release};
use crate::support::receiver::Answer;
use crate::support::{VERSIONS, until};

#[tokio::test(flavor = "multi_thread")]
async fn no_output_writes_an_lsn_that_sql_does_not_take() {
    for version in VERSIONS {
        let fixture = Fixture::new(version, "operations_lsn", "").await;
        fixture
            .receiver
            .answers(|request| Answer::Status(if request.project() == "big" { 413 } else { 204 }));
        fixture.database.run("INSERT INTO documents (id, project_id) VALUES (1, 'big'), (2, 'p')").await;
        until("a dead letter and a delivery", async || {
            let dead = fixture.sidecar.status()?["spool"]["dead_letter_records"] == 1;
            (dead && fixture.receiver.records_taken() > 0).then_some(())
        })
        .await;
        let window = fixture.sidecar.status().unwrap()["spool"]["window"].clone();
        let (first, last) = (window["from_lsn"].as_str().unwrap(), window["to_lsn"].as_str().unwrap());
        let sql = format!("SELECT ('{first}'::pg_lsn <= '{last}'::pg_lsn)::text");
        assert_eq!(fixture.database.text(&sql).await.as_deref(), Some("true"), "SQL takes them");
        let hyphens = first.replace('/', "-");
        let mut outputs = Vec::new();
        for arguments in [
            &["replay", "--from-lsn", &hyphens][..],
            &["replay", "--from-lsn", first, "--dry-run"],
            &["replay", "--from-lsn", "FFFFFFFF/0"],
            &["replay", "--from-lsn", first, "--to-lsn", "0/1"],
            &["replay", "--from-lsn", "0-1"],
            &["replay", "list"],
            &["replay", "list", "--json"],
            &["resync"],
            &["status"],
            &["status", "--json"],
            &["dead-letters", "list"],
            &["dead-letters", "list", "--json"],
            &["dead-letters", "show", "1"],
            &["dead-letters", "show", "1", "--json"],
            &["config"],
            &["doctor"],
            &["setup", "--print"],
            &["teardown", "--print"],
        ] {
            outputs.push((arguments.join(" "), fixture.output_text(arguments).await));
        }
        let mut sidecar = fixture.sidecar;
        assert!(sidecar.stop().await.success());
        // A slot that is gone, and the gap that it leaves.
        let slot = format!("SELECT pg_drop_replication_slot('s_{}')", fixture.database.name);
        until("the slot to be free", async || fixture.database.client.batch_execute(&slot).await.ok()).await;
        sidecar.spawn();
        sidecar.ready().await;
        until("the resync", async || {
            let last = sidecar.resync_status()?;
            (last["state"] == "done" && last["why"].as_str()?.contains("cannot be known")).then_some(())
        })
        .await;
        outputs.push(("status --json after a gap".to_owned(), sidecar.get("/api/v1/status").unwrap().1));
        tokio::time::timeout(Duration::from_secs(30), sidecar.stop()).await.unwrap();
        outputs.push(("the log".to_owned(), sidecar.log()));
        release(&fixture.database).await;
        let mut seen = 0;
        for (what, text) in &outputs {
            let wrong: Vec<&str> = hyphenated(text).collect();
            assert!(wrong.is_empty(), "{what}: {wrong:?} in\n{text}");
            seen += text.matches("0/").count();
        }
        assert!(seen >= 15, "{seen} LSNs: {outputs:?}");
    }
}

/// LSNs with a hyphen; positions (`0-16B3748/3`), dates and versions are none.
fn hyphenated(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '/' | '_');
    let is_half = |half: &str| {
        (1..=8).contains(&half.len()) && half.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'A'..=b'F'))
    };
    text.split(move |c: char| !is_part(c))
        .filter(move |word| {
            word.split_once('-').is_some_and(|(high, low)| is_half(high) && is_half(low) && low.len() > 3)
        })
        // The forms that are accepted, as an error shows them.
        .filter(|word| *word != "0-16B3748")
}
