//! The records that a receiver got, and the sidecar's status.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::database::Database;
use crate::support::process::Sidecar;
use crate::support::receiver::Receiver;
use crate::support::until;

/// All webhooks to one receiver, at once.
pub(crate) fn to(receiver: &Receiver) -> String {
    format!(
        "[batch]\nwait_max_ms = 0\n[delivery]\nretry_schedule = [\"50ms\", \"100ms\"]\n\
         [[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{}/\"\n",
        receiver.url
    )
}

/// The records of project `p`, by callback, in their order.
pub(crate) type Delivered = BTreeMap<String, Vec<Value>>;

fn delivered(receiver: &Receiver) -> Delivered {
    let mut delivered = Delivered::new();
    for request in receiver.received().iter().filter(|request| request.taken() && request.project() == "p") {
        delivered.entry(request.callback().to_owned()).or_default().extend(request.records());
    }
    delivered
}

/// Every record of project `p` up to now: records of a document made for this mark the end of each lane.
/// `insert` and `modify` are for tables of other shapes; `{id}` is its id.
pub(crate) async fn records_until_now(database: &Database, receiver: &Receiver) -> Delivered {
    records_until(
        database,
        receiver,
        [
            "INSERT INTO documents (id, project_id, labels) VALUES (999, 'p', '{}')",
            "UPDATE documents SET labels = '{last}' WHERE id = 999",
            "DELETE FROM documents WHERE id = 999",
        ],
    )
    .await
}

pub(crate) async fn records_until(database: &Database, receiver: &Receiver, last: [&str; 3]) -> Delivered {
    for sql in last {
        database.run(sql).await;
    }
    let is_last = |record: &Value| record["id"] == json!("999");
    let mut delivered = until("the marker record of each lane", async || {
        let delivered = delivered(receiver);
        let ended = |callback: &str| delivered.get(callback).is_some_and(|lane| lane.iter().any(is_last));
        ["ingested", "modified", "excluded"].into_iter().all(ended).then_some(delivered)
    })
    .await;
    delivered.values_mut().for_each(|lane| lane.retain(|record| !is_last(record)));
    delivered.retain(|_, lane| !lane.is_empty());
    delivered
}

/// The records that must arrive, from (callback, record).
pub(crate) fn required(records: &[(&str, &str)]) -> Delivered {
    let mut required = Delivered::new();
    for (callback, record) in records {
        let record = serde_json::from_str(record).unwrap();
        required.entry((*callback).to_owned()).or_default().push(record);
    }
    required
}

/// Waits until the sidecar is not ready, for a reason with this in it.
pub(crate) async fn unready(sidecar: &Sidecar, because: &str) -> String {
    until(&format!("not ready: {because}"), async || {
        let (status, _) = sidecar.get("/-/ready")?;
        let detail = sidecar.status()?["source"]["detail"].as_str()?.to_owned();
        (status != 200 && detail.contains(because)).then_some(detail)
    })
    .await
}
