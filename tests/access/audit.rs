//! Every endpoint that changes something leaves an entry: who, what and when.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sidecar::admin::ENDPOINTS;

use super::fixture::Fixture;
use crate::operations::fixture::release;
use crate::support::receiver::Answer as Reply;
use crate::support::until;

/// What calls an endpoint: its method and path in the list, the path, and the body or the fields of a form.
struct Step(&'static str, &'static str, String, Value);

fn step(method: &'static str, path: &'static str, body: Value) -> Step {
    Step(method, path, path.to_owned(), body)
}

fn at(method: &'static str, path: &'static str, to: &str, body: Value) -> Step {
    Step(method, path, to.to_owned(), body)
}

/// Those that need more than a request: other tests read their entries.
const ELSEWHERE: [(&str, &str); 7] = [
    // `replay::bulk`, with a job that is at work.
    ("POST", "/job/cancel"),
    ("DELETE", "/api/v1/jobs/{no}"),
    // `resync::on_demand`, with a resync that is at work.
    ("POST", "/table/cancel"),
    ("DELETE", "/api/v1/resync"),
    // Below.
    ("POST", "/link"),
    ("POST", "/sign-in"),
    ("POST", "/sign-out"),
];

fn entries(fixture: &Fixture) -> Vec<Value> {
    let audit = fixture.socket("GET", "/api/v1/audit?limit=500", &Value::Null).json();
    audit["entries"].as_array().unwrap().clone()
}

async fn dead_letter(fixture: &Fixture, id: u32) {
    fixture.receiver.answers(|_| Reply::Status(413));
    fixture.insert("alpha", id).await;
    until("a dead letter", async || {
        (fixture.sidecar.status()?["spool"]["dead_letter_records"] == 1).then_some(())
    })
    .await;
    fixture.receiver.answers(|_| Reply::Status(204));
}

/// Each leaves an entry; a rotation leaves two, of the secret and of the webhook.
async fn take(fixture: &Fixture, Step(method, path, to, body): &Step, token: &str) {
    let before = entries(fixture);
    let bearer = format!("Bearer {token}");
    let is_form = !path.starts_with("/api/");
    let kind = if is_form { "application/x-www-form-urlencoded" } else { "application/json" };
    let text = match body {
        Value::Null => String::new(),
        Value::String(form) => form.clone(),
        json => json.to_string(),
    };
    let answer = fixture.send(method, to, &[("authorization", &bearer), ("content-type", kind)], &text);
    assert!([200, 303].contains(&answer.status), "{method} {to}: {answer:?}");
    let wanted = if path.ends_with("/rotate") { 2 } else { 1 };
    let after = until(&format!("an entry of {method} {to}"), async || {
        Some(entries(fixture)).filter(|after| after.len() >= before.len() + wanted)
    })
    .await;
    let entry = &after[0];
    assert_eq!(entry["by"], "token operator", "{method} {to}: {entry}");
    assert!(!entry["what"].as_str().unwrap().is_empty(), "{method} {to}: {entry}");
    assert!(entry["at"].as_str().unwrap().ends_with('Z'), "{method} {to}: {entry}");
    let all = entry.to_string();
    assert!(!all.contains("/path-of-the-url") && !all.contains("s3cret"), "{method} {to}: {entry}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_that_changes_something_leaves_an_entry() {
    let mut fixture = Fixture::new("access_audit", &[]).await;
    let token = fixture.token("operator", &["view", "send-again", "manage", "secret"], None);
    let url = format!("{}/path-of-the-url", fixture.receiver.url);
    let webhook = "/api/v1/webhooks/alpha/*";
    let own = "/api/v1/webhooks/{project}/{callback}";
    let mut steps = vec![
        at("PATCH", own, webhook, json!({"url": url, "headers": {"x-key": "s3cret"}})),
        at(
            "PUT",
            own,
            webhook,
            json!({"url": url, "headers": {"x-key": "s3cret"}, "secret": "s3cret-s3cret-s3cret-s3cret"}),
        ),
        step("POST", "/api/v1/webhooks/pause", json!({"project": "alpha"})),
        step("POST", "/api/v1/webhooks/resume", json!({"project": "alpha"})),
        step("POST", "/lanes/pause", json!("project=alpha")),
        step("POST", "/lanes/resume", json!("project=alpha")),
        step("POST", "/api/v1/webhooks/rotate", json!({"project": "alpha", "callback": "*"})),
        step("POST", "/api/v1/webhooks/secret", json!({"project": "alpha", "callback": "*"})),
        at("POST", "/webhook/rotate", "/webhook/rotate?project=alpha&callback=*", json!("overlap_hours=1")),
        step("POST", "/api/v1/webhooks/test", json!({"project": "alpha", "callback": "ingested"})),
        at("POST", "/webhook/test", "/webhook/test?project=alpha&callback=ingested", json!("body=specimen")),
        step("POST", "/api/v1/tokens", json!({"name": "made", "can": ["view"]})),
        at("DELETE", "/api/v1/tokens/{name}", "/api/v1/tokens/made", Value::Null),
        step("POST", "/api/v1/links", json!({"project": "alpha", "can": ["view"]})),
    ];
    for step in steps.drain(..) {
        take(&fixture, &step, &token).await;
        done(&step);
    }
    let (_, link) = fixture.link(&json!({"project": "alpha", "can": ["view"]}));
    let since = json!({"since": "2020-01-01T00:00:00Z", "project": "alpha", "rate": 1});
    steps.push(at("DELETE", "/api/v1/links/{id}", &format!("/api/v1/links/{link}"), Value::Null));
    for step in steps.drain(..) {
        take(&fixture, &step, &token).await;
        done(&step);
    }
    // Each of these takes a dead letter of its own.
    let of_dead = [
        step("POST", "/api/v1/dead-letters/redeliver", json!({"project": "alpha"})),
        step("POST", "/api/v1/dead-letters/discard", json!({"project": "alpha"})),
        step("POST", "/api/v1/deliveries/redeliver", json!({"project": "alpha"})),
        step("POST", "/api/v1/deliveries/discard", json!({"project": "alpha"})),
        at("POST", "/dead-letters/redeliver", "/dead-letters/redeliver?all=1", Value::Null),
        at("POST", "/dead-letters/discard", "/dead-letters/discard?all=1", Value::Null),
        at("POST", "/deliveries/redeliver", "/deliveries/redeliver?all=1", Value::Null),
        at("POST", "/deliveries/discard", "/deliveries/discard?all=1", Value::Null),
        step("POST", "/lanes/recover", json!("project=alpha&callback=ingested&what=failed")),
    ];
    for (id, step) in (1..).zip(&of_dead) {
        dead_letter(&fixture, id).await;
        take(&fixture, step, &token).await;
        done(step);
        until("the dead letter to end", async || {
            (fixture.sidecar.status()?["spool"]["dead_letter_records"] == 0).then_some(())
        })
        .await;
    }
    fixture.sidecar.settled().await;
    for step in [
        step("POST", "/api/v1/replays", since.clone()),
        at("DELETE", "/api/v1/replays/{no}", "/api/v1/replays/1", Value::Null),
        at("POST", "/replay/start", "/replay/start?since=2020-01-01T00:00&project=alpha&rate=1", Value::Null),
        at("POST", "/replay/cancel", "/replay/cancel?no=2", Value::Null),
        step("POST", "/api/v1/deliveries/replay", json!({"project": "alpha"})),
        at("POST", "/deliveries/replay", "/deliveries/replay?all=1", Value::Null),
    ] {
        take(&fixture, &step, &token).await;
        done(&step);
    }
    for (number, step) in (1..).zip([
        step("POST", "/api/v1/resync", json!({"as_ingested": "alpha"})),
        step("POST", "/lanes/send-existing", json!("project=alpha")),
        at("POST", "/table/resync", "/table/resync?kind=repair", Value::Null),
    ]) {
        take(&fixture, &step, &token).await;
        done(&step);
        until("the resync to end", async || {
            let status = fixture.sidecar.resync_status()?;
            (status["number"] == number && status["state"] == "done").then_some(())
        })
        .await;
    }
    fixture.sidecar.settled().await;
    assert_eq!(fixture.socket("POST", "/api/v1/webhooks/pause", &json!({"project": "alpha"})).status, 200);
    for (id, which) in [(91, "api"), (92, "page")] {
        fixture.insert("alpha", id).await;
        let skip = json!({"project": "alpha", "until": "now", "dry_run": true});
        let counted = until("a record that waits", async || {
            let counted = fixture.socket("POST", "/api/v1/webhooks/skip", &skip).json();
            (counted["records"] == 1).then_some(counted)
        })
        .await;
        let lanes = counted["lanes"].to_string();
        let lanes: String = url::form_urlencoded::byte_serialize(lanes.as_bytes()).collect();
        let step = if which == "api" {
            step("POST", "/api/v1/webhooks/skip", json!({"project": "alpha", "until": "now"}))
        } else {
            step("POST", "/lanes/skip", json!(format!("project=alpha&counted={lanes}")))
        };
        take(&fixture, &step, &token).await;
        done(&step);
    }
    let form = format!("url={url}&revision=0");
    for step in [
        at("POST", "/webhook", "/webhook?project=alpha&callback=modified", json!(form)),
        at("DELETE", own, "/api/v1/webhooks/alpha/modified", Value::Null),
        step(
            "POST",
            "/api/v1/webhooks/apply",
            json!({"webhooks": [{"project": "alpha", "callback": "*", "url": format!("{url}/2")}]}),
        ),
        at("POST", "/webhook/remove", "/webhook/remove?project=alpha&callback=*", json!("")),
    ] {
        take(&fixture, &step, &token).await;
        done(&step);
    }
    let missing: Vec<(&str, &str)> = ENDPOINTS
        .iter()
        .filter(|endpoint| !endpoint.is_read())
        .map(|endpoint| (endpoint.method, endpoint.path))
        .filter(|of| !ELSEWHERE.contains(of) && !TAKEN.lock().unwrap().contains(of))
        .collect();
    assert_eq!(missing, [] as [(&str, &str); 0], "no step calls these");

    sessions(&fixture, &token);
    fixture.sidecar.stop().await;
    release(&fixture.database).await;
}

/// Sessions that begin and end.
fn sessions(fixture: &Fixture, token: &str) {
    let form = ("content-type", "application/x-www-form-urlencoded");
    let begun = fixture.send("POST", "/sign-in", &[form], &format!("token={token}"));
    assert_eq!(entries(fixture)[0]["what"], "a session was begun", "{begun:?}");
    let cookie = begun.cookie();
    fixture.send("POST", "/sign-out", &[("cookie", &cookie), ("origin", "http://localhost")], "");
    let ended = &entries(fixture)[0];
    assert_eq!((&ended["what"], &ended["by"]), (&json!("a session was ended"), &json!("token operator")));
    let (path, id) = fixture.link(&json!({"project": "alpha", "can": ["view"]}));
    fixture.send("POST", "/link", &[form], &format!("key={}", path.split_once("key=").unwrap().1));
    let used = &entries(fixture)[0];
    assert_eq!((&used["what"], &used["by"]), (&json!("a link was used"), &json!(format!("link {id}"))));
}

static TAKEN: std::sync::Mutex<BTreeSet<(&str, &str)>> = std::sync::Mutex::new(BTreeSet::new());

fn done(Step(method, path, ..): &Step) {
    TAKEN.lock().unwrap().insert((method, path));
}
