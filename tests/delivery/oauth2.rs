//! Tokens by OAuth2 client credentials: requested, shared, renewed, and what follows where there is none.

use std::sync::Arc;
use std::time::Duration;

use sidecar::deliver::{ClientCredentials, Limits, TokenRequest, Webhook};
use sidecar::record::Callback::{Excluded, Ingested, Modified};
use sidecar::secret::Secret;

use crate::delivery::fixture::{Fixture, Setup, limits, webhook};
use crate::delivery::receiver::{Receiver, Reply};

const JSON: &str = "content-type: application/json\r\n";
const FIRST: Reply =
    Reply::Answer(200, JSON, r#"{"access_token":"first","token_type":"Bearer","expires_in":3600}"#);
const SECOND: Reply =
    Reply::Answer(200, JSON, r#"{"access_token":"second","token_type":"bearer","expires_in":3600}"#);
const BRIEF: Reply =
    Reply::Answer(200, JSON, r#"{"access_token":"brief","token_type":"bearer","expires_in":0}"#);

/// Every record to the receiver, with tokens of the server.
fn hook(receiver: &Receiver, server: &str) -> Webhook {
    let request = TokenRequest {
        token_url: server.parse().unwrap(),
        client_id: "id".into(),
        client_secret: Secret::of_text("geheim"),
        scope: Some("read write".into()),
        audience: Some("https://receiver".into()),
    };
    Webhook { credentials: Some(Arc::new(ClientCredentials::new(request))), ..webhook(&receiver.url()) }
}

fn start(receiver: &Receiver, server: &Receiver) -> Fixture {
    Setup::new([hook(receiver, &format!("http://{}/token", server.address))]).start()
}

fn tokens(receiver: &Receiver) -> Vec<String> {
    let received = receiver.received();
    received.iter().map(|request| request.header("authorization").unwrap().to_owned()).collect()
}

/// The outcome and the detail of each attempt.
fn attempts(fixture: &Fixture) -> Vec<(String, String)> {
    let sql = "SELECT outcome, coalesce(detail, '') FROM attempt ORDER BY no";
    fixture.rows(sql, |row| Ok((row.get(0)?, row.get(1)?)))
}

#[test]
fn all_lanes_of_a_webhook_share_one_token() {
    let (receiver, server) = (Receiver::start([]), Receiver::start([FIRST]));
    let mut fixture = start(&receiver, &server);
    for callback in [Ingested, Modified, Excluded, Ingested] {
        fixture.spool(callback, &["a"]);
    }
    fixture.settle();
    let requests = server.received();
    assert_eq!(requests.len(), 1, "{requests:?}");
    let request = &requests[0];
    assert_eq!(request.line, "POST /token HTTP/1.1");
    // `id:geheim`
    assert_eq!(request.header("authorization"), Some("Basic aWQ6Z2VoZWlt"));
    for part in ["grant_type=client_credentials", "scope=read+write", "audience=https%3A%2F%2Freceiver"] {
        assert!(request.body.contains(part), "{}", request.body);
    }
    assert!(!request.body.contains("geheim"), "{}", request.body);
    let tokens = tokens(&receiver);
    assert!(tokens.len() >= 3 && tokens.iter().all(|token| token == "Bearer first"), "{tokens:?}");
    assert!(attempts(&fixture).iter().all(|(outcome, _)| outcome == "delivered"));
}

#[test]
fn a_token_that_has_ended_is_renewed_before_a_request() {
    let (receiver, server) = (Receiver::start([]), Receiver::start([BRIEF, FIRST]));
    let mut fixture = start(&receiver, &server);
    for id in ["a", "b", "c"] {
        fixture.spool(Ingested, &[id]);
        fixture.settle();
    }
    assert_eq!(tokens(&receiver), ["Bearer brief", "Bearer first", "Bearer first"]);
    assert_eq!(server.received().len(), 2);
}

#[test]
fn a_refused_token_is_renewed_once() {
    let refused = Reply::Answer(401, "", "no");
    let receiver = Receiver::start([refused.clone(), refused.clone(), refused]);
    let server = Receiver::start([FIRST, SECOND, FIRST]);
    let mut fixture = start(&receiver, &server);
    fixture.spool(Ingested, &["a"]);
    fixture.settle();
    assert_eq!(tokens(&receiver), ["Bearer first", "Bearer second", "Bearer second", "Bearer second"]);
    assert_eq!(server.received().len(), 2);
    let attempts = attempts(&fixture);
    let outcomes: Vec<&str> = attempts.iter().map(|(outcome, _)| outcome.as_str()).collect();
    assert_eq!(outcomes, ["status", "status", "status", "delivered"]);
}

#[test]
fn a_token_that_cannot_be_had_fails_the_attempt_and_nothing_is_sent() {
    let bad = |body| Reply::Answer(200, JSON, body);
    for (reply, why) in [
        (
            Reply::Answer(400, JSON, r#"{"error":"invalid_client","error_description":"not geheim"}"#),
            "invalid_client: not …",
        ),
        (Reply::Answer(503, "", "come back later"), "it answers 503"),
        (Reply::Answer(302, "location: /geheim\r\n", ""), "it answers 302"),
        (bad(r#"{"access_token":"geheim","token_type":"mac"}"#), "not Bearer"),
        (bad(r#"{"access_token":"ge\nheim","token_type":"bearer"}"#), "letters that a header cannot have"),
        (bad(r#"{"token_type":"bearer","access_token":["geheim"]}"#), "no token in JSON"),
        (bad("geheim"), "no token in JSON"),
        (Reply::Raw(b"geheim"), "request an OAuth2 token from 127.0.0.1"),
        (Reply::Reset, "request an OAuth2 token from 127.0.0.1"),
        (Reply::Hang, "no answer in time"),
    ] {
        let (receiver, server) = (Receiver::start([]), Receiver::start([reply.clone(), FIRST]));
        let mut webhook = hook(&receiver, &format!("http://{}/token", server.address));
        webhook.limits = Limits {
            timeout: Duration::from_secs(1),
            // Longer than a failure is shared.
            retry_schedule: vec![Duration::from_millis(800)],
            ..limits()
        };
        let mut fixture = Setup::new([webhook]).start();
        fixture.spool(Ingested, &["a"]);
        fixture.settle();
        assert_eq!(tokens(&receiver), ["Bearer first"], "{reply:?}");
        let attempts = attempts(&fixture);
        assert_eq!(attempts.len(), 2, "{attempts:?}");
        let (outcome, detail) = &attempts[0];
        assert!(outcome == "token" && detail.contains(why), "{reply:?}: {outcome}: {detail}");
        assert!(!detail.contains("geheim"), "{detail}");
    }
}

#[test]
fn the_url_of_tokens_passes_the_same_check_of_addresses() {
    let receiver = Receiver::start([]);
    let mut fixture = Setup::new([hook(&receiver, "http://169.254.169.254/token")]).start();
    fixture.spool(Ingested, &["a"]);
    fixture.wait("a failure", |lanes| !lanes[0].in_flight && lanes[0].failures > 0);
    // It waits until the outcome is written.
    fixture.deliver.stop(Duration::from_secs(5));
    let (outcome, detail) = attempts(&fixture).remove(0);
    assert!(outcome == "token" && detail.contains("metadata"), "{outcome}: {detail}");
    assert!(receiver.received().is_empty());
}
