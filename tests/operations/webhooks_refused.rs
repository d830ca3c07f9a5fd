//! What is refused when a webhook is set: the field, the reason and what to do, and nothing is changed.

use serde_json::{Value, json};

use super::fixture::release;
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;

/// A change, the field that the error names, and a part of the reason.
fn refused() -> Vec<(Value, &'static str, &'static str)> {
    let url = |url: &str| json!({ "url": url });
    let long = "x".repeat(70_000);
    vec![
        (url("ftp://h/"), "url", "http:// or https://"),
        (url("h/geheim"), "url", "http:// or https://"),
        (url("http://geheim@h/"), "url", "a login in a URL"),
        (url("http://u:geheim@h/"), "url", "a login in a URL"),
        (url("http://h/x#geheim"), "url", "never sent"),
        (url("http://h:0/"), "url", "port 0"),
        (url("http://h:65536/"), "url", "invalid port"),
        (url("http://h/a b"), "url", "%20"),
        (url("http://h/a\r\nb: c"), "url", "control characters"),
        (url(&format!("http://h/{long}")), "url", "65,534"),
        (url("http://{project}/"), "url", "the path and the query"),
        (url("http://h/{other}"), "url", "%7B"),
        (url("http://h/…"), "url", "not shown"),
        (json!({"headers": {"a b": {"env": "FINE"}}}), "headers.a b", "letters"),
        (json!({"headers": {"": {"env": "FINE"}}}), "headers.", "not empty"),
        (json!({"headers": {"a\r\nb": {"env": "FINE"}}}), "headers.a", "letters"),
        (json!({"headers": {"a": {"env": "BROKEN"}}}), "headers.a", "no line break"),
        (json!({"headers": {"a": {"env": "LONG"}}}), "headers", "names and values take more than"),
        (json!({"headers": {"a": {"env": "MISSING"}}}), "headers.a", "`MISSING`"),
        (json!({"headers": {"a": {"file": "/missing"}}}), "headers.a", "/missing"),
        (json!({"headers": {"a": "geheim"}}), "headers.a", "plain text"),
        (json!({"headers": {"a": "…"}}), "headers.a", "not shown"),
        (json!({"headers": {"host": {"env": "FINE"}}}), "headers.host", "reserved"),
        (json!({"headers": {"webhook-id": {"env": "FINE"}}}), "headers.webhook-id", "reserved"),
        (json!({"headers": {"sidecar-test": {"env": "FINE"}}}), "headers.sidecar-test", "reserved"),
        (json!({"headers": {"Content-Length": {"env": "FINE"}}}), "headers.Content-Length", "reserved"),
        (json!({"headers": 7}), "headers", "expected"),
        (json!({"auth": {"bearer": "geheim"}}), "auth.bearer", "plain text"),
        (
            json!({"auth": {"basic": {"user": "u", "password": "geheim"}}}),
            "auth.basic.password",
            "plain text",
        ),
        (
            json!({"secret": [{"value": "geheim", "until": "2999-12-01T00:00:00Z"}]}),
            "secret.0.value",
            "plain text",
        ),
        (json!({"secret": {"env": "EMPTY"}}), "secret", "empty"),
        (json!({"secret": "geheim"}), "secret", "plain text"),
        (json!({"secret": {"env": "BASE64"}}), "secret", "base64"),
        (json!({"records_max": 0}), "records_max", "at least 1"),
        (json!({"timeout_ms": -1}), "timeout_ms", "expected"),
        (json!({"wait_max_ms": "geheim"}), "wait_max_ms", "a text was found"),
        (json!({"retry_schedule": []}), "retry_schedule", "at least one wait"),
        (json!({"properties": ["colour"]}), "properties", "colour"),
        (json!({"urll": "http://h/"}), "urll", "did you mean `url`?"),
        (json!({"project": "other"}), "project", "another"),
        (json!({"callback": "modified"}), "callback", "another"),
        (json!([1]), "", "an object"),
        (json!("geheim"), "", "an object"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_field_is_named_with_its_reason_and_nothing_changes() {
    let database = Database::new(18, "webhooks_refused").await;
    database.run(DOCUMENTS).await;
    let mut sidecar = Sidecar::prepare(&database, "");
    let long = "x".repeat(70_000);
    let variables =
        [("FINE", "x"), ("BROKEN", "a\nb"), ("LONG", long.as_str()), ("EMPTY", ""), ("BASE64", "whsec_!")];
    sidecar.spawn_with(&variables);
    sidecar.ready().await;
    let path = "/api/v1/webhooks/p/*";
    let first = json!({"url": "http://bücher.example/x"}).to_string();
    let (status, set) = sidecar.request("PATCH", path, &first).unwrap();
    assert_eq!(status, 200, "{set}");
    let set: Value = serde_json::from_str(&set).unwrap();
    assert_eq!(set["host"], "xn--bcher-kva.example:80", "an international name is converted");
    for (change, field, reason) in refused() {
        let (status, why) = sidecar.request("PATCH", path, &change.to_string()).unwrap();
        assert_eq!(status, 400, "{change}: {why}");
        let name = if field.is_empty() { "`webhook`".to_owned() } else { format!("`webhook.{field}") };
        assert!(why.contains(&name) && why.contains(reason), "{change}: {why}");
        assert!(!why.contains("geheim"), "{why}");
    }
    for key in ["p/nonsense", "%20/nonsense"] {
        let (status, why) = sidecar.request("PATCH", &format!("/api/v1/webhooks/{key}"), &first).unwrap();
        assert!(status == 400 && why.contains("`webhook.callback`"), "{why}");
    }
    for body in ["", "{", "geheim"] {
        let (status, why) = sidecar.request("PATCH", path, body).unwrap();
        assert!(status == 400 && why.contains("no JSON") && !why.contains("geheim"), "{why}");
    }
    // Two editors: the second has read what the first replaced.
    let revision = set["revision"].as_u64().unwrap();
    let change = |revision: u64| {
        sidecar.request("PATCH", &format!("{path}?revision={revision}"), "{\"wait_max_ms\": 1}").unwrap()
    };
    let (status, why) = change(revision + 1);
    assert_eq!(status, 409, "{why}");
    assert_eq!(change(0).0, 409, "there is one");
    let (_, shown) = sidecar.get(path).unwrap();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["revision"], &shown["settings"]), (&set["revision"], &set["settings"]));
    assert_eq!(change(revision).0, 200);
    assert_eq!(change(revision).0, 409);
    assert!(!sidecar.log().contains("geheim"));
    sidecar.stop().await;
    release(&database).await;
}
