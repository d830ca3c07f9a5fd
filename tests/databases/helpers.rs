//! The records that a receiver got.

use serde_json::json;

use crate::support::database::Database;
use crate::support::process::Sidecar;
use crate::support::receiver::Receiver;
use crate::support::until;

/// All webhooks to one receiver, at once.
pub(crate) fn to(receiver: &Receiver) -> String {
    format!(
        "[batch]\nwait_max_ms = 0\n[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{}/\"\n",
        receiver.url
    )
}

/// (callback, id) of every record but that of document `last`, which is inserted now in a lane with all
/// others, and is waited for. Then the receiver forgets its requests.
pub(crate) async fn delivered_before(
    database: &Database,
    receiver: &Receiver,
    last: u32,
) -> Vec<(String, String)> {
    database.run(&format!("INSERT INTO documents (id, project_id) VALUES ({last}, 'p')")).await;
    let last = json!(last.to_string());
    let mut delivered = until("the last document", async || {
        let received = receiver.received();
        let records = received.iter().filter(|request| request.taken()).flat_map(|request| {
            let callback = request.callback().to_owned();
            request.records().into_iter().map(move |record| (callback.clone(), record["id"].clone()))
        });
        let records: Vec<_> = records.collect();
        records.iter().any(|(_, id)| *id == last).then_some(records)
    })
    .await;
    receiver.forget();
    delivered.retain(|(_, id)| *id != last);
    delivered.into_iter().map(|(callback, id)| (callback, id.as_str().unwrap().to_owned())).collect()
}

pub(crate) fn ingested(ids: &[&str]) -> Vec<(String, String)> {
    ids.iter().map(|id| ("ingested".to_owned(), (*id).to_owned())).collect()
}

/// The server has few slots.
pub(crate) async fn close(mut sidecar: Sidecar, database: &Database) {
    assert!(sidecar.stop().await.success());
    database.run(&format!("SELECT pg_drop_replication_slot('s_{}')", database.name)).await;
}
