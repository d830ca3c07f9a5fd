//! What a receiver was told, and what the sidecar says of itself.

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
pub(crate) type Told = BTreeMap<String, Vec<Value>>;

fn told(receiver: &Receiver) -> Told {
    let mut told = Told::new();
    for request in receiver.received().iter().filter(|request| request.taken() && request.project() == "p") {
        told.entry(request.callback().to_owned()).or_default().extend(request.records());
    }
    told
}

/// Everything that project `p` was told up to now: a document of its own is the last word of each lane.
/// `insert` and `modify` are for tables of other shapes; `{id}` is its id.
pub(crate) async fn told_until_now(database: &Database, receiver: &Receiver) -> Told {
    told_until(
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

pub(crate) async fn told_until(database: &Database, receiver: &Receiver, last: [&str; 3]) -> Told {
    for sql in last {
        database.run(sql).await;
    }
    let is_last = |record: &Value| record["id"] == json!("999");
    let mut told = until("the last word of each lane", async || {
        let told = told(receiver);
        let ended = |callback: &str| told.get(callback).is_some_and(|lane| lane.iter().any(is_last));
        ["ingested", "modified", "excluded"].into_iter().all(ended).then_some(told)
    })
    .await;
    told.values_mut().for_each(|lane| lane.retain(|record| !is_last(record)));
    told.retain(|_, lane| !lane.is_empty());
    told
}

/// What was to be told, from (callback, record).
pub(crate) fn required(records: &[(&str, &str)]) -> Told {
    let mut required = Told::new();
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
