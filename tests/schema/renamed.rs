//! The table is renamed, or moved to another schema, and changed under its other name: it is the same table.

use crate::schema::helpers::{records_until_now, required, to};
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::{Received, Receiver};
use crate::support::{VERSIONS, until};

/// A name and how the table is given another one; `{}` is where it is changed under that.
const WAYS: [(&str, &str); 4] = [
    ("rename", "ALTER TABLE documents RENAME TO other; {other}; ALTER TABLE other RENAME TO documents"),
    (
        "move",
        "CREATE SCHEMA away; ALTER TABLE documents SET SCHEMA away; {away.documents}; ALTER TABLE away.documents SET SCHEMA public",
    ),
    (
        "both",
        "CREATE SCHEMA away; ALTER TABLE documents SET SCHEMA away; ALTER TABLE away.documents RENAME TO other; {away.other};
         ALTER TABLE away.other SET SCHEMA public; ALTER TABLE other RENAME TO documents",
    ),
    (
        "schema",
        "ALTER SCHEMA public RENAME TO away; {away.documents}; ALTER SCHEMA away RENAME TO public",
    ),
];

/// The statements, with an UPDATE of document 1 in the middle of them.
fn statements(way: &str) -> Vec<String> {
    way.split(';')
        .map(|statement| match statement.trim().strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => format!("UPDATE {name} SET labels = '{{a}}' WHERE id = 1"),
            None => statement.trim().to_owned(),
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_under_another_name_of_the_table_is_delivered() {
    for version in VERSIONS {
        for (name, way) in WAYS {
            for (how, running, one_transaction) in [
                ("running", true, false),
                ("stopped", false, false),
                ("running in one", true, true),
                ("stopped in one", false, true),
            ] {
                let database = Database::new(version, name).await;
                database.run(DOCUMENTS).await;
                database.run("INSERT INTO documents (id, key, project_id) VALUES (1, 'k', 'p')").await;
                let receiver = Receiver::start().await;
                let mut sidecar = Sidecar::start(&database, &to(&receiver)).await;
                if !running {
                    assert!(sidecar.stop().await.success());
                }
                if one_transaction {
                    database.run(&statements(way).join(";")).await;
                } else {
                    for statement in statements(way) {
                        database.run(&statement).await;
                    }
                }
                if !running {
                    sidecar.spawn();
                    sidecar.ready().await;
                }
                until("the change", async || (receiver.records_taken() > 0).then_some(())).await;
                let delivered = records_until_now(&database, &receiver).await;
                let expected = [("modified", r#"{"id":"1","key":"k","labels":["a"]}"#)];
                assert_eq!(delivered, required(&expected), "{name}, {how}, PostgreSQL {version}");
                // The server has few slots, and this test many sidecars.
                assert!(sidecar.stop().await.success());
                database.run(&format!("SELECT pg_drop_replication_slot('s_{}')", database.name)).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_stays_renamed_is_followed_by_a_new_start_and_under_its_new_setting() {
    for version in VERSIONS {
        let database = Database::new(version, "stays").await;
        database.run(DOCUMENTS).await;
        database.run("INSERT INTO documents (id, key, project_id) VALUES (1, 'k', 'p')").await;
        let receiver = Receiver::start().await;
        let mut sidecar = Sidecar::start(&database, &to(&receiver)).await;
        let relabelled = async |label: &str, delivered: usize| {
            database.run(&format!("UPDATE papers SET labels = '{{{label}}}' WHERE id = 1")).await;
            until(&format!("the label {label}"), async || {
                (receiver.records_taken() >= delivered).then_some(())
            })
            .await;
        };
        database.run("ALTER TABLE documents RENAME TO papers").await;
        relabelled("running", 1).await;
        assert!(sidecar.stop().await.success());
        sidecar.spawn();
        sidecar.ready().await;
        assert!(sidecar.log().contains("public.documents is public.papers now"), "{}", sidecar.log());
        relabelled("started", 2).await;
        assert!(sidecar.stop().await.success());
        let settings = to(&receiver) + "[documents]\ntable = \"public.papers\"\n";
        sidecar.configure(&database, &settings);
        sidecar.spawn();
        sidecar.ready().await;
        relabelled("set", 3).await;
        let labels: Vec<_> = (receiver.received().iter().flat_map(Received::records))
            .map(|record| record["labels"][0].clone())
            .collect();
        assert_eq!(labels, ["running", "started", "set"], "PostgreSQL {version}");
        assert!(sidecar.stop().await.success());
        database.run(&format!("SELECT pg_drop_replication_slot('s_{}')", database.name)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_renamed_is_the_same_one() {
    for version in VERSIONS {
        let database = Database::new(version, "dbname").await;
        database.run(DOCUMENTS).await;
        database.run("INSERT INTO documents (id, key, project_id) VALUES (1, 'k', 'p')").await;
        let receiver = Receiver::start().await;
        let mut sidecar = Sidecar::start(&database, &to(&receiver)).await;
        assert!(sidecar.stop().await.success());
        database.run("UPDATE documents SET labels = '{before}' WHERE id = 1").await;
        let (name, url) = (database.name.clone(), database.url.clone());
        let slot = format!("s_{name}");
        let maintenance = Database::at(version, "postgres", &url.replace(&name, "postgres")).await;
        drop(database);
        // Its last session takes a moment to end.
        until("the database to be renamed", async || {
            maintenance.client.batch_execute(&format!("ALTER DATABASE {name} RENAME TO {name}_b")).await.ok()
        })
        .await;
        let renamed = Database::at(version, &name, &format!("{url}_b")).await;
        sidecar.configure(&renamed, &to(&receiver));
        sidecar.spawn();
        sidecar.ready().await;
        renamed.run("UPDATE documents SET labels = '{after}' WHERE id = 1").await;
        until("both labels", async || (receiver.records_taken() >= 2).then_some(())).await;
        let labels: Vec<_> = (receiver.received().iter().flat_map(Received::records))
            .map(|record| record["labels"][0].clone())
            .collect();
        assert_eq!(labels, ["before", "after"], "PostgreSQL {version}");
        assert!(sidecar.stop().await.success());
        renamed.run(&format!("SELECT pg_drop_replication_slot('{slot}')")).await;
    }
}
