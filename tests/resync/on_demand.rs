//! `sidecar resync` on demand, and its flags.

use crate::resync::fixture::{Delivered, Fixture};
use crate::support::database::Database;
use crate::support::server::Server;
use crate::support::{VERSIONS, until};

/// An attached partition, or a change that is not in the stream: made where the publication does not see it.
async fn unseen(fixture: &Fixture, sql: &str) {
    let session = fixture.database.session().await;
    let publication = format!("p_{}", fixture.database.name);
    let hidden = format!(
        "BEGIN; ALTER PUBLICATION {publication} DROP TABLE documents; {sql}; \
         ALTER PUBLICATION {publication} ADD TABLE documents; COMMIT"
    );
    session.batch_execute(&hidden).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn on_demand_exactly_what_the_stream_missed_is_sent_and_a_dry_run_only_counts() {
    for version in VERSIONS {
        let fixture = Fixture::new(version, "demand", 200).await;
        // What the stream has is applied before anything is compared, and not sent again.
        fixture.database.run("UPDATE documents SET labels = '{new}' WHERE id = 9").await;
        unseen(
            &fixture,
            "UPDATE documents SET labels = '{unseen}' WHERE id = 10; DELETE FROM documents WHERE id = 11; \
             UPDATE documents SET deleted_at = now() WHERE id = 12; UPDATE documents SET project_id = 'p9' WHERE id = 13",
        )
        .await;
        until("the first record", async || (fixture.receiver.records_taken() > 0).then_some(())).await;
        let delivered: Vec<Delivered> = fixture.delivered();
        let dry = fixture.resync(&["--dry-run"]).await;
        assert!(dry.status.success(), "{dry:?}");
        let counts = String::from_utf8_lossy(&dry.stdout).into_owned();
        let unseen_is_unseen = delivered.len() == 1;
        fixture.sidecar.ready().await;
        assert_eq!(fixture.delivered(), delivered, "a dry run sends nothing");
        let done = fixture.resync(&[]).await;
        assert!(done.status.success(), "{done:?}");
        assert!(unseen_is_unseen, "the stream tells nothing of a table that is not published: {delivered:?}");
        let differences = "1 ingested, 1 modified, 3 excluded";
        assert!(counts.contains(&format!("would send {differences}")), "{counts}");
        assert!(String::from_utf8_lossy(&done.stdout).contains(&format!("sends {differences}")), "{done:?}");
        fixture.sidecar.ready().await;
        assert_eq!(fixture.delivered_before(9_000).await.len(), 6);
        let again = fixture.resync(&[]).await;
        assert!(
            String::from_utf8_lossy(&again.stdout).contains("0 ingested, 0 modified, 0 excluded"),
            "{again:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_live_document_of_one_project_is_sent_on_request() {
    let fixture = Fixture::new(15, "asingested", 200).await;
    let done = fixture.resync(&["--as-ingested", "--project", "p1"]).await;
    assert!(done.status.success(), "{done:?}");
    fixture.sidecar.ready().await;
    let delivered = fixture.delivered_before(9_000).await;
    assert_eq!(delivered.len(), 100);
    assert!(delivered.iter().all(|(project, callback, _)| project == "p1" && callback == "ingested"));
    // And the shadow is right: a change is classified correctly.
    fixture.database.run("UPDATE documents SET labels = '{new}' WHERE id = 1").await;
    until("the change", async || {
        fixture.delivered().iter().any(|(_, callback, _)| callback == "modified").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_mapping_stops_reading_until_it_is_compared_or_learned() {
    for (learn, name) in [(false, "mapping"), (true, "learned")] {
        let mut fixture = Fixture::new(15, name, 100).await;
        assert!(fixture.sidecar.stop().await.success());
        fixture.database.run("ALTER TABLE documents ADD COLUMN tags text[]; UPDATE documents SET tags = '{t}' WHERE id = 5").await;
        fixture
            .sidecar
            .configure(&fixture.database, &format!("[documents]\nlabels = \"tags\"\n{}", fixture.settings()));
        fixture.sidecar.spawn();
        fixture.unready("sidecar resync --learn").await;
        let done = fixture.resync(if learn { &["--learn"] } else { &[] }).await;
        assert!(done.status.success(), "{done:?}");
        fixture.sidecar.ready().await;
        let delivered = fixture.delivered_before(9_000).await;
        let of_tags = delivered
            .iter()
            .filter(|(_, callback, record)| callback == "modified" && record.get("labels").is_some())
            .count();
        // Every other document's tags are NULL now, and were `["old"]` under the other column.
        assert_eq!(of_tags, if learn { 0 } else { 100 }, "{delivered:?}");
        fixture.database.run("UPDATE documents SET tags = '{u}' WHERE id = 6").await;
        until("the change", async || {
            fixture
                .delivered()
                .iter()
                .any(|(.., record)| record["labels"] == serde_json::json!(["u"]))
                .then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_cluster_is_adopted_with_a_new_epoch_and_the_differences() {
    let mut fixture = Fixture::new(15, "adopt", 100).await;
    let now = "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
    let since = fixture.database.text(now).await.unwrap();
    fixture.database.run("UPDATE documents SET labels = '{new}' WHERE id = 9").await;
    until("a record", async || (fixture.receiver.records_taken() > 0).then_some(())).await;
    assert!(fixture.sidecar.stop().await.success());
    let server = tokio::task::spawn_blocking(|| Server::start(15, "")).await.unwrap();
    let mut other = Fixture::on(Database::on(&server, 15, "adopt").await, 100).await;
    let slot = other.slot();
    assert!(other.sidecar.stop().await.success());
    other.database.run(&format!("SELECT pg_drop_replication_slot('{slot}')")).await;
    other.database.run("UPDATE documents SET title = 'u' WHERE id = 5").await;
    fixture.sidecar.configure(&other.database, &fixture.settings());
    fixture.sidecar.spawn();
    fixture.unready("sidecar resync --adopt").await;
    let refused = fixture.resync(&[]).await;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let before = fixture.receiver.received().len();
    let done = fixture.resync(&["--adopt"]).await;
    assert!(done.status.success(), "{done:?}");
    assert!(String::from_utf8_lossy(&done.stdout).contains("1 ingested, 1 modified, 0 excluded"), "{done:?}");
    fixture.sidecar.ready().await;
    until("the differences", async || (fixture.receiver.received().len() >= before + 2).then_some(())).await;
    let requests = fixture.receiver.received();
    let (old, new) = (requests[0].header("sidecar-epoch"), requests[before].header("sidecar-epoch"));
    assert_ne!(old, new);
    // A replay's LSNs are of the new epoch; what came before it is reached by a time.
    let refused = fixture.sidecar.command("replay").args(["--from-lsn", "0/1"]).output().unwrap();
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(why.contains("LSNs are of the current epoch, and earlier ones are reached by a time"), "{why}");
    let replayed = fixture.sidecar.command("replay").args(["--since", &since]).output().unwrap();
    assert!(String::from_utf8_lossy(&replayed.stdout).contains("total: 3 records"), "{replayed:?}");
    let again: Vec<_> = fixture.receiver.received().split_off(requests.len());
    let of = |epoch: &str| again.iter().filter(|request| request.header("sidecar-epoch") == epoch).count();
    assert_eq!((of(old), of(new)), (1, 2), "a batch is of one epoch: {again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_cancelled_ends_and_the_stream_and_the_next_one_go_on() {
    let fixture = Fixture::new(18, "cancel", 50).await;
    let none = fixture.resync(&["--cancel"]).await;
    assert!(
        !none.status.success() && String::from_utf8_lossy(&none.stderr).contains("no resync is under way"),
        "{none:?}"
    );
    unseen(&fixture, "UPDATE documents SET labels = '{unseen}' WHERE id = 10").await;
    // The comparison waits for the table.
    let mut locked = fixture.database.session().await;
    let lock = locked.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE documents IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let (status, body) = fixture.sidecar.request("POST", "/api/v1/resync", "{}").unwrap();
    assert_eq!(status, 200, "{body}");
    until("the resync to run", async || {
        let status = fixture.sidecar.resync_status()?;
        (status["state"] == "running" && status["cancellable"] == true).then_some(())
    })
    .await;
    let html = until("the button", async || {
        let html = fixture.sidecar.get("/table")?.1;
        html.contains("table/cancel").then_some(html)
    })
    .await;
    assert!(html.contains("Cancel the resync"), "{html}");
    let cancelled = fixture.resync(&["--cancel"]).await;
    assert!(cancelled.status.success(), "{cancelled:?}");
    lock.rollback().await.unwrap();
    let ended = until("the resync to end", async || {
        fixture.sidecar.resync_status().filter(|status| status["state"] == "cancelled")
    })
    .await;
    assert!(ended["result"].as_str().unwrap().contains("cancelled on request"), "{ended}");
    let audit = fixture.sidecar.get("/api/v1/audit").unwrap().1;
    assert!(audit.contains("a resync was cancelled"), "{audit}");
    fixture.sidecar.ready().await;
    assert_eq!(fixture.delivered(), [] as [Delivered; 0]);
    fixture.database.run("UPDATE documents SET labels = '{streamed}' WHERE id = 11").await;
    until("a change after it", async || (fixture.receiver.records_taken() == 1).then_some(())).await;
    let done = fixture.resync(&[]).await;
    assert!(done.status.success(), "{done:?}");
    until("the difference", async || (fixture.receiver.records_taken() == 2).then_some(())).await;
}
