//! Defaults of a role's or a database's transactions that were meant for the application.

use crate::databases::helpers::{close, delivered_before, ingested, to};
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::Receiver;
use crate::support::{VERSIONS, until};

const DEFAULTS: [(&str, &str); 4] = [
    ("default_transaction_read_only", "on"),
    ("default_transaction_read_only", "1"),
    ("default_transaction_isolation", "serializable"),
    ("default_transaction_deferrable", "on"),
];

/// Whose default it is; `{}` is the database.
const PLACES: [&str; 3] = ["ROLE {}", "DATABASE {}", "ROLE {} IN DATABASE {}"];

#[tokio::test(flavor = "multi_thread")]
async fn a_default_of_transactions_keeps_the_sidecar_from_nothing_and_doctor_names_it() {
    for version in VERSIONS {
        for (setting, value) in DEFAULTS {
            for place in PLACES {
                let mut database = Database::new(version, "defaults").await;
                let name = database.name.clone();
                database.run(DOCUMENTS).await;
                database.run("INSERT INTO documents (id, project_id) VALUES (1, 'p'), (2, 'p')").await;
                let role = format!("CREATE ROLE {name} SUPERUSER LOGIN REPLICATION");
                database
                    .run(&format!("{role}; ALTER {} SET {setting} = '{value}'", place.replace("{}", &name)))
                    .await;
                database.url = database.url.replace("postgres@", &format!("{name}@"));
                let receiver = Receiver::start().await;
                let mut sidecar = Sidecar::prepare(&database, &to(&receiver));
                let what = format!("{setting} = {value} of {place}, {version}");

                let doctor = sidecar.command("doctor").output().unwrap();
                let message = String::from_utf8_lossy(&doctor.stdout).into_owned();
                assert!(doctor.status.success(), "{what}: {message}");
                assert_eq!(
                    message.contains("default_transaction_read_only is on"),
                    setting.ends_with("only"),
                    "{message}"
                );
                let setup = sidecar.command("setup").output().unwrap();
                assert!(setup.status.success(), "{what}: {}", String::from_utf8_lossy(&setup.stderr));
                sidecar.spawn();
                sidecar.ready().await;
                database.run("UPDATE documents SET title = 'u' WHERE id = 1").await;
                assert_eq!(delivered_before(&database, &receiver, 90).await, ingested(&["1"]), "{what}");

                // Slot and publication are made again while it runs.
                assert!(sidecar.stop().await.success());
                let teardown = sidecar.command("teardown").output().unwrap();
                assert!(teardown.status.success(), "{what}: {}", String::from_utf8_lossy(&teardown.stderr));
                database.run("UPDATE documents SET title = 'u' WHERE id = 2").await;
                sidecar.spawn();
                until("the comparison", async || (receiver.records_taken() > 0).then_some(())).await;
                assert_eq!(delivered_before(&database, &receiver, 91).await, ingested(&["2"]), "{what}");
                close(sidecar, &database).await;
            }
        }
    }
}
