//! Webhooks are changed by PATCH and replaced by PUT: once, however often the same is sent, and never over another change.

use serde_json::{Value, json};

use super::fixture::{Answer, Fixture};
use crate::operations::fixture::release;

const PATH: &str = "/api/v1/webhooks/alpha/ingested";

fn call(fixture: &Fixture, method: &str, tag: Option<&str>, body: &Value) -> Answer {
    let mut headers = vec![("authorization", "Bearer operator")];
    headers.extend(tag.map(|tag| ("if-match", tag)));
    fixture.send(method, PATH, &headers, &body.to_string())
}

fn etag(answer: &Answer) -> String {
    answer.header("etag").unwrap().to_owned()
}

fn settings(fixture: &Fixture) -> Value {
    call(fixture, "GET", None, &Value::Null).json()["settings"].clone()
}

fn entries(fixture: &Fixture) -> usize {
    let audit = fixture.socket("GET", "/api/v1/audit?limit=500", &Value::Null).json();
    audit["entries"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_replaces_the_whole_webhook_and_twice_is_once() {
    let mut fixture = Fixture::new("access_put", &[("TOKEN", "operator")]).await;
    let url = &fixture.receiver.url;
    let whole = json!({"url": url, "secret": "s3cret", "headers": {"x-key": "s3cret"}, "note": "first"});
    let set = call(&fixture, "PUT", Some("\"0\""), &whole);
    assert_eq!(set.status, 200, "{set:?}");
    let shown = settings(&fixture);
    assert_eq!(shown["note"], "first");
    assert!(!shown.to_string().contains("s3cret"), "{shown}");
    let logged = entries(&fixture);
    let again = call(&fixture, "PUT", Some(&etag(&set)), &whole);
    assert_eq!((again.status, etag(&again)), (200, etag(&set)), "{again:?}");
    assert_eq!(entries(&fixture), logged);
    // What is shown of a secret is no value: nothing would be kept that it stands for.
    let refused = call(&fixture, "PUT", None, &shown);
    assert_eq!(refused.status, 400, "{refused:?}");
    let why = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(why.contains("give the value itself") && why.contains("`webhook."), "{why}");
    let bare = call(&fixture, "PUT", Some(&etag(&set)), &json!({"url": url, "owner": "ops"}));
    assert_eq!(bare.status, 200, "{bare:?}");
    assert_eq!(settings(&fixture), json!({"url": url, "owner": "ops"}));
    let late = call(&fixture, "PUT", Some(&etag(&set)), &whole);
    assert_eq!(late.status, 412, "{late:?}");
    let without = call(&fixture, "PUT", None, &json!({"owner": "ops"}));
    assert_eq!((without.status, without.json()["field"].as_str()), (400, Some("webhook.url")), "{without:?}");
    assert_eq!(settings(&fixture), json!({"url": url, "owner": "ops"}));
    let command = fixture
        .sidecar
        .command("webhooks")
        .args(["set", "--project", "alpha"])
        .args(["--callback", "ingested", "--url", url, "--replace"])
        .output()
        .unwrap();
    assert!(command.status.success(), "{command:?}");
    assert_eq!(settings(&fixture), json!({"url": url}));
    fixture.sidecar.stop().await;
    release(&fixture.database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_came_second_is_refused_by_its_etag() {
    let mut fixture = Fixture::new("access_etag", &[("TOKEN", "operator")]).await;
    let url = json!({"url": fixture.receiver.url});
    let call = |method: &str, tag: Option<&str>, body: &Value| call(&fixture, method, tag, body);
    let set = call("PATCH", Some("\"0\""), &url);
    assert_eq!(set.status, 200, "{set:?}");
    assert_eq!(etag(&call("GET", None, &Value::Null)), etag(&set));
    assert_eq!(call("PATCH", Some("\"0\""), &url).status, 412);
    let changed = call("PATCH", Some(&etag(&set)), &json!({"note": "x"}));
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_ne!(etag(&changed), etag(&set));
    let late = call("PATCH", Some(&etag(&set)), &json!({"note": "y"}));
    assert_eq!(
        (late.status, late.header("content-type")),
        (412, Some("application/problem+json")),
        "{late:?}"
    );
    assert_eq!(call("DELETE", Some(&etag(&set)), &Value::Null).status, 412);
    let wrong = call("PATCH", Some("W/7"), &json!({"note": "y"}));
    assert_eq!((wrong.status, wrong.json()["field"].as_str()), (400, Some("if-match")), "{wrong:?}");
    assert_eq!(call("GET", None, &Value::Null).json()["settings"]["note"], "x");
    assert_eq!(call("DELETE", Some(&etag(&changed)), &Value::Null).status, 200);
    fixture.sidecar.stop().await;
    release(&fixture.database).await;
}
