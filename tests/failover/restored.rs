//! Copies that were put back: of the cluster, and of the spool.

use std::path::Path;
use std::process::Command;

use crate::scene::{SLOT, Scene, application};
use crate::support::VERSIONS;
use crate::support::cluster::{Cluster, Stop};

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_copy_of_the_cluster_has_diverged() {
    for version in VERSIONS {
        let mut cluster = Cluster::new(version, "").await;
        let mut scene = Scene::on(&cluster, false).await;
        scene.insert(1).await;
        scene.told(1).await;
        assert!(scene.sidecar.stop().await.success());
        cluster.stop(Stop::Fast);
        cluster.copy();
        cluster.start().await;
        scene.moves_to(&cluster).await;
        scene.refuses(true);
        scene.sidecar.spawn();
        scene.sidecar.ready().await;
        scene.insert(2).await;
        scene.database.run("CREATE TABLE other AS SELECT generate_series(1, 10000)").await;
        scene.caught_up().await;
        assert!(scene.sidecar.stop().await.success());

        // Nothing is delivered, either, before it is known what the database is.
        cluster.stop(Stop::Fast);
        cluster.restore();
        scene.refuses(false);
        scene.sidecar.spawn();
        scene.waits_for_postgres().await;
        cluster.start().await;
        scene.moves_to(&cluster).await;
        scene.insert(3).await;
        let said = scene.stands("it is a restored copy").await;
        assert!(said.contains("Nothing is read or delivered"), "{said}");
        // What was found stands while nobody answers.
        cluster.stop(Stop::Fast);
        scene.waits_for_postgres().await;
        cluster.start().await;
        scene.stands("it is a restored copy").await;
        assert_eq!(scene.ids(), ["1"], "neither what is pending nor what is new, PostgreSQL {version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_cluster_is_told_from_its_system_id() {
    for version in VERSIONS {
        let (first, second) = (Cluster::new(version, "").await, Cluster::new(version, "").await);
        let mut scene = Scene::on(&first, false).await;
        scene.insert(1).await;
        scene.told(1).await;
        scene.refuses(true);
        scene.insert(2).await;
        scene.caught_up().await;
        assert!(scene.sidecar.stop().await.success());

        let like_it = application(&second).await;
        like_it.run("CREATE PUBLICATION p_app FOR TABLE documents").await;
        like_it.run(&format!("SELECT pg_create_logical_replication_slot('{SLOT}', 'pgoutput')")).await;
        scene.moves_to(&second).await;
        scene.insert(3).await;
        scene.refuses(false);
        scene.sidecar.spawn();
        let said = scene.stands("the database cluster is another one").await;
        assert!(said.contains("system id"), "{said}");
        assert_eq!(scene.ids(), ["1"], "PostgreSQL {version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_beyond_the_spool_is_said_and_nothing_is_delivered() {
    for version in VERSIONS {
        let cluster = Cluster::new(version, "").await;
        // A spool that was restored, and a slot that was made again, cannot be told apart.
        for slot_is_made_again in [false, true] {
            let app = cluster.database("postgres").await;
            let _ = app.client.batch_execute("DROP DATABASE app").await;
            let mut scene = Scene::on(&cluster, false).await;
            scene.insert(1).await;
            scene.told(1).await;
            scene.refuses(true);
            scene.insert(2).await;
            scene.caught_up().await;
            assert!(scene.sidecar.stop().await.success());
            let (spool, older) = (scene.sidecar.spool(), scene.sidecar.folder.path().join("older"));
            copy(&spool, &older);
            if slot_is_made_again {
                scene.insert(3).await;
                scene
                    .database
                    .run(&format!(
                        "SELECT pg_drop_replication_slot('{SLOT}'); SELECT pg_create_logical_replication_slot('{SLOT}', 'pgoutput')"
                    ))
                    .await;
            } else {
                scene.sidecar.spawn();
                scene.sidecar.ready().await;
                scene.insert(3).await;
                scene.caught_up().await;
                assert!(scene.sidecar.stop().await.success());
                std::fs::remove_dir_all(&spool).unwrap();
                copy(&older, &spool);
            }
            scene.insert(4).await;
            scene.refuses(false);
            scene.sidecar.spawn();
            scene.stands("beyond what the spool holds").await;
            assert_eq!(scene.ids(), ["1"], "PostgreSQL {version}");
            assert!(scene.sidecar.stop().await.success());
            scene.database.run(&format!("SELECT pg_drop_replication_slot('{SLOT}')")).await;
        }
    }
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}
