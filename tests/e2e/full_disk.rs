//! A disk that is really full.

use std::time::Duration;

use crate::e2e::changes::{by_lane, to};
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::{Answer, Receiver};
use crate::support::tmpfs::Tmpfs;
use crate::support::until;

/// Documents `from..=to` of one project.
async fn insert(database: &Database, from: u32, to: u32) {
    database
        .run(&format!(
            "INSERT INTO documents (id, key, project_id) SELECT g, rpad('', 500, 'k'), 'p' FROM generate_series({from}, {to}) g"
        ))
        .await;
}

async fn confirmed(database: &Database) -> Option<String> {
    let slot = format!(
        "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = 's_{}'",
        database.name
    );
    database.text(&slot).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_both_loops_where_they_must_and_nothing_is_lost() {
    let Some(disk) = Tmpfs::mount(96 << 20) else { return };
    let database = Database::new(18, "disk").await;
    database.run(DOCUMENTS).await;
    let receiver = Receiver::start().await;
    let mut sidecar = Sidecar::prepare_with_spool(&database, &to(&receiver), disk.path().join("spool"));
    sidecar.spawn();
    sidecar.ready().await;
    insert(&database, 1, 1_000).await;
    until("the first", async || (receiver.records_taken() >= 1_000).then_some(())).await;

    // Something is pending when the disk fills up.
    receiver.answers(|_| Answer::Status(503));
    insert(&database, 1_001, 1_010).await;
    until("a failed attempt", async || {
        receiver.received().iter().any(|request| !request.taken()).then_some(())
    })
    .await;
    disk.fill();
    insert(&database, 1_011, 9_000).await;
    let message = until("the sidecar to say that it is not ready", async || {
        sidecar.get("/-/ready").filter(|(status, _)| *status == 503).map(|(_, body)| body)
    })
    .await;
    println!("{message}");
    let stopped_at = confirmed(&database).await;
    receiver.answers(|_| Answer::Status(200));
    // Long enough for several keepalives and retries: what must not move does not.
    let until_then = tokio::time::Instant::now() + Duration::from_secs(4);
    until("some time", async || {
        disk.fill();
        (tokio::time::Instant::now() >= until_then).then_some(())
    })
    .await;
    assert_eq!(confirmed(&database).await, stopped_at, "nothing is confirmed that could not be written");
    assert!(receiver.records_taken() < 9_000);
    assert!(sidecar.is_running(), "a full disk is waited for");

    disk.make_room();
    sidecar.ready().await;
    until("what was not read", async || (receiver.records_taken() >= 9_000).then_some(())).await;

    // Full again, and stopped: it does not wait for room, and what it could not keep comes again.
    // SQLite uses its log again where all of it was carried over, so how much it takes cannot be predicted.
    let mut last = 9_000;
    until("the sidecar to stop reading again", async || {
        disk.fill();
        insert(&database, last + 1, last + 1_000).await;
        last += 1_000;
        (sidecar.source_state()? == "stopped").then_some(())
    })
    .await;
    assert!(sidecar.stop().await.success());
    disk.make_room();
    sidecar.spawn();
    sidecar.ready().await;
    last += 1;
    insert(&database, last, last).await;
    let id = last.to_string();
    let came = || by_lane(&receiver.received()).into_values().flatten().any(|record| record["id"] == id);
    until("the last", async || came().then_some(())).await;
    let mut seen = std::collections::HashSet::new();
    let received = receiver.received();
    let once: Vec<_> = received
        .into_iter()
        .filter(|request| request.taken() && seen.insert(request.header("webhook-id").to_owned()))
        .collect();
    let ids: Vec<u32> = by_lane(&once)
        .into_values()
        .flatten()
        .map(|record| record["id"].as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(ids, (1..=last).collect::<Vec<_>>(), "nothing lost, nothing made twice, in order");
    assert!(sidecar.stop().await.success());
}
