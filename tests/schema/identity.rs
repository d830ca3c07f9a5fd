//! The replica identity is changed, of the table or of one of its partitions, and then a document's id is:
//! what it did is sent, or reading stops before it, with the reason and the fix. It is never skipped.

use serde_json::json;

use crate::schema::helpers::{records_until_now, to};
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::{Received, Receiver};
use crate::support::{VERSIONS, until};

/// How the identity is changed. Whether the stream still has the id after it, else whose it lacks.
struct Case {
    name: &'static str,
    partitioned: bool,
    alter: &'static str,
    lacks: Option<&'static str>,
}

const CASES: [Case; 9] = [
    Case {
        name: "index",
        partitioned: false,
        alter: "CREATE UNIQUE INDEX other ON documents (number); ALTER TABLE documents REPLICA IDENTITY USING INDEX other",
        lacks: Some("documents"),
    },
    Case {
        name: "wider",
        partitioned: false,
        alter: "CREATE UNIQUE INDEX other ON documents (number, id); ALTER TABLE documents REPLICA IDENTITY USING INDEX other",
        lacks: None,
    },
    Case {
        name: "replaced",
        partitioned: false,
        alter: "ALTER TABLE documents DROP CONSTRAINT documents_pkey; ALTER TABLE documents ADD PRIMARY KEY (number)",
        lacks: Some("documents"),
    },
    Case {
        name: "renamed",
        partitioned: false,
        alter: "ALTER TABLE documents DROP CONSTRAINT documents_pkey; ALTER TABLE documents ADD CONSTRAINT again PRIMARY KEY (id)",
        lacks: None,
    },
    Case {
        name: "wholly",
        partitioned: false,
        alter: "ALTER TABLE documents REPLICA IDENTITY FULL; ALTER TABLE documents DROP CONSTRAINT documents_pkey",
        lacks: None,
    },
    Case {
        name: "part",
        partitioned: true,
        alter: "CREATE UNIQUE INDEX other ON rest (number); ALTER TABLE rest REPLICA IDENTITY USING INDEX other",
        lacks: Some("rest"),
    },
    Case { name: "partfull", partitioned: true, alter: "ALTER TABLE rest REPLICA IDENTITY FULL", lacks: None },
    Case {
        name: "otherpart",
        partitioned: true,
        alter: "CREATE UNIQUE INDEX other ON q (number); ALTER TABLE q REPLICA IDENTITY USING INDEX other",
        lacks: None,
    },
    Case {
        name: "newpart",
        partitioned: true,
        alter: "CREATE TABLE n PARTITION OF documents FOR VALUES IN ('n'); CREATE UNIQUE INDEX other ON n (number);
                ALTER TABLE n REPLICA IDENTITY USING INDEX other; INSERT INTO documents (id, project_id, number) VALUES (3, 'n', 3)",
        lacks: None,
    },
];

const PARTITIONED: &str = "CREATE TABLE documents (id bigint, key text, project_id text, title text,
         labels text[], predicted_labels text[], similarity jsonb, deleted_at timestamptz,
         PRIMARY KEY (project_id, id)) PARTITION BY LIST (project_id);
     CREATE TABLE rest PARTITION OF documents DEFAULT; CREATE TABLE q PARTITION OF documents FOR VALUES IN ('q')";

/// What is done to document 1, and to one of a partition where there is one.
const CHANGES: [&str; 2] = ["UPDATE documents SET id = 7 WHERE id = 1", "DELETE FROM documents WHERE id = 1"];

async fn check_case(case: &Case, version: u32, running: bool, change: &str) {
    let what = format!("{}, {change}, running: {running}, PostgreSQL {version}", case.name);
    let database = Database::new(version, case.name).await;
    database.run(if case.partitioned { PARTITIONED } else { DOCUMENTS }).await;
    database
        .run(
            "ALTER TABLE documents ADD number bigint NOT NULL DEFAULT 0;
              INSERT INTO documents (id, key, project_id, number) VALUES (1, 'k', 'p', 1), (2, 'k', 'q', 2)",
        )
        .await;
    let receiver = Receiver::start().await;
    let mut sidecar = Sidecar::start(&database, &to(&receiver)).await;
    if !running {
        assert!(sidecar.stop().await.success());
    }
    // A change that can be read comes before the one that cannot, and is sent.
    let statements =
        format!("INSERT INTO documents (id, key, project_id) VALUES (5, 'k', 'p'); {}; {change}", case.alter);
    for statement in statements.split(';') {
        database.run(statement).await;
    }
    if !running {
        sidecar.spawn();
    }
    let Some(table) = case.lacks else {
        sidecar.ready().await;
        let delivered = records_until_now(&database, &receiver).await;
        assert_eq!(delivered["excluded"], [json!({"id": "1", "key": "k"})], "{what}");
        end(&mut sidecar, &database).await;
        return;
    };
    let (what_is_wrong, cure) = (
        format!("the replica identity of public.{table} lacks `"),
        format!("ALTER TABLE \"public\".\"{table}\" REPLICA IDENTITY FULL;"),
    );
    until(&format!("{what}: {what_is_wrong}"), async || {
        let (status, _) = sidecar.get("/-/ready")?;
        let detail = sidecar.status()?["source"]["detail"].as_str()?.to_owned();
        let is_stopped = status == 503 && detail.contains(&what_is_wrong) && detail.contains(&cure);
        (is_stopped && receiver.records_taken() > 0).then_some(())
    })
    .await;
    sidecar.settled().await;
    let delivered: Vec<_> = receiver.received().iter().flat_map(Received::records).collect();
    assert_eq!(delivered, [json!({"id": "5", "key": "k"})], "{what}");
    end(&mut sidecar, &database).await;
}

/// The server has few slots, and this test many sidecars.
async fn end(sidecar: &mut Sidecar, database: &Database) {
    assert!(sidecar.stop().await.success());
    database.run(&format!("SELECT pg_drop_replication_slot('s_{}')", database.name)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_replica_identity_lacks_stops_reading_and_is_never_skipped() {
    for version in VERSIONS {
        for case in &CASES {
            let [update, delete] = CHANGES;
            tokio::join!(
                check_case(case, version, true, update),
                check_case(case, version, true, delete),
                check_case(case, version, false, update)
            );
        }
    }
}
