//! Slots that are lost, dropped or made again; spools that were restored.

use std::process::Command;

use crate::resync::fixture::Fixture;
use crate::support::database::Database;
use crate::support::server::Server;
use crate::support::{VERSIONS, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_is_gone_is_made_again_and_exactly_the_differences_go_out() {
    for version in VERSIONS {
        let mut fixture = Fixture::new(version, "gone", 200).await;
        assert!(fixture.sidecar.stop().await.success());
        fixture.database.run(&format!("SELECT pg_drop_replication_slot('{}')", fixture.slot())).await;
        fixture.change().await;
        fixture.sidecar.spawn();
        fixture.sidecar.ready().await;
        assert_eq!(fixture.delivered_before(9_000).await, Fixture::differences());
        let last = &fixture.sidecar.status().unwrap()["source"]["resync"];
        assert_eq!((&last["state"], &last["gone"]), (&"done".into(), &3.into()), "{last}");
        assert!(last["why"].as_str().unwrap().contains("is missing (it was dropped"), "{last}");
        let (_, metrics) = fixture.sidecar.get("/metrics").unwrap();
        assert!(metrics.contains("sidecar_resyncs_total{outcome=\"done\"} 1"), "{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_the_server_calls_lost_is_dropped_and_the_table_compared() {
    let server = tokio::task::spawn_blocking(|| Server::start(15, "max_slot_wal_keep_size = 1MB\n"));
    let server = server.await.unwrap();
    let mut fixture = Fixture::on(Database::on(&server, 15, "lost").await, 200).await;
    assert!(fixture.sidecar.stop().await.success());
    fixture.change().await;
    let slot = fixture.slot();
    until("the slot to be lost", async || {
        fixture.database.run("SELECT pg_switch_wal(); CHECKPOINT;").await;
        fixture.database.run("CREATE TABLE IF NOT EXISTS other (t text); INSERT INTO other SELECT repeat('x', 1000) FROM generate_series(1, 2000)").await;
        let status = fixture.database.text(&format!("SELECT wal_status FROM pg_replication_slots WHERE slot_name = '{slot}'")).await;
        (status.as_deref() == Some("lost")).then_some(())
    })
    .await;
    fixture.sidecar.spawn();
    fixture.sidecar.ready().await;
    assert_eq!(fixture.delivered_before(9_000).await, Fixture::differences());
    let last = fixture.sidecar.resync_status().unwrap();
    assert!(
        last["why"].as_str().unwrap().contains("is lost (the server removed WAL that it needed"),
        "{last}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resync_that_is_killed_starts_again_and_sends_each_difference() {
    let mut fixture = Fixture::new(15, "killed", 20_000).await;
    assert!(fixture.sidecar.stop().await.success());
    fixture.database.run(&format!("SELECT pg_drop_replication_slot('{}')", fixture.slot())).await;
    fixture
        .database
        .run(
            "UPDATE documents SET labels = '{new}' WHERE id % 4 = 0; DELETE FROM documents WHERE id % 40 = 1",
        )
        .await;
    for killed in 0..6_u64 {
        fixture.sidecar.spawn();
        // Once a comparison has ended, the next start makes none.
        let state = until("the comparison to begin", async || {
            let state = fixture.sidecar.source_state()?;
            ["resyncing", "streaming"].contains(&state.as_str()).then_some(state)
        })
        .await;
        if state == "streaming" {
            fixture.sidecar.kill();
            break;
        }
        // The pace of the kills: each comes later in the comparison.
        tokio::time::sleep(std::time::Duration::from_millis(60 * killed)).await;
        fixture.sidecar.kill();
    }
    fixture.sidecar.spawn();
    fixture.sidecar.ready().await;
    // Delivery is at least once: a batch may come twice, a record not be missing or another.
    let mut delivered = fixture.delivered_before(90_000).await;
    delivered.dedup();
    let of = |callback: &str| delivered.iter().filter(|(_, of, _)| of == callback).count();
    assert_eq!((of("modified"), of("excluded"), of("ingested")), (5_000, 500, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_too_many_are_gone_nothing_is_sent_until_it_is_forced() {
    let mut fixture = Fixture::new(15, "toomany", 3_000).await;
    assert!(fixture.sidecar.stop().await.success());
    fixture.database.run(&format!("SELECT pg_drop_replication_slot('{}')", fixture.slot())).await;
    fixture
        .database
        .run("DELETE FROM documents WHERE id > 500; UPDATE documents SET labels = '{new}' WHERE id = 4")
        .await;
    fixture.sidecar.spawn();
    fixture.unready("2500 of 3000 live documents are gone").await;
    assert_eq!(fixture.delivered(), []);
    // It waits also after a new start.
    assert!(fixture.sidecar.stop().await.success());
    fixture.sidecar.spawn();
    fixture.unready("sidecar resync --force").await;
    assert_eq!(fixture.delivered(), []);
    let forced = fixture.resync(&["--force"]).await;
    assert!(forced.status.success(), "{forced:?}");
    assert!(String::from_utf8_lossy(&forced.stdout).contains("1 modified, 2500 excluded"), "{forced:?}");
    fixture.sidecar.ready().await;
    assert_eq!(fixture.delivered_before(9_000).await.len(), 2_501);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_that_was_restored_waits_and_then_sends_the_differences() {
    let mut fixture = Fixture::new(18, "restoredspool", 200).await;
    assert!(fixture.sidecar.stop().await.success());
    let (spool, copy) = (fixture.sidecar.spool(), fixture.sidecar.folder.path().join("copy"));
    let cp = |from: &std::path::Path, to: &std::path::Path| {
        assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
    };
    cp(&spool, &copy);
    fixture.sidecar.spawn();
    fixture.sidecar.ready().await;
    fixture.change().await;
    assert_eq!(
        fixture.delivered_before(9_000).await.len(),
        Fixture::differences().len() + 2,
        "and label changes there and back"
    );
    assert!(fixture.sidecar.stop().await.success());
    std::fs::remove_dir_all(&spool).unwrap();
    cp(&copy, &spool);
    let before = fixture.receiver.received().len();
    fixture.sidecar.spawn();
    fixture.unready("beyond what the spool holds").await;
    assert_eq!(fixture.receiver.received().len(), before);
    let done = fixture.resync(&[]).await;
    assert!(done.status.success(), "{done:?}");
    fixture.sidecar.ready().await;
    let message = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(message.contains("4 ingested, 1 modified, 3 excluded"), "the last document besides: {message}");
}
