//! Operators get one signed message for each change of state, and none for each record.

use serde_json::Value;
use standardwebhooks::Webhook;

use crate::operations::fixture::{release, settings};
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::{Answer, Receiver};
use crate::support::until;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The alerts that were taken, after their signatures.
fn alerts(receiver: &Receiver) -> Vec<Value> {
    let verifier = Webhook::new(SECRET).unwrap();
    let taken = receiver.received().into_iter().filter(|received| received.status < 300);
    taken
        .map(|received| {
            let headers = received.headers.iter().map(|(name, value)| {
                (name.parse::<hyper::header::HeaderName>().unwrap(), value.parse().unwrap())
            });
            verifier.verify(&received.body, &headers.collect::<hyper::HeaderMap>()).unwrap();
            assert_eq!(received.header("authorization"), "Bearer on-call");
            serde_json::from_slice(&received.body).unwrap()
        })
        .collect()
}

async fn alert(receiver: &Receiver, kind: &str) -> Value {
    until(&format!("the alert `{kind}`"), async || {
        alerts(receiver).into_iter().find(|alert| alert["alert"] == kind)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_of_state_is_one_signed_message_with_owner_remedy_and_forecast() {
    let database = Database::new(18, "operations_alerts").await;
    database.run(DOCUMENTS).await;
    let (receiver, operators) = (Receiver::start().await, Receiver::start().await);
    let more = format!(
        "{}owner = \"search team\"\n[alerts]\nurl = \"{}/\"\nheaders = {{ authorization = \"Bearer on-call\" }}\nsecret = \"{SECRET}\"\nfailing_after = \"300ms\"\n",
        settings(&receiver, ""),
        operators.url
    );
    let mut sidecar = Sidecar::start(&database, &more).await;
    // The first attempt at every alert fails: it is made again with the same id.
    let seen = std::sync::Mutex::new(std::collections::HashSet::new());
    operators.answers(move |received| {
        let is_first = seen.lock().unwrap().insert(received.header("webhook-id").to_owned());
        Answer::Status(if is_first { 503 } else { 204 })
    });
    receiver.answers(|_| Answer::Status(404));
    database
        .run("INSERT INTO documents (id, project_id) SELECT n, 'p' || n FROM generate_series(1, 30) n")
        .await;
    let found = alert(&operators, "needs_owner").await;
    assert_eq!((&found["class"], &found["webhook_count"]), (&"set-up".into(), &30.into()), "{found}");
    let webhook = &found["webhooks"][0];
    assert_eq!((&webhook["owner"], &webhook["callback"]), (&"search team".into(), &"ingested".into()));
    for part in ["since", "give_up_at"] {
        assert!(webhook[part].as_str().is_some_and(|time| time.ends_with('Z')), "{part} in {found}");
    }
    let text = found["text"].as_str().unwrap();
    assert!(
        text.contains("404") && text.contains("needs its owner") && text.contains("and 27 more"),
        "{text}"
    );
    receiver.answers(|_| Answer::Status(204));
    let recovered = alert(&operators, "recovered").await;
    assert_eq!(recovered["webhook_count"], 30, "{recovered}");
    receiver.answers(|_| Answer::Status(410));
    database.run("INSERT INTO documents (id, project_id) VALUES (100, 'p1')").await;
    let paused = alert(&operators, "paused").await;
    assert_eq!(paused["webhooks"][0]["project"], "p1", "{paused}");
    assert_eq!(alerts(&operators).len(), 3, "{:?}", alerts(&operators));
    assert_eq!(sidecar.metric("sidecar_alerts_total{alert=\"paused\",outcome=\"posted\"}"), 1);
    sidecar.stop().await;
    release(&database).await;
}
