//! A webhook that takes some properties of `modified` only.

use serde_json::json;

use crate::operations::fixture::{output_text, release, run};
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::{Received, Receiver};
use crate::support::{VERSIONS, until};

fn settings(receiver: &Receiver, properties: &str) -> String {
    format!(
        "[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{}/\"\nwait_max_ms = 0\n{properties}",
        receiver.url
    )
}

/// One record of each property, and an `excluded` behind them.
async fn change_all(database: &Database, id: u32) {
    database.run(&format!("INSERT INTO documents (id, project_id) VALUES ({id}, 'p')")).await;
    let similar = r#"[{"similar_doc_id": "7", "similarity_label": "near"}]"#;
    database
        .run(&format!(
            "UPDATE documents SET labels = '{{a}}', predicted_labels = '{{b}}', similarity = '{similar}' WHERE id = {id}"
        ))
        .await;
    database.run(&format!("DELETE FROM documents WHERE id = {id}")).await;
}

/// The last member of each `modified` record that came, once the `excluded` came.
async fn modified(receiver: &Receiver) -> Vec<String> {
    until("the excluded", async || {
        receiver.received().iter().any(|request| request.callback() == "excluded").then_some(())
    })
    .await;
    let received = receiver.received();
    let of = received.iter().filter(|request| request.callback() == "modified");
    let records = of.flat_map(Received::records);
    let last = records.map(|record| record.as_object().unwrap().keys().next_back().unwrap().clone());
    receiver.forget();
    last.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_gets_the_properties_that_it_names_and_a_reload_changes_them() {
    for version in VERSIONS {
        let receiver = Receiver::start().await;
        let database = Database::new(version, "operations_properties").await;
        database.run(DOCUMENTS).await;
        let mut sidecar = Sidecar::start(&database, &settings(&receiver, "properties = [\"labels\"]")).await;
        change_all(&database, 1).await;
        assert_eq!(modified(&receiver).await, ["labels"]);
        let status = sidecar.status().unwrap();
        let lane = json!({"project": "p", "callback": "modified", "records": 2});
        assert_eq!(status["filtered"], json!({"records": 2, "lanes": [lane], "more_lanes": 0}));
        assert_eq!(status["not_kept"]["records"], 0);
        for (property, records) in [("labels", 0), ("predicted_labels", 1), ("similarity", 1)] {
            let name = format!("sidecar_records_filtered_total{{property=\"{property}\"}}");
            assert_eq!(sidecar.metric(&name), records, "{name}");
        }
        assert_eq!(sidecar.metric("sidecar_records_total{callback=\"modified\"}"), 3, "all are made");
        let text = output_text(&run(&sidecar, &["status"]).await);
        assert!(text.contains("filtered 2 records since the start"), "{text}");

        let properties = "properties = [\"similarity\", \"predicted_labels\"]";
        sidecar.reload(&database, &settings(&receiver, properties)).await;
        change_all(&database, 2).await;
        assert_eq!(modified(&receiver).await, ["predicted_labels", "similarity_label"]);
        sidecar.reload(&database, &settings(&receiver, "")).await;
        change_all(&database, 3).await;
        assert_eq!(modified(&receiver).await, ["labels", "predicted_labels", "similarity_label"]);
        assert_eq!(sidecar.status().unwrap()["filtered"]["records"], 3, "no more since");
        sidecar.stop().await;
        release(&database).await;
    }
}
