//! The requests that receivers get, as the `webhooks` of the description. Pure.

use serde_json::{Map, Value, json};

use super::bodies::reference;
use crate::record::Callback;

/// One request for each callback.
pub(super) fn webhooks() -> Value {
    let webhooks = Callback::ALL.map(|callback| {
        let operation = json!({
            "operationId": format!("receive_{}", callback.name()),
            "summary": summary(callback),
            "description": format!(
                "A batch of records. Its body, and its `webhook-id`, are the same on every attempt. The schema of the body alone \
                 is `/api/schemas/{}.json`.",
                callback.name()
            ),
            "tags": ["receivers"],
            "security": [],
            "parameters": headers(),
            "requestBody": {
                "required": true,
                "content": { "application/json": { "schema": reference(callback) } },
            },
            "responses": {
                "2XX": { "description": "The receiver has taken the batch." },
                "default": { "description": "It has not: the batch is sent again by `delivery.retry_schedule`." },
            },
        });
        (callback.name().to_owned(), json!({ "post": operation }))
    });
    Value::Object(Map::from_iter(webhooks))
}

fn summary(callback: Callback) -> &'static str {
    match callback {
        Callback::Excluded => "Documents were soft-deleted, deleted or moved to another project.",
        Callback::Ingested => "Documents were inserted, restored, moved into the project or overwritten.",
        Callback::Modified => "Labels, predicted labels or similarity entries of documents were changed.",
    }
}

fn headers() -> Vec<Value> {
    let header = |(name, required, about): &(&str, bool, &str)| {
        let schema = json!({ "type": "string" });
        json!({ "name": name, "in": "header", "required": required, "description": about, "schema": schema })
    };
    HEADERS.iter().map(header).collect()
}

/// Those that begin with `sidecar-` begin with `delivery.header_prefix` where it is set.
const HEADERS: &[(&str, bool, &str)] = &[
    ("webhook-id", true, "The id of the batch, a UUIDv7: the same on every attempt."),
    ("webhook-timestamp", true, "When this attempt was made, in seconds since 1970."),
    ("webhook-signature", false, "Standard Webhooks signatures, where the webhook has a secret."),
    ("sidecar-project", true, "The project, percent-encoded."),
    ("sidecar-callback", true, "The callback."),
    ("sidecar-attempt", true, "1, 2, …"),
    ("sidecar-epoch", true, "The history that the positions are of."),
    ("sidecar-positions", true, "`FIRST..LAST`: within a lane and epoch they only grow."),
    ("sidecar-replay", false, "The id of the replay, on replayed batches and redelivered dead letters only."),
    ("sidecar-test", false, "`1` on requests that only test the webhook."),
];
