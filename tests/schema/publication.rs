//! The publication changed under us, and the table taken away.

use crate::schema::helpers::{records_until_now, required, to, unready};
use crate::support::VERSIONS;
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::{Received, Receiver};
use crate::support::until;

/// What is changed in the publication `{p}`, and the message that follows.
const CHANGES: &[(&str, &str, &str)] = &[
    ("removed", "ALTER PUBLICATION {p} DROP TABLE documents", "does not contain the table"),
    ("filter", "ALTER PUBLICATION {p} SET TABLE documents WHERE (id < 0)", "row filter"),
    ("list", "ALTER PUBLICATION {p} SET TABLE documents (id, project_id)", "column list"),
    ("reduced", "ALTER PUBLICATION {p} SET (publish = 'insert')", "lacks insert, update, delete or truncate"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_that_gives_less_stops_reading_until_it_is_cured() {
    let cases = VERSIONS.iter().flat_map(|version| CHANGES.iter().map(move |change| (*version, *change)));
    futures_util::future::join_all(
        cases.map(|(version, (name, sql, message))| gives_less(version, name, sql, message)),
    )
    .await;
}

async fn gives_less(version: u32, name: &'static str, sql: &'static str, because: &'static str) {
    let receiver = Receiver::start().await;
    let database = Database::new(version, name).await;
    database.run(DOCUMENTS).await;
    let sidecar = Sidecar::start(&database, &to(&receiver)).await;
    database.run("INSERT INTO documents (id, key, project_id) VALUES (1, 'k', 'p')").await;
    database.run(&sql.replace("{p}", &format!("p_{}", database.name))).await;
    let message = unready(&sidecar, because).await;
    assert!(message.contains("may be missing from the stream"), "{message}");
    let cure = message.lines().find_map(|line| line.trim().strip_prefix("fix: ")).expect(&message);
    database.run(cure).await;
    sidecar.ready().await;
    assert!(
        sidecar.log().contains("may be missing: `sidecar resync` sends the differences"),
        "the gap is logged"
    );
    database.run("UPDATE documents SET title = 't' WHERE id = 1").await;
    let delivered = records_until_now(&database, &receiver).await;
    let twice = [("ingested", r#"{"id":"1","key":"k"}"#), ("ingested", r#"{"id":"1","key":"k"}"#)];
    assert_eq!(delivered, required(&twice), "{name}, PostgreSQL {version}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_a_publication_that_gives_less_is_refused_with_the_cure() {
    for version in VERSIONS {
        let receiver = Receiver::start().await;
        let database = Database::new(version, "less").await;
        database.run(DOCUMENTS).await;
        let mut sidecar = Sidecar::start(&database, &to(&receiver)).await;
        assert!(sidecar.stop().await.success());
        let publication = format!("p_{}", database.name);
        database.run(&format!("ALTER PUBLICATION {publication} SET (publish = 'insert')")).await;
        sidecar.spawn();
        assert_eq!(sidecar.ended().await.code(), Some(78));
        let log = sidecar.log();
        assert!(
            log.contains("lacks insert, update, delete or truncate")
                && log.contains("fix: ALTER PUBLICATION"),
            "{log}"
        );
        assert!(log.contains("may be missing from the stream"), "{log}");
        database
            .run(&format!(
                "ALTER PUBLICATION {publication} SET (publish = 'insert, update, delete, truncate')"
            ))
            .await;
        sidecar.spawn();
        sidecar.ready().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_that_is_dropped_is_noticed_and_its_cure_named() {
    for version in VERSIONS {
        let receiver = Receiver::start().await;
        let database = Database::new(version, "unpublished").await;
        database.run(DOCUMENTS).await;
        let sidecar = Sidecar::start(&database, &to(&receiver)).await;
        database.run(&format!("DROP PUBLICATION p_{}", database.name)).await;
        database.run("INSERT INTO documents (id, key, project_id) VALUES (1, 'k', 'p')").await;
        let message = unready(&sidecar, "is gone").await;
        assert!(
            message.contains("pg_drop_replication_slot") && message.contains("CREATE PUBLICATION"),
            "{message}"
        );
        // Made again without the rest of the cure, the stream lacks what changed meanwhile: the
        // table is compared.
        database.run(&format!("CREATE PUBLICATION p_{} FOR TABLE documents", database.name)).await;
        database.run("INSERT INTO documents (id, key, project_id) VALUES (2, 'k', 'p')").await;
        until("both documents", async || (receiver.records_taken() >= 2).then_some(())).await;
        sidecar.idle().await;
        assert_eq!(delivered(&receiver), ["ingested 1", "ingested 2"], "PostgreSQL {version}");
        database.run("DELETE FROM documents WHERE id = 1").await;
        until("the stream to go on", async || (receiver.records_taken() >= 3).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_dropped_and_made_again_is_another_table() {
    for version in VERSIONS {
        let receiver = Receiver::start().await;
        let database = Database::new(version, "again").await;
        database.run(DOCUMENTS).await;
        let mut sidecar = Sidecar::start(&database, &to(&receiver)).await;
        database.run("INSERT INTO documents (id, key, project_id) VALUES (1, 'k', 'p')").await;
        database.run("DROP TABLE documents").await;
        unready(&sidecar, "there is no table").await;
        database.run(DOCUMENTS).await;
        database.run(&format!("ALTER PUBLICATION p_{} ADD TABLE documents", database.name)).await;
        until("what went with the old one", async || (receiver.records_taken() >= 2).then_some(())).await;
        sidecar.idle().await;
        assert_eq!(delivered(&receiver), ["excluded 1", "ingested 1"], "PostgreSQL {version}");
        assert_eq!(sidecar.resync_status().unwrap()["number"], 1, "PostgreSQL {version}");
        // The new one is known after a restart: nothing is compared again.
        assert!(sidecar.stop().await.success());
        sidecar.spawn();
        sidecar.ready().await;
        assert_eq!(sidecar.resync_status(), None, "PostgreSQL {version}");
    }
}

/// Where the publication holds whatever there is, the stream itself brings the other table's changes.
#[tokio::test(flavor = "multi_thread")]
async fn another_table_of_that_name_in_the_stream_stops_it_before_its_first_change() {
    for version in VERSIONS {
        let receiver = Receiver::start().await;
        let database = Database::new(version, "swapped").await;
        database.run(DOCUMENTS).await;
        database.run(&format!("CREATE PUBLICATION p_{} FOR ALL TABLES", database.name)).await;
        let sidecar = Sidecar::start(&database, &to(&receiver)).await;
        database.run("INSERT INTO documents (id, key, project_id) VALUES (1, 'k', 'p')").await;
        database
            .run(&format!(
                "ALTER TABLE documents RENAME TO documents_old; {DOCUMENTS}
                 INSERT INTO documents (id, key, project_id) VALUES (2, 'k', 'p')"
            ))
            .await;
        until("what is different", async || (receiver.records_taken() >= 3).then_some(())).await;
        sidecar.idle().await;
        assert_eq!(delivered(&receiver), ["excluded 1", "ingested 1", "ingested 2"], "PostgreSQL {version}");
    }
}

/// Callback and id of every record, sorted.
fn delivered(receiver: &Receiver) -> Vec<String> {
    let delivered = |request: &Received| {
        let callback = request.callback().to_owned();
        request
            .records()
            .into_iter()
            .map(move |record| format!("{callback} {}", record["id"].as_str().unwrap()))
    };
    let mut all: Vec<String> = receiver.received().iter().flat_map(delivered).collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn attached_and_detached_partitions_are_logged() {
    for version in VERSIONS {
        let receiver = Receiver::start().await;
        let database = Database::new(version, "parts").await;
        database
            .run(
                "CREATE TABLE documents (id bigint PRIMARY KEY, key text, project_id text, labels text[]) PARTITION BY RANGE (id);
                 CREATE TABLE d1 PARTITION OF documents FOR VALUES FROM (0) TO (100);
                 CREATE TABLE d2 PARTITION OF documents FOR VALUES FROM (100) TO (1000);
                 CREATE TABLE d3 (LIKE documents INCLUDING ALL); INSERT INTO d3 VALUES (1001, 'k', 'p')",
            )
            .await;
        let settings = format!(
            "[documents]\npredicted_labels = \"\"\nsimilarity = \"\"\nexcluded = \"\"\n{}",
            to(&receiver)
        );
        let sidecar = Sidecar::start(&database, &settings).await;
        database.run("INSERT INTO documents VALUES (1, 'k', 'p')").await;
        database.run("ALTER TABLE documents DETACH PARTITION d1").await;
        database.run("ALTER TABLE documents ATTACH PARTITION d3 FOR VALUES FROM (1000) TO (2000)").await;
        crate::support::until("both in the log", async || {
            let log = sidecar.log();
            let both = log.contains("public.d1 of documents was detached")
                && log.contains("public.d3 of documents is new");
            both.then_some(())
        })
        .await;
        // The stream goes on, and what it lacks is not sent.
        let delivered = records_until_now(&database, &receiver).await;
        assert_eq!(delivered, required(&[("ingested", r#"{"id":"1","key":"k"}"#)]), "PostgreSQL {version}");
    }
}
