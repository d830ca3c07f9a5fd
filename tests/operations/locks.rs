//! Questions to the catalog lock none of the application's partitions, and wait for none of its locks.

use std::time::Duration;

use crate::operations::fixture::{output_text, release, run, settings};
use crate::support::database::Database;
use crate::support::process::Sidecar;
use crate::support::receiver::Receiver;
use crate::support::server::Server;
use crate::support::{VERSIONS, until};

const PARTITIONS: usize = 400;

/// A few at a time: the test's own statements must fit into the same few locks.
async fn partitioned(database: &Database) {
    database
        .run(
            "CREATE TABLE documents (id bigint, key text, project_id text, title text, labels text[],
             predicted_labels text[], similarity jsonb, deleted_at timestamptz, PRIMARY KEY (id))
             PARTITION BY RANGE (id)",
        )
        .await;
    for at in 0..PARTITIONS {
        database
            .run(&format!(
                "CREATE TABLE part_{at} PARTITION OF documents FOR VALUES FROM ({at}) TO ({})",
                at + 1
            ))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn four_hundred_partitions_need_no_more_locks_than_one() {
    for version in VERSIONS {
        let few = "max_locks_per_transaction = 10\nmax_connections = 12\nmax_prepared_transactions = 0";
        let server = tokio::task::spawn_blocking(move || Server::start(version, few)).await.unwrap();
        let database = Database::on(&server, version, "operations_locks").await;
        partitioned(&database).await;
        let receiver = Receiver::start().await;
        let mut sidecar = Sidecar::prepare(&database, &settings(&receiver, ""));
        for command in ["setup", "doctor"] {
            let output = run(&sidecar, &[command]).await;
            assert_eq!(output.status.code(), Some(0), "{command} on {version}: {}", output_text(&output));
        }
        sidecar.spawn();
        sidecar.ready().await;
        database.run("INSERT INTO documents (id, project_id) VALUES (7, 'p')").await;
        until("a delivery", async || (receiver.records_taken() == 1).then_some(())).await;
        // The application holds one partition as hard as it can: nothing of ours waits for it.
        let mut other = database.session().await;
        let held = other.transaction().await.unwrap();
        held.batch_execute("LOCK TABLE part_3 IN ACCESS EXCLUSIVE MODE").await.unwrap();
        let output = tokio::time::timeout(Duration::from_mins(2), run(&sidecar, &["setup"])).await.unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "setup under a lock on {version}: {}",
            output_text(&output)
        );
        assert!(sidecar.stop().await.success());
        sidecar.spawn();
        sidecar.ready().await;
        // And nothing of ours holds one: every partition can be had at once, again and again.
        let ours = format!(
            "SELECT count(*)::text FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid) JOIN pg_class AS c ON c.oid = l.relation
             WHERE l.mode <> 'AccessExclusiveLock' AND a.application_name = 'sidecar' AND c.relname LIKE 'part_%' AND a.datname = '{}'",
            database.name
        );
        for at in 0..PARTITIONS {
            if at != 3 {
                let sql = format!("BEGIN; LOCK TABLE part_{at} IN ACCESS EXCLUSIVE MODE NOWAIT; ROLLBACK");
                database.run(&sql).await;
            }
            if at % 20 == 0 {
                assert_eq!(database.text(&ours).await.as_deref(), Some("0"));
            }
        }
        held.rollback().await.unwrap();
        sidecar.stop().await;
        release(&database).await;
    }
}
