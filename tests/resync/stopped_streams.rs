//! Every apply error that the application can cause, and that a next try would meet again: reading stops before
//! the change, and `sidecar resync` goes past it.

use serde_json::json;

use crate::resync::fixture::{Fixture, settings};
use crate::support::database::Database;
use crate::support::process::Sidecar;
use crate::support::receiver::Receiver;
use crate::support::{VERSIONS, until};

/// What stops the stream, and what cures the table afterwards: the change stays in the log.
struct Case {
    name: &'static str,
    cause: &'static str,
    cure: &'static str,
}

const CASES: [Case; 4] = [
    Case {
        name: "renamed",
        cause: "ALTER TABLE documents RENAME labels TO tags; UPDATE documents SET tags = '{new}' WHERE id = 1",
        cure: "ALTER TABLE documents RENAME tags TO labels",
    },
    Case {
        name: "nullid",
        cause: "ALTER TABLE documents REPLICA IDENTITY FULL; ALTER TABLE documents DROP CONSTRAINT documents_pkey;
                ALTER TABLE documents ALTER id DROP NOT NULL; UPDATE documents SET labels = '{new}' WHERE id = 1;
                INSERT INTO documents (id, project_id) VALUES (NULL, 'p0')",
        cure: "DELETE FROM documents WHERE id IS NULL; ALTER TABLE documents ADD PRIMARY KEY (id);
               ALTER TABLE documents REPLICA IDENTITY DEFAULT",
    },
    Case {
        name: "identity",
        cause: "ALTER TABLE documents ADD number bigint; UPDATE documents SET number = id; ALTER TABLE documents ALTER number SET NOT NULL;
                CREATE UNIQUE INDEX other ON documents (number); ALTER TABLE documents REPLICA IDENTITY USING INDEX other;
                UPDATE documents SET labels = '{new}' WHERE id = 1",
        cure: "ALTER TABLE documents REPLICA IDENTITY DEFAULT; ALTER TABLE documents ALTER number SET DEFAULT 0",
    },
    Case {
        name: "outofline",
        // The stream has neither a partition's rows when it is attached, nor an unchanged out-of-line value.
        cause: "CREATE TABLE late (LIKE documents INCLUDING ALL);
                ALTER TABLE late ALTER key SET STORAGE EXTERNAL;
                INSERT INTO late (id, key, project_id) VALUES (2000, repeat('k', 9000), 'late');
                ALTER TABLE documents ATTACH PARTITION late FOR VALUES IN ('late');
                UPDATE documents SET title = 'u' WHERE id = 2000; UPDATE documents SET labels = '{new}' WHERE id = 1",
        cure: "SELECT 1",
    },
];

const PARTITIONED: &str = "CREATE TABLE documents (id bigint, key text, project_id text, title text, body text,
         labels text[], predicted_labels text[], similarity jsonb, deleted_at timestamptz,
         created_at timestamptz, updated_at timestamptz, PRIMARY KEY (project_id, id)) PARTITION BY LIST (project_id);
     CREATE TABLE rest PARTITION OF documents DEFAULT";

async fn fixture(case: &Case, version: u32) -> Fixture {
    let database = Database::new(version, case.name).await;
    if case.name != "outofline" {
        return Fixture::on(database, 10).await;
    }
    database.run(PARTITIONED).await;
    database
        .run("INSERT INTO documents (id, key, project_id, labels) SELECT g, 'k' || g, 'p' || g % 2, '{old}' FROM generate_series(1, 10) g")
        .await;
    let receiver = Receiver::start().await;
    let sidecar = Sidecar::start(&database, &settings(&receiver)).await;
    Fixture { database, receiver, sidecar }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resync_goes_past_every_halt_and_sends_what_could_not_be_read() {
    for version in VERSIONS {
        for case in &CASES {
            let fixture = fixture(case, version).await;
            fixture.database.run(case.cause).await;
            fixture.unready("goes past it").await;
            fixture.database.run(case.cure).await;
            let resynced = fixture.resync(&[]).await;
            let message = String::from_utf8_lossy(&resynced.stderr).into_owned();
            assert!(resynced.status.success(), "{}, PostgreSQL {version}: {message}", case.name);
            fixture.sidecar.ready().await;
            // Where it closes the gap, it says so: it is not cancelled then.
            let skipped = "is not read, and the table is compared instead";
            let status = fixture.sidecar.resync_status().unwrap();
            let closes_gap = status["why"].as_str().unwrap().contains(skipped);
            assert_eq!(closes_gap, fixture.sidecar.log().contains(skipped), "{}: {status}", case.name);
            let delivered = fixture.delivered_before(9_000).await;
            let labels =
                ("p1".to_owned(), "modified".to_owned(), json!({"id": "1", "key": "k1", "labels": ["new"]}));
            assert!(delivered.contains(&labels), "{}, PostgreSQL {version}: {delivered:?}", case.name);
            until("reading to go on", async || {
                (fixture.sidecar.status()?["source"]["state"] == "streaming").then_some(())
            })
            .await;
        }
    }
}
