//! A streaming standby that takes over.

use std::time::Duration;

use crate::failover::fixture::{APP, Fixture, SLOT, application, parsed};
use crate::support::check::check;
use crate::support::cluster::{Cluster, Stop};
use crate::support::receiver::Answer;
use crate::support::workload::Writer;
use crate::support::{VERSIONS, until};

/// Everything that `primary` wrote up to now is on `standby`.
async fn followed(primary: &Cluster, standby: &Cluster) {
    let (here, there) = (primary.database("postgres").await, standby.database("postgres").await);
    let end = here.text("SELECT pg_current_wal_lsn()::text").await.unwrap();
    until("the standby to follow", async || {
        let replayed = there.text("SELECT pg_last_wal_replay_lsn()::text").await?;
        (parsed(&replayed) >= parsed(&end)).then_some(())
    })
    .await;
}

/// The standby has copied the slot, and would keep it after a promotion (17+).
async fn copied(primary: &Cluster, standby: &Cluster) {
    let (here, there) = (primary.database("postgres").await, standby.database("postgres").await);
    let query = format!(
        "SELECT count(*)::text FROM pg_replication_slots WHERE slot_name = '{SLOT}' AND synced AND NOT temporary"
    );
    until("the standby to copy the slot", async || {
        // What the standby waits for is written only now and then where nothing else is.
        here.run("SELECT pg_log_standby_snapshot()").await;
        // And what copies it naps for up to half a minute, but for a reload of its settings.
        there.run("SELECT pg_reload_conf()").await;
        (there.text(&query).await? == "1").then_some(())
    })
    .await;
}

/// The slot comes to the standby as its version allows. What is then written is on the primary alone, where
/// `alone`.
async fn slot_on(version: u32, primary: &Cluster, standby: &mut Cluster, alone: bool) {
    followed(primary, standby).await;
    if version >= 17 {
        copied(primary, standby).await;
        if alone {
            standby.stop(Stop::Fast);
        }
        return;
    }
    standby.stop(Stop::Fast);
    primary.copy_slot_to(standby, SLOT);
    if !alone {
        standby.start().await;
    }
}

fn standby_settings(version: u32) -> &'static str {
    // The new primary has no standby of its own, so it waits for none.
    if version >= 17 { "sync_replication_slots = on\nsynchronized_standby_slots = ''" } else { "" }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_goes_on_at_the_promoted_standby_and_loses_and_doubles_nothing() {
    for version in VERSIONS {
        let waits = if version >= 17 { "synchronized_standby_slots = 'standby'" } else { "" };
        let mut primary = Cluster::new(version, waits).await;
        let mut standby = primary.standby(standby_settings(version)).await;
        let mut database = application(&primary).await;
        let ports = (primary.port, standby.port);
        // The standby is passed over until it is the primary.
        database.url = format!(
            "postgresql://postgres@127.0.0.1:{},127.0.0.1:{}/{APP}?target_session_attrs=primary",
            ports.0, ports.1
        );
        let fixture = Fixture::with(database, version >= 17).await;
        let seed = u64::from(std::process::id());
        println!("seed {seed}");
        let mut writer = Writer::new(seed, 1);
        for _ in 0..100 {
            writer.transaction(&fixture.database.client, 5).await;
        }
        slot_on(version, &primary, &mut standby, false).await;
        if version >= 17 {
            let message = fixture.sidecar.command("doctor").output().unwrap();
            let message = String::from_utf8(message.stdout).unwrap();
            assert!(message.contains("the sidecar does not get ahead of them"), "{message}");
        }
        // Much is still to be delivered when the primary dies.
        fixture.receiver.answers(|_| Answer::Slow(204, Duration::from_millis(30)));
        for _ in 0..100 {
            writer.transaction(&fixture.database.client, 5).await;
        }
        followed(&primary, &standby).await;
        primary.stop(Stop::Immediate);
        standby.promote().await;
        let database = standby.database(APP).await;
        for _ in 0..100 {
            writer.transaction(&database.client, 5).await;
        }
        let expected = &writer.model.records;
        until("every record", async || (fixture.receiver.records_taken() >= expected.len()).then_some(()))
            .await;
        fixture.sidecar.idle().await;
        let report = check(expected, &fixture.receiver.received());
        println!("PostgreSQL {version}: {} records, {} batches doubled", report.records, report.duplicates);
        assert!(report.is_clean(), "PostgreSQL {version}: {report:?}");
        assert_eq!(report.duplicates, 0, "the sidecar itself never died");
        let status = fixture.sidecar.status().unwrap();
        assert_eq!(status["source"]["timeline"], 2, "PostgreSQL {version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_lacks_what_was_applied_has_diverged() {
    for version in VERSIONS {
        let mut primary = Cluster::new(version, "").await;
        let mut standby = primary.standby(standby_settings(version)).await;
        let mut fixture = Fixture::on(&primary, version >= 17).await;
        fixture.insert(1).await;
        fixture.receives(1).await;
        slot_on(version, &primary, &mut standby, true).await;
        // Read and applied, and never on the standby.
        fixture.refuses(true);
        fixture.insert(2).await;
        fixture.caught_up().await;
        primary.stop(Stop::Immediate);
        assert!(fixture.sidecar.stop().await.success());

        standby.start().await;
        standby.promote().await;
        fixture.moves_to(&standby).await;
        fixture.insert(3).await;
        fixture.refuses(false);
        fixture.sidecar.spawn();
        let message = fixture.stays_unready("which was applied from it").await;
        assert!(message.contains("timeline 2 left timeline 1 at"), "{message}");
        assert_eq!(fixture.ids(), ["1"], "neither what is pending nor what is new, PostgreSQL {version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_only_a_keepalive_lies_beyond_the_switch_nothing_is_missed() {
    for version in VERSIONS {
        let mut primary = Cluster::new(version, "").await;
        let mut standby = primary.standby(standby_settings(version)).await;
        let mut fixture = Fixture::on(&primary, version >= 17).await;
        fixture.insert(1).await;
        fixture.receives(1).await;
        slot_on(version, &primary, &mut standby, true).await;
        // The log goes on, and nothing of it is the sidecar's.
        fixture.database.run("CREATE TABLE other AS SELECT generate_series(1, 10000)").await;
        let written = fixture.database.text("SELECT pg_current_wal_lsn()::text").await.unwrap();
        let confirmed =
            "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = 's_app'";
        let position = until("the server to have the confirmed position", async || {
            fixture.database.text(confirmed).await.filter(|position| parsed(position) >= parsed(&written))
        })
        .await;
        primary.stop(Stop::Immediate);
        assert!(fixture.sidecar.stop().await.success());

        standby.start().await;
        let end =
            standby.database("postgres").await.text("SELECT pg_last_wal_replay_lsn()::text").await.unwrap();
        assert!(parsed(&end) < parsed(&position), "{end} lies before {position}");
        standby.promote().await;
        fixture.moves_to(&standby).await;
        fixture.insert(2).await;
        fixture.sidecar.spawn();
        fixture.sidecar.ready().await;
        fixture.insert(3).await;
        fixture.receives(3).await;
        assert_eq!(fixture.ids(), ["1", "2", "3"], "PostgreSQL {version}");
    }
}

/// What `synchronized_standby_slots` is for: compare with the divergence above.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_standby_has_is_held_back_so_its_loss_is_nobodys() {
    let mut primary = Cluster::new(18, "synchronized_standby_slots = 'standby'").await;
    let mut standby = primary.standby(standby_settings(18)).await;
    let mut fixture = Fixture::on(&primary, true).await;
    fixture.insert(1).await;
    fixture.receives(1).await;
    slot_on(18, &primary, &mut standby, true).await;
    fixture.insert(2).await;
    let waits = "SELECT count(*)::text FROM pg_stat_activity WHERE wait_event = 'WaitForStandbyConfirmation'";
    until("the server to hold the document back", async || {
        (fixture.database.text(waits).await? == "1").then_some(())
    })
    .await;
    let message = fixture.sidecar.command("doctor").output().unwrap();
    let message = String::from_utf8(message.stdout).unwrap();
    assert!(
        message.contains("synchronized_standby_slots names standby, which is not being read"),
        "{message}"
    );
    primary.stop(Stop::Immediate);
    assert!(fixture.sidecar.stop().await.success());

    standby.start().await;
    standby.promote().await;
    fixture.moves_to(&standby).await;
    fixture.sidecar.spawn();
    fixture.sidecar.ready().await;
    fixture.insert(3).await;
    fixture.receives(2).await;
    assert_eq!(fixture.ids(), ["1", "3"], "the second was lost with the primary, and never sent");
}
