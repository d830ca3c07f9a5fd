//! Columns that come, go, and change their names and types.

use crate::schema::helpers::{Delivered, records_until, records_until_now, required, to, unready};
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::Receiver;
use crate::support::{VERSIONS, until};

const THREE: &str =
    "INSERT INTO documents (id, key, project_id, title) SELECT g, 'k', 'p', 't' FROM generate_series(1, 3) g";

const INGESTED: [&str; 3] = [r#"{"id":"1","key":"k"}"#, r#"{"id":"2","key":"k"}"#, r#"{"id":"3","key":"k"}"#];

/// A database with three documents, silently known to a sidecar that runs.
async fn started(version: u32, test: &str, receiver: &Receiver) -> (Database, Sidecar) {
    let database = Database::new(version, test).await;
    database.run(DOCUMENTS).await;
    database.run(THREE).await;
    let sidecar = Sidecar::start(&database, &to(receiver)).await;
    (database, sidecar)
}

fn labels(id: u32, label: &str) -> String {
    format!(r#"{{"id":"{id}","key":"k","labels":["{label}"]}}"#)
}

/// The records that follow from `steps`, each an SQL statement.
async fn records_of(version: u32, test: &str, steps: &[&str]) -> Delivered {
    let receiver = Receiver::start().await;
    let (database, _sidecar) = started(version, test, &receiver).await;
    for sql in steps {
        database.run(sql).await;
    }
    records_until_now(&database, &receiver).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_added_column_makes_no_record_until_a_value_in_it_changes() {
    for version in VERSIONS {
        let nullable = records_of(
            version,
            "nullable",
            &[
                "ALTER TABLE documents ADD more text",
                "UPDATE documents SET labels = '{a}' WHERE id = 1",
                "UPDATE documents SET more = 'm' WHERE id = 2",
                "UPDATE documents SET more = NULL WHERE id = 3",
            ],
        )
        .await;
        let expected = [("ingested", INGESTED[1]), ("modified", &labels(1, "a"))];
        assert_eq!(nullable, required(&expected), "nullable, PostgreSQL {version}");

        let constant = records_of(
            version,
            "constant",
            &[
                "ALTER TABLE documents ADD more int DEFAULT 5",
                "UPDATE documents SET labels = '{a}' WHERE id = 1",
                "UPDATE documents SET more = 6 WHERE id = 2",
                "UPDATE documents SET more = 5 WHERE id = 3",
                "UPDATE documents SET more = NULL WHERE id = 3",
            ],
        )
        .await;
        let expected = [("ingested", INGESTED[1]), ("ingested", INGESTED[2]), ("modified", &labels(1, "a"))];
        assert_eq!(constant, required(&expected), "constant default, PostgreSQL {version}");

        // What a row holds is learned when it is first seen; only then can it be seen to change.
        let volatile = records_of(
            version,
            "volatile",
            &[
                "ALTER TABLE documents ADD more uuid DEFAULT gen_random_uuid()",
                "UPDATE documents SET labels = '{a}' WHERE id = 1",
                "UPDATE documents SET labels = '{b}' WHERE id = 1",
                "UPDATE documents SET more = gen_random_uuid() WHERE id = 1",
            ],
        )
        .await;
        let expected =
            [("ingested", INGESTED[0]), ("modified", &labels(1, "a")), ("modified", &labels(1, "b"))];
        assert_eq!(volatile, required(&expected), "volatile default, PostgreSQL {version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_content_column_is_forgotten_and_a_renamed_one_is_another() {
    for version in VERSIONS {
        let dropped = records_of(
            version,
            "dropped",
            &[
                "ALTER TABLE documents DROP title",
                "UPDATE documents SET labels = '{a}' WHERE id = 1",
                "ALTER TABLE documents ADD title text",
                "UPDATE documents SET labels = '{b}' WHERE id = 1",
                "UPDATE documents SET title = 't' WHERE id = 2",
            ],
        )
        .await;
        let expected = [
            ("modified", labels(1, "a")),
            ("modified", labels(1, "b")),
            ("ingested", INGESTED[1].to_owned()),
        ];
        let expected: Vec<(&str, &str)> =
            expected.iter().map(|(lane, json)| (*lane, json.as_str())).collect();
        assert_eq!(dropped, required(&expected), "dropped, PostgreSQL {version}");

        // Its values are those of a new column, so each document is overwritten once.
        let renamed = records_of(
            version,
            "renamed",
            &[
                "ALTER TABLE documents RENAME title TO headline",
                "UPDATE documents SET labels = '{a}' WHERE id = 1",
                "UPDATE documents SET labels = '{b}' WHERE id = 1",
            ],
        )
        .await;
        let expected =
            [("ingested", INGESTED[0]), ("modified", &labels(1, "a")), ("modified", &labels(1, "b"))];
        assert_eq!(renamed, required(&expected), "renamed, PostgreSQL {version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retyped_column_changes_where_its_text_does() {
    for version in VERSIONS {
        let receiver = Receiver::start().await;
        let (database, _sidecar) = started(version, "retyped", &receiver).await;
        database.run("ALTER TABLE documents ADD n int DEFAULT 7").await;
        database.run("UPDATE documents SET n = 8 WHERE id = 1").await;
        // The catalog has a column's constant default only until the table is rewritten.
        until("the column to be known", async || (receiver.records_taken() == 1).then_some(())).await;
        for sql in [
            "ALTER TABLE documents ALTER n TYPE bigint",
            "UPDATE documents SET labels = '{a}' WHERE id = 1",
            "UPDATE documents SET labels = '{a}' WHERE id = 2",
            "ALTER TABLE documents ALTER n TYPE numeric(6, 2)",
            "UPDATE documents SET labels = '{b}' WHERE id = 1",
            "ALTER TABLE documents ALTER labels TYPE jsonb USING to_jsonb(labels)",
            "UPDATE documents SET title = title WHERE id = 1",
            r#"UPDATE documents SET labels = '["c"]' WHERE id = 1"#,
        ] {
            database.run(sql).await;
        }
        let last = [
            "INSERT INTO documents (id, project_id, labels) VALUES (999, 'p', '[]')",
            "UPDATE documents SET labels = '9' WHERE id = 999",
            "DELETE FROM documents WHERE id = 999",
        ];
        let delivered = records_until(&database, &receiver, last).await;
        let expected = [
            ("ingested", INGESTED[0].to_owned()),
            ("modified", labels(1, "a")),
            ("modified", labels(2, "a")),
            // 8 became 8.00.
            ("ingested", INGESTED[0].to_owned()),
            ("modified", labels(1, "b")),
            // {b} became ["b"], which is seen at the next update.
            ("modified", labels(1, "b")),
            ("modified", labels(1, "c")),
        ];
        let expected: Vec<(&str, &str)> =
            expected.iter().map(|(lane, json)| (*lane, json.as_str())).collect();
        assert_eq!(delivered, required(&expected), "PostgreSQL {version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapped_column_that_goes_stops_the_stream_before_and_its_successor_lets_it_go_on() {
    let changes = [
        ("gone", "ALTER TABLE documents DROP labels, ADD tags text[]"),
        ("renamed", "ALTER TABLE documents RENAME labels TO tags"),
    ];
    for version in VERSIONS {
        for (test, ddl) in changes {
            let receiver = Receiver::start().await;
            let (database, mut sidecar) = started(version, test, &receiver).await;
            database.run("UPDATE documents SET labels = '{a}' WHERE id = 1").await;
            database.run(ddl).await;
            database.run("UPDATE documents SET tags = '{b}' WHERE id = 1").await;
            database.run("DELETE FROM documents WHERE id = 2").await;
            let message = unready(&sidecar, "names the column `labels`").await;
            assert!(message.contains("tags"), "the columns that there are: {message}");
            until("what came before", async || (receiver.records_taken() == 1).then_some(())).await;

            assert!(sidecar.stop().await.success());
            sidecar.configure(&database, &format!("[documents]\nlabels = \"tags\"\n{}", to(&receiver)));
            sidecar.spawn();
            sidecar.ready().await;
            let last = [
                "INSERT INTO documents (id, project_id, tags) VALUES (999, 'p', '{}')",
                "UPDATE documents SET tags = '{last}' WHERE id = 999",
                "DELETE FROM documents WHERE id = 999",
            ];
            let delivered = records_until(&database, &receiver, last).await;
            let expected = [
                ("modified", labels(1, "a")),
                ("modified", labels(1, "b")),
                ("excluded", INGESTED[1].to_owned()),
            ];
            let expected: Vec<(&str, &str)> =
                expected.iter().map(|(lane, json)| (*lane, json.as_str())).collect();
            assert_eq!(delivered, required(&expected), "{test}, PostgreSQL {version}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_of_a_domain_are_sent_as_its_base_type() {
    for version in VERSIONS {
        let database = Database::new(version, "domain").await;
        database
            .run(
                "CREATE DOMAIN word AS text CHECK (value <> ''); CREATE DOMAIN words AS word[]; CREATE DOMAIN facts AS jsonb;
                 CREATE DOMAIN counts AS int[];
                 CREATE TABLE documents (id bigint PRIMARY KEY, key text, project_id text, labels words, predicted_labels facts, extra counts)",
            )
            .await;
        let receiver = Receiver::start().await;
        let settings = format!("[documents]\nsimilarity = \"\"\nexcluded = \"\"\n{}", to(&receiver));
        let _sidecar = Sidecar::start(&database, &settings).await;
        database.run("INSERT INTO documents VALUES (1, 'k', 'p')").await;
        database.run("UPDATE documents SET labels = '{\"a b\",NULL,c}' WHERE id = 1").await;
        database.run(r#"UPDATE documents SET predicted_labels = '{"n": [1.50, null]}' WHERE id = 1"#).await;
        let delivered = records_until_now(&database, &receiver).await;
        let expected = [
            ("ingested", INGESTED[0]),
            ("modified", r#"{"id":"1","key":"k","labels":["a b",null,"c"]}"#),
            ("modified", r#"{"id":"1","key":"k","predicted_labels":{"n":[1.50,null]}}"#),
        ];
        assert_eq!(delivered, required(&expected), "PostgreSQL {version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_ignored_is_no_content_and_what_is_not_is() {
    for version in VERSIONS {
        let database = Database::new(version, "ignore").await;
        database.run(DOCUMENTS).await;
        database.run("ALTER TABLE documents ADD views int").await;
        database.run(THREE).await;
        let receiver = Receiver::start().await;
        let ignore = "[documents]\nignore = [\"views\", \"created_at\", \"no_such_column\"]\n";
        let _sidecar = Sidecar::start(&database, &format!("{ignore}{}", to(&receiver))).await;
        database.run("UPDATE documents SET views = 1, created_at = '2000-01-01'").await;
        database.run("UPDATE documents SET views = 2, updated_at = '2000-01-01' WHERE id = 2").await;
        database.run("ALTER TABLE documents ADD no_such_column int").await;
        database.run("UPDATE documents SET no_such_column = 1").await;
        let delivered = records_until_now(&database, &receiver).await;
        assert_eq!(delivered, required(&[("ingested", INGESTED[1])]), "PostgreSQL {version}");
    }
}
