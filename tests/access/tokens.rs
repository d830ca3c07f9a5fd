//! Tokens and their capabilities, and the audit log.

use serde_json::{Value, json};

use super::fixture::Fixture;
use crate::operations::fixture::{output_text, release, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_allows_what_it_names_until_it_is_revoked_and_over_restarts() {
    let mut fixture = Fixture::new("access_tokens", &[]).await;
    let reader = fixture.token("reader", &["view"], None);
    let webhooks = "/api/v1/webhooks";
    let pause = "/api/v1/webhooks/pause";
    // Reading is free on loopback, writing is not.
    assert_eq!(fixture.get(webhooks, &[]).status, 200);
    let anonymous = fixture.send("POST", pause, &[], r#"{"all": true}"#);
    assert_eq!((anonymous.status, anonymous.json()["status"].as_u64()), (401, Some(401)), "{anonymous:?}");
    assert_eq!(anonymous.header("www-authenticate"), Some("Bearer"));
    assert_eq!(anonymous.header("content-type"), Some("application/problem+json"));
    let refused = fixture.with(&reader, "POST", pause, &json!({"all": true}));
    assert!(refused.status == 403 && refused.body.contains("`manage`"), "{refused:?}");
    fixture.sidecar.stop().await;
    fixture.spawn(&[]);
    fixture.sidecar.ready().await;
    assert_eq!(fixture.with(&reader, "GET", webhooks, &Value::Null).status, 200);
    let spool = std::fs::read(fixture.sidecar.spool().join("spool.sqlite")).unwrap();
    let secret = reader.rsplit('_').next().unwrap().as_bytes();
    assert!(!spool.windows(secret.len()).any(|bytes| bytes == secret), "the spool holds a token");
    assert_eq!(fixture.socket("DELETE", "/api/v1/tokens/reader", &Value::Null).status, 200);
    assert_eq!(fixture.with(&reader, "GET", webhooks, &Value::Null).status, 401);
    let short = fixture.socket(
        "POST",
        "/api/v1/tokens",
        &json!({"name": "short", "can": ["view"], "expires": "300ms"}),
    );
    let short = short.json()["token"].as_str().unwrap().to_owned();
    crate::support::until("the token to end", async || {
        (fixture.with(&short, "GET", webhooks, &Value::Null).status == 401).then_some(())
    })
    .await;
    fixture.sidecar.stop().await;
    release(&fixture.database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests_for_tokens_name_the_field_and_nobody_gives_what_they_lack() {
    let mut fixture = Fixture::new("access_wrong", &[]).await;
    for (body, field) in [
        (json!({"name": "a b", "can": ["view"]}), "name"),
        (json!({"name": "a", "can": []}), "can"),
        (json!({"name": "a", "can": ["view"], "expires": "yesterday"}), "expires"),
        (json!({"name": "a", "can": ["view"], "expires": "2020-01-01T00:00:00Z"}), "expires"),
        (json!({"name": "a", "can": ["view"], "project": "*"}), "project"),
    ] {
        let refused = fixture.socket("POST", "/api/v1/tokens", &body);
        assert_eq!((refused.status, refused.json()["field"].as_str()), (400, Some(field)), "{refused:?}");
    }
    let manager = fixture.token("manager", &["view", "manage"], None);
    let more = fixture.with(&manager, "POST", "/api/v1/tokens", &json!({"name": "b", "can": ["secret"]}));
    assert_eq!(more.status, 403, "{more:?}");
    let again = fixture.socket("POST", "/api/v1/tokens", &json!({"name": "manager", "can": ["view"]}));
    assert_eq!(again.status, 409, "{again:?}");
    for _ in 0..11 {
        assert_eq!(fixture.with("guess", "GET", "/api/v1/webhooks", &Value::Null).status, 401);
    }
    let slowed = fixture.with("guess", "GET", "/api/v1/webhooks", &Value::Null);
    assert!(slowed.status == 429 && slowed.header("retry-after").is_some(), "{slowed:?}");
    fixture.sidecar.stop().await;
    release(&fixture.database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_is_in_the_audit_log_with_the_host_and_never_the_url() {
    let mut fixture = Fixture::new("access_audit", &[]).await;
    let url = format!("{}/?key=geheim", fixture.receiver.url);
    let set = fixture.socket("PATCH", "/api/v1/webhooks/p/*", &json!({"url": url}));
    assert_eq!(set.status, 200, "{set:?}");
    fixture.insert("p", 1).await;
    fixture.sidecar.settled().await;
    for (method, path, body) in [
        ("POST", "/api/v1/webhooks/test", json!({"project": "p", "callback": "ingested"})),
        ("POST", "/api/v1/webhooks/pause", json!({"project": "p", "reason": "why"})),
        ("POST", "/api/v1/webhooks/resume", json!({"project": "p"})),
        ("POST", "/api/v1/webhooks/skip", json!({"project": "p", "until": "now"})),
        ("POST", "/api/v1/webhooks/rotate", json!({"project": "p", "callback": "*"})),
        ("POST", "/api/v1/webhooks/secret", json!({"project": "p", "callback": "*"})),
        ("POST", "/api/v1/replays", json!({"since": "2020-01-01T00:00:00Z"})),
        ("POST", "/api/v1/dead-letters/redeliver", json!({"all": true})),
        ("POST", "/api/v1/dead-letters/discard", json!({"all": true})),
        ("POST", "/api/v1/resync", json!({})),
        ("POST", "/api/v1/tokens", json!({"name": "t", "can": ["view"]})),
        ("DELETE", "/api/v1/tokens/t", Value::Null),
        ("DELETE", "/api/v1/webhooks/p/*", Value::Null),
    ] {
        let done = fixture.socket(method, path, &body);
        assert!([200, 409].contains(&done.status), "{path}: {done:?}");
    }
    let page = fixture.socket("GET", "/api/v1/audit?limit=1000", &Value::Null);
    for what in [
        "a webhook was set",
        "a webhook was tested",
        "lanes were paused",
        "lanes were resumed",
        "a signing secret was rotated",
        "signing secrets were shown",
        "a replay was requested",
        "dead letters were redelivered",
        "dead letters were discarded",
        "a resync was requested",
        "a token was created",
        "a token was revoked",
        "a webhook was removed",
    ] {
        assert!(page.body.contains(what), "{what}: {}", page.body);
    }
    assert!(!page.body.contains("geheim") && page.body.contains("127.0.0.1:"), "{}", page.body);
    fixture.sidecar.stop().await;
    fixture.spawn(&[]);
    fixture.sidecar.ready().await;
    let printed = output_text(&run(&fixture.sidecar, &["audit", "--project", "p"]).await);
    assert!(printed.contains("a webhook was removed") && !printed.contains("a token"), "{printed}");
    fixture.sidecar.stop().await;
    release(&fixture.database).await;
}
