//! Copies that were put back: of the cluster, and of the spool.

use std::path::Path;
use std::process::Command;

use crate::failover::fixture::{Fixture, SLOT, application};
use crate::support::VERSIONS;
use crate::support::cluster::{Cluster, Stop};

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_copy_of_the_cluster_has_diverged() {
    for version in VERSIONS {
        let mut cluster = Cluster::new(version, "").await;
        let mut fixture = Fixture::on(&cluster, false).await;
        fixture.insert(1).await;
        fixture.receives(1).await;
        assert!(fixture.sidecar.stop().await.success());
        cluster.stop(Stop::Fast);
        cluster.copy();
        cluster.start().await;
        fixture.moves_to(&cluster).await;
        fixture.refuses(true);
        fixture.sidecar.spawn();
        fixture.sidecar.ready().await;
        fixture.insert(2).await;
        fixture.database.run("CREATE TABLE other AS SELECT generate_series(1, 10000)").await;
        fixture.caught_up().await;
        assert!(fixture.sidecar.stop().await.success());

        // Nothing is delivered, either, before it is known what the database is.
        cluster.stop(Stop::Fast);
        cluster.restore();
        fixture.refuses(false);
        fixture.sidecar.spawn();
        fixture.waits_for_postgres().await;
        cluster.start().await;
        fixture.moves_to(&cluster).await;
        fixture.insert(3).await;
        let message = fixture.stays_unready("it is a restored copy").await;
        assert!(message.contains("Nothing is read or delivered"), "{message}");
        // The result stays while no server answers.
        cluster.stop(Stop::Fast);
        fixture.waits_for_postgres().await;
        cluster.start().await;
        fixture.stays_unready("it is a restored copy").await;
        assert_eq!(fixture.ids(), ["1"], "neither what is pending nor what is new, PostgreSQL {version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_cluster_is_recognised_by_its_system_id() {
    for version in VERSIONS {
        let (first, second) = (Cluster::new(version, "").await, Cluster::new(version, "").await);
        let mut fixture = Fixture::on(&first, false).await;
        fixture.insert(1).await;
        fixture.receives(1).await;
        fixture.refuses(true);
        fixture.insert(2).await;
        fixture.caught_up().await;
        assert!(fixture.sidecar.stop().await.success());

        let like_it = application(&second).await;
        like_it.run("CREATE PUBLICATION p_app FOR TABLE documents").await;
        like_it.run(&format!("SELECT pg_create_logical_replication_slot('{SLOT}', 'pgoutput')")).await;
        fixture.moves_to(&second).await;
        fixture.insert(3).await;
        fixture.refuses(false);
        fixture.sidecar.spawn();
        let message = fixture.stays_unready("the database cluster is another one").await;
        assert!(message.contains("system id"), "{message}");
        assert_eq!(fixture.ids(), ["1"], "PostgreSQL {version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_beyond_the_spool_is_reported_and_nothing_is_delivered() {
    for version in VERSIONS {
        let cluster = Cluster::new(version, "").await;
        // A spool that was restored, and a slot that was made again, cannot be distinguished.
        for slot_is_made_again in [false, true] {
            let app = cluster.database("postgres").await;
            let _ = app.client.batch_execute("DROP DATABASE app").await;
            let mut fixture = Fixture::on(&cluster, false).await;
            fixture.insert(1).await;
            fixture.receives(1).await;
            fixture.refuses(true);
            fixture.insert(2).await;
            fixture.caught_up().await;
            assert!(fixture.sidecar.stop().await.success());
            let (spool, older) = (fixture.sidecar.spool(), fixture.sidecar.folder.path().join("older"));
            copy(&spool, &older);
            if slot_is_made_again {
                fixture.insert(3).await;
                fixture
                    .database
                    .run(&format!(
                        "SELECT pg_drop_replication_slot('{SLOT}'); SELECT pg_create_logical_replication_slot('{SLOT}', 'pgoutput')"
                    ))
                    .await;
            } else {
                fixture.sidecar.spawn();
                fixture.sidecar.ready().await;
                fixture.insert(3).await;
                fixture.caught_up().await;
                assert!(fixture.sidecar.stop().await.success());
                std::fs::remove_dir_all(&spool).unwrap();
                copy(&older, &spool);
            }
            fixture.insert(4).await;
            fixture.refuses(false);
            fixture.sidecar.spawn();
            fixture.stays_unready("beyond what the spool holds").await;
            assert_eq!(fixture.ids(), ["1"], "PostgreSQL {version}");
            assert!(fixture.sidecar.stop().await.success());
            fixture.database.run(&format!("SELECT pg_drop_replication_slot('{SLOT}')")).await;
        }
    }
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}
