//! One transaction of many rows, with `delivery.surge`.

use crate::operations::fixture::release;
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::Receiver;
use crate::support::{VERSIONS, until};

#[tokio::test(flavor = "multi_thread")]
async fn one_transaction_of_many_rows_holds_its_project_and_no_other() {
    for version in VERSIONS {
        let receiver = Receiver::start().await;
        let database = Database::new(version, "operations_surge").await;
        database.run(DOCUMENTS).await;
        let webhook = format!("[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{}/\"", receiver.url);
        let settings = format!(
            "[batch]\nwait_max_ms = 0\n[delivery]\nsurge = {{ records = 300, within = \"1h\" }}\n{webhook}\n"
        );
        let mut sidecar = Sidecar::start(&database, &settings).await;
        database
            .run("INSERT INTO documents (id, project_id) SELECT n, 'flood' FROM generate_series(1, 4000) n")
            .await;
        database.run("UPDATE documents SET labels = '{a}' WHERE id < 100").await;
        database.run("INSERT INTO documents (id, project_id) VALUES (9000, 'calm')").await;
        until("the calm record", async || {
            receiver.received().iter().any(|request| request.project() == "calm").then_some(())
        })
        .await;
        let lane = |callback: &'static str| {
            let status = sidecar.status()?;
            let lanes = status["lanes"].as_array()?.clone();
            lanes.into_iter().find(|lane| lane["project"] == "flood" && lane["callback"] == callback)
        };
        let reason = until("the reason", async || {
            let reason = lane("ingested")?["reason"].as_str()?.to_owned();
            reason.contains("99 modified").then_some(reason)
        })
        .await;
        assert!(reason.starts_with("4,000 ingested, 99 modified in "), "{reason}");
        assert!(reason.contains(", 4,000 of them from 0-"), "{reason}");
        assert_eq!(lane("modified").unwrap()["state"], "paused", "a lane that comes later is held, too");
        // Records up to the limit may have been sent before.
        let taken = receiver.received().into_iter().filter(|request| request.project() == "flood");
        let taken: usize = taken.map(|request| request.records().len()).sum();
        assert!(taken <= 300, "{taken}");
        assert_eq!(sidecar.metric("sidecar_surges_total"), 1);
        let lines = sidecar.log().matches("than `delivery.surge` allows").count();
        assert_eq!(lines, 1, "{}", sidecar.log());
        sidecar.stop().await;
        release(&database).await;
    }
}
