//! What a comparison must get right where it is hardest: ids that changed hands, columns that are gone,
//! a refusal on the way, an end in the midst of it.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::resync::fixture::{Delivered, Fixture, settings};
use crate::support::database::Database;
use crate::support::process::Sidecar;
use crate::support::receiver::{Answer, Receiver};
use crate::support::until;

async fn drop_slot(fixture: &Fixture) {
    fixture.database.run(&format!("SELECT pg_drop_replication_slot('{}')", fixture.slot())).await;
}

fn output(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_exchange_their_ids_are_excluded_first_and_ingested_then() {
    let mut fixture = Fixture::new(15, "swapped", 10).await;
    assert!(fixture.sidecar.stop().await.success());
    drop_slot(&fixture).await;
    // 3 is of project p1, 4 of p0: afterwards each id is shown by the other project's row.
    fixture
        .database
        .run(
            "UPDATE documents SET id = 103 WHERE id = 3; UPDATE documents SET id = 3, key = 'k3' WHERE id = 4;
             UPDATE documents SET id = 4, key = 'k4' WHERE id = 103",
        )
        .await;
    fixture.sidecar.spawn();
    fixture.sidecar.ready().await;
    let delivered = fixture.delivered_before(9_000).await;
    let document = |id: u32| json!({"id": id.to_string(), "key": format!("k{id}")});
    let of = |project: &str, callback: &str, id: u32| -> Delivered {
        (project.into(), callback.into(), document(id))
    };
    let mut required = vec![
        of("p1", "excluded", 3),
        of("p0", "excluded", 4),
        of("p0", "ingested", 3),
        of("p1", "ingested", 4),
    ];
    required
        .sort_by_key(|(project, callback, record)| (project.clone(), callback.clone(), record.to_string()));
    assert_eq!(delivered, required);
    // And what is remembered is what is there: both are live.
    fixture.database.run("DELETE FROM documents WHERE id IN (3, 4)").await;
    until("both to be excluded again", async || {
        let excluded = fixture.delivered().iter().filter(|(_, callback, _)| callback == "excluded").count();
        (excluded == 4).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_identity_of_the_same_document_is_no_difference_and_a_dry_run_says_so() {
    let database = Database::new(15, "identity").await;
    database
        .run(
            "CREATE TABLE documents (id bigint, version int, key text, project_id text, title text, body text,
                 labels text[], predicted_labels text[], similarity jsonb, deleted_at timestamptz,
                 created_at timestamptz, updated_at timestamptz, PRIMARY KEY (id, version));
             INSERT INTO documents (id, version, project_id, title) SELECT g, 1, 'p', 't' FROM generate_series(1, 20) g",
        )
        .await;
    let receiver = Receiver::start().await;
    let ignored = format!(
        "[documents]\nignore = [\"version\", \"created_at\", \"updated_at\"]\n{}",
        settings(&receiver)
    );
    let mut fixture = Fixture { sidecar: Sidecar::start(&database, &ignored).await, database, receiver };
    let publication = format!("p_{}", fixture.database.name);
    fixture
        .database
        .run(&format!(
            "BEGIN; ALTER PUBLICATION {publication} DROP TABLE documents;
             UPDATE documents SET version = 2 WHERE id <= 5; UPDATE documents SET title = 'u' WHERE id = 5;
             ALTER PUBLICATION {publication} ADD TABLE documents; COMMIT"
        ))
        .await;
    let dry = fixture.resync(&["--dry-run"]).await;
    assert!(output(&dry).contains("would send 1 ingested, 0 modified, 0 excluded"), "{}", output(&dry));
    let again = fixture.resync(&["--dry-run"]).await;
    assert!(
        output(&again).contains("would send 1 ingested, 0 modified, 0 excluded"),
        "a dry run remembers nothing"
    );
    let done = fixture.resync(&[]).await;
    assert!(output(&done).contains("sends 1 ingested, 0 modified, 0 excluded"), "{}", output(&done));
    until("the one difference", async || (fixture.delivered().len() == 1).then_some(())).await;
    assert!(fixture.sidecar.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn past_a_column_that_is_gone_a_resync_goes_and_as_ingested_does_not() {
    let fixture = Fixture::new(15, "past", 50).await;
    // The changes of this transaction can never be read again: their column has gone with it.
    fixture
        .database
        .run(
            "BEGIN; ALTER TABLE documents DROP COLUMN labels; UPDATE documents SET title = 'u' WHERE id = 7;
             ALTER TABLE documents ADD COLUMN labels text[]; COMMIT",
        )
        .await;
    fixture
        .database
        .run("ALTER TABLE documents DROP COLUMN labels; UPDATE documents SET title = 'v' WHERE id = 8")
        .await;
    until("the stream to stop", async || {
        fixture.sidecar.get("/-/ready").filter(|(status, _)| *status == 503).map(drop)
    })
    .await;
    fixture
        .sidecar
        .configure(&fixture.database, &format!("[documents]\nlabels = \"\"\n{}", fixture.settings()));
    let mut fixture = fixture;
    assert!(fixture.sidecar.stop().await.success());
    fixture.sidecar.spawn();
    fixture.unready("sidecar resync").await;
    let refused = fixture.resync(&["--as-ingested", "--project", "p1"]).await;
    assert_eq!(refused.status.code(), Some(1), "{}", output(&refused));
    assert!(output(&refused).contains("`sidecar resync` first"), "{}", output(&refused));
    assert!(fixture.delivered().is_empty(), "no difference was passed over, and nothing was sent");
    let done = fixture.resync(&[]).await;
    assert!(done.status.success(), "{}", output(&done));
    fixture.sidecar.ready().await;
    let delivered = fixture.delivered_before(9_000).await;
    let ids: Vec<_> = delivered
        .iter()
        .filter(|(_, callback, _)| callback == "ingested")
        .map(|(.., r)| r["id"].clone())
        .collect();
    assert!(ids.contains(&json!("7")) && ids.contains(&json!("8")), "{delivered:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn as_ingested_is_refused_while_a_gap_is_repaired() {
    let mut fixture = Fixture::new(15, "gapasked", 3_000).await;
    assert!(fixture.sidecar.stop().await.success());
    drop_slot(&fixture).await;
    fixture.database.run("DELETE FROM documents WHERE id > 500").await;
    fixture.sidecar.spawn();
    fixture.unready("sidecar resync --force").await;
    let refused = fixture.resync(&["--as-ingested", "--project", "p1"]).await;
    assert_eq!(refused.status.code(), Some(1), "{}", output(&refused));
    assert!(output(&refused).contains("`sidecar resync` first"), "{}", output(&refused));
    // Counting sends and decides nothing.
    let dry = fixture.resync(&["--dry-run"]).await;
    assert!(output(&dry).contains("2500 excluded"), "{}", output(&dry));
    fixture.unready("sidecar resync --force").await;
    assert!(fixture.delivered().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_restored_spool_waits_nothing_old_is_sent() {
    let mut fixture = Fixture::new(15, "oldspool", 3_000).await;
    let copy = fixture.sidecar.folder.path().join("copy");
    // The copy has pending records of an earlier day.
    fixture.receiver.answers(|_| Answer::Status(500));
    fixture.database.run("UPDATE documents SET labels = '{old2}' WHERE id <= 20").await;
    until("pending records", async || {
        let status = fixture.sidecar.status()?;
        let pending: u64 =
            status["lanes"].as_array()?.iter().filter_map(|lane| lane["pending"]["records"].as_u64()).sum();
        (pending == 20).then_some(())
    })
    .await;
    assert!(fixture.sidecar.stop().await.success());
    let cp = |from: &std::path::Path, to: &std::path::Path| {
        let done = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
        assert!(done.success());
    };
    cp(&fixture.sidecar.spool(), &copy);
    fixture.receiver.answers(|_| Answer::Status(204));
    fixture.sidecar.spawn();
    fixture.sidecar.ready().await;
    fixture.database.run("DELETE FROM documents WHERE id > 500").await;
    until("all", async || (fixture.delivered().len() >= 2_520).then_some(())).await;
    fixture.delivered_before(9_000).await;
    assert!(fixture.sidecar.stop().await.success());
    std::fs::remove_dir_all(fixture.sidecar.spool()).unwrap();
    cp(&copy, &fixture.sidecar.spool());
    fixture.receiver.forget();
    fixture.sidecar.spawn();
    fixture.unready("the spool was restored").await;
    // A comparison that only counts gives delivery the time to send what it should not.
    let counted = fixture.resync(&["--dry-run"]).await;
    assert!(output(&counted).contains("would send"), "{}", output(&counted));
    fixture.unready("the spool was restored").await;
    assert_eq!(fixture.delivered(), [], "nothing is sent while it waits");
    // Too many are gone for a comparison that was not forced: it waits, and so does everything else.
    let waits = fixture.resync(&[]).await;
    assert!(output(&waits).contains("sidecar resync --force"), "{}", output(&waits));
    fixture.unready("sidecar resync --force").await;
    assert_eq!(fixture.delivered(), [], "nothing is sent before the comparison was made");
    fixture.database.run("UPDATE documents SET labels = '{x}' WHERE id = 1").await;
    let counted = fixture.resync(&["--dry-run"]).await;
    assert!(output(&counted).contains("would send"), "{}", output(&counted));
    fixture.unready("sidecar resync --force").await;
    assert_eq!(fixture.delivered(), [], "nothing is sent while it waits");
    let done = fixture.resync(&["--force"]).await;
    assert!(done.status.success(), "{}", output(&done));
    fixture.sidecar.ready().await;
    assert!(fixture.delivered_before(9_001).await.len() >= 2_500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_during_a_comparison_ends_it_and_the_next_start_repeats_it() {
    let mut fixture = Fixture::new(15, "sigterm", 60_000).await;
    let mut asking = fixture.sidecar.command("resync").spawn().unwrap();
    until("the comparison to be under way", async || {
        let status = fixture.sidecar.status()?;
        (status["source"]["state"] == "resyncing" && status["source"]["seeding"]["done"].as_u64()? > 2_000)
            .then_some(())
    })
    .await;
    let began = Instant::now();
    assert!(fixture.sidecar.stop().await.success());
    println!("ended in {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let _ = asking.wait();
    // It was not made to its end, or the next start would have none to make.
    fixture.sidecar.spawn();
    fixture.sidecar.compared(60_000).await;
    fixture.sidecar.ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_that_must_be_refused_says_so_and_is_made_when_that_is_cured() {
    let fixture = Fixture::new(15, "notnow", 20).await;
    let publication = format!("p_{}", fixture.database.name);
    // A publication that leaves deletes out cannot be read from.
    fixture.database.run(&format!("ALTER PUBLICATION {publication} SET (publish = 'insert')")).await;
    let requested = fixture.resync(&[]).await;
    assert_eq!(requested.status.code(), Some(78), "{}", output(&requested));
    assert!(output(&requested).contains(&publication), "{}", output(&requested));
    fixture
        .database
        .run(&format!("UPDATE documents SET labels = '{{new}}' WHERE id = 4; ALTER PUBLICATION {publication} SET (publish = 'insert, update, delete, truncate')"))
        .await;
    until("the comparison", async || {
        let status = fixture.sidecar.status()?;
        (status["source"]["resync"]["state"] == "done").then_some(())
    })
    .await;
    fixture.sidecar.ready().await;
    assert_eq!(fixture.delivered_before(9_000).await.len(), 1);
}
