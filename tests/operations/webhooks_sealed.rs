//! Secrets of webhooks that are kept in the spool.

use serde_json::json;

use super::fixture::release;
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::Receiver;
use crate::support::until;

const SECRET: &str = "Geheim, known to the receiver alone";
const WEBHOOK: &str = "/api/v1/webhooks/p/*";

fn settings(keys: &[&str]) -> String {
    let keys: Vec<String> = keys.iter().map(|digit| format!("\"{}\"", digit.repeat(64))).collect();
    format!("key = [{}]\n", keys.join(", "))
}

fn contains(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_in_plain_text_are_encrypted_and_outlive_a_change_of_the_key() {
    let database = Database::new(18, "webhooks_sealed").await;
    database.run(DOCUMENTS).await;
    let receiver = Receiver::start().await;
    let mut sidecar = Sidecar::start(&database, &settings(&["1"])).await;
    let change = json!({
        "url": format!("{}/?key=Geheim", receiver.url),
        "auth": {"bearer": "Geheim"},
        "secret": SECRET,
        "wait_max_ms": 1,
    });
    let (status, set) = sidecar.request("PATCH", WEBHOOK, &change.to_string()).unwrap();
    assert!(status == 200 && !set.contains("Geheim"), "{status}: {set}");
    for (id, keys) in (1..).zip([&["1"][..], &["2", "1"], &["2"]]) {
        sidecar.stop().await;
        sidecar.configure(&database, &settings(keys));
        sidecar.spawn();
        sidecar.ready().await;
        database.run(&format!("INSERT INTO documents (id, project_id) VALUES ({id}, 'p')")).await;
        until("the record", async || (receiver.records_taken() == id).then_some(())).await;
        let request = receiver.received().pop().unwrap();
        assert_eq!((request.path.as_str(), request.header("authorization")), ("/", "Bearer Geheim"));
        let signed = standardwebhooks::Webhook::from_bytes(SECRET.as_bytes().to_vec()).unwrap();
        let headers =
            request.headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        signed.verify(&request.body, &headers.collect::<hyper::HeaderMap>()).unwrap();
    }
    sidecar.stop().await;
    for file in std::fs::read_dir(sidecar.spool()).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        assert!(!contains(&bytes, "Geheim"), "{}", path.display());
    }
    // Without its key, the sidecar does not start: the records would go elsewhere, or unsigned.
    sidecar.configure(&database, &settings(&["3"]));
    sidecar.spawn();
    assert!(!sidecar.ended().await.success());
    assert!(sidecar.log().contains("`spool.key`") && !sidecar.log().contains("Geheim"));
    release(&database).await;
}
