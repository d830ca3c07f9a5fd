//! A column that the settings name is missing when the sidecar starts again: as in a service that runs,
//! delivery goes on, and reading waits.

use crate::operations::fixture::{release, settings};
use crate::support::database::Database;
use crate::support::process::Sidecar;
use crate::support::receiver::{Answer, Receiver};
use crate::support::{VERSIONS, until};

const DOCUMENTS: &str = "
CREATE TABLE documents (
    row bigint PRIMARY KEY, id text NOT NULL UNIQUE, key text, project_id text, title text, labels text[],
    predicted_labels text[], similarity jsonb, deleted_at timestamptz)";

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_without_a_column_delivers_and_waits_for_it() {
    for version in VERSIONS {
        let database = Database::new(version, "operations_columns").await;
        database.run(DOCUMENTS).await;
        let receiver = Receiver::start().await;
        let documents = "[documents]\ncontent = [\"title\"]\n";
        let mut sidecar = Sidecar::start(&database, &settings(&receiver, documents)).await;
        for (at, column) in
            ["id", "key", "project_id", "title", "labels", "predicted_labels", "similarity", "deleted_at"]
                .into_iter()
                .enumerate()
        {
            receiver.answers(|_| Answer::Status(500));
            let insert = format!(
                "INSERT INTO documents (row, id, project_id, title) VALUES ({at}, 'd{at}', 'p', 't')"
            );
            database.run(&insert).await;
            until("a failure", async || receiver.received().iter().any(|r| !r.taken()).then_some(())).await;
            assert!(sidecar.stop().await.success());
            database.run(&format!("ALTER TABLE documents RENAME {column} TO gone")).await;
            sidecar.spawn();
            let detail = until("the reason", async || {
                let detail = sidecar.status()?["source"]["detail"].as_str()?.to_owned();
                detail.contains(column).then_some(detail)
            })
            .await;
            assert!(sidecar.is_running() && sidecar.get("/-/ready").unwrap().0 == 503, "{detail}");
            receiver.forget();
            receiver.answers(|_| Answer::Status(204));
            until(&format!("delivery without {column}"), async || {
                (receiver.records_taken() == 1).then_some(())
            })
            .await;
            database.run(&format!("ALTER TABLE documents RENAME gone TO {column}")).await;
            sidecar.ready().await;
            receiver.forget();
        }
        // More than that is wrong: it is refused as ever.
        assert!(sidecar.stop().await.success());
        database.run("ALTER TABLE documents DROP COLUMN labels").await;
        database.run(&format!("ALTER PUBLICATION p_{} SET (publish = 'insert')", database.name)).await;
        sidecar.spawn();
        assert_eq!(sidecar.ended().await.code(), Some(78), "{}", sidecar.log());
        release(&database).await;
    }
}
