//! What is wrong in a form is refused at its field, and nothing is changed.

use serde_json::{Value, json};

use super::fixture::Fixture;
use crate::support::receiver::Answer;
use crate::support::until;

/// Sends the form of a page with some fields changed. Returns the status, the ids of what describes an error, and the text
/// of all errors.
const SEND: &str = r#"
    const [path, selector, changes] = arguments;
    return (async () => {
        const parse = async answer => new DOMParser().parseFromString(await answer.text(), "text/html");
        const address = new URL(path, document.baseURI);
        const form = (await parse(await fetch(address))).querySelector(selector);
        const fields = new URLSearchParams(new FormData(form));
        for (const [name, value] of changes) {
            if (fields.getAll(name).length > 1) {
                const others = fields.getAll(name).slice(0, -1);
                fields.delete(name);
                others.forEach(other => fields.append(name, other));
                fields.append(name, value);
            } else fields.set(name, value);
        }
        const action = new URL(form.getAttribute("action") ?? "", address);
        const answer = form.method === "get"
            ? await fetch(new URL("?" + fields, action))
            : await fetch(action, { method: "post", body: fields });
        const page = await parse(answer);
        const errors = [...page.querySelectorAll(".error, [role=alert]")];
        return { status: answer.status, at: errors.map(error => error.id), text: errors.map(e => e.textContent).join(" ") };
    })();
"#;

fn send(fixture: &Fixture, path: &str, form: &str, changes: &[(&str, &str)]) -> Value {
    fixture.browser.script(SEND, &json!([path, form, changes]))
}

fn stored(fixture: &Fixture) -> (String, u64) {
    let (_, webhook) = fixture.sidecar.get("/api/v1/webhooks/alpha/modified").unwrap();
    let webhook: Value = serde_json::from_str(&webhook).unwrap();
    let webhook = format!("{} {}", webhook["revision"], webhook["settings"]);
    let status = fixture.sidecar.status().unwrap();
    let pending =
        status["lanes"].as_array().unwrap().iter().map(|lane| lane["pending"]["records"].as_u64().unwrap());
    (webhook, pending.sum())
}

const WEBHOOK: &[(&str, &[&[(&str, &str)]])] = &[
    (
        "url",
        &[
            &[("url", "ftp://example.com/")],
            &[("url", "example.com")],
            &[("url", "http://")],
            &[("url", "http://exa mple.com/")],
            &[("url", "javascript:alert(1)")],
            &[("url", "http://{project}.example.com/")],
            &[("url", "http://127.0.0.1:99999/")],
            &[("url", "http://example.com/{nonsense}")],
        ],
    ),
    (
        "headers",
        &[
            &[("header_name", "x y"), ("header_value", "v")],
            &[("header_name", "host"), ("header_value", "v")],
            &[("header_name", "sidecar-project"), ("header_value", "v")],
            &[("header_name", "webhook-id"), ("header_value", "v")],
            &[("header_name", "x-a"), ("header_value", "")],
            &[("header_name", ""), ("header_value", "v")],
            &[("header_name", "x-a"), ("header_value", "a\u{7}b")],
        ],
    ),
    (
        "auth",
        &[
            &[("auth", "bearer"), ("auth_secret", "")],
            &[("auth", "basic"), ("auth_user", "u"), ("auth_secret", "")],
            &[("auth", "basic"), ("auth_user", "a:b"), ("auth_secret", "p")],
            &[("auth", "api_key"), ("auth_header", ""), ("auth_secret", "k")],
            &[("auth", "api_key"), ("auth_header", "x y"), ("auth_secret", "k")],
            &[("auth", "api_key"), ("auth_header", "host"), ("auth_secret", "k")],
        ],
    ),
    ("secret", &[&[("secret", "whsec_!!!")]]),
    (
        "records_max",
        &[
            &[("records_max", "0")],
            &[("records_max", "-1")],
            &[("records_max", "many")],
            &[("records_max", "1.5")],
        ],
    ),
    ("wait_max_ms", &[&[("wait_max_ms", "-1")], &[("wait_max_ms", "soon")]]),
    ("timeout_ms", &[&[("timeout_ms", "0")], &[("timeout_ms", "soon")], &[("timeout_ms", "1e30")]]),
    (
        "requests_per_second",
        &[
            &[("requests_per_second", "-1")],
            &[("requests_per_second", "NaN")],
            &[("requests_per_second", "fast")],
        ],
    ),
    ("in_flight_max", &[&[("in_flight_max", "-1")], &[("in_flight_max", "all")]]),
    (
        "retry_schedule",
        &[&[("retry_schedule", "now")], &[("retry_schedule", "5")], &[("retry_schedule", "1s,,2s")]],
    ),
    ("give_up_after", &[&[("give_up_after", "never")], &[("give_up_after", "-1s")]]),
    ("order_wait", &[&[("order_wait", "60")], &[("order_wait", "long")]]),
    ("properties", &[&[("properties", "nonsense")]]),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_a_webhook_refuses_what_is_wrong_and_nothing_is_saved() {
    let fixture = Fixture::new("page_forms_webhook", "").await;
    let body = format!(r#"{{"url": "{}", "owner": "search"}}"#, fixture.receiver.url);
    fixture.sidecar.request("PATCH", "/api/v1/webhooks/alpha/modified", &body).unwrap();
    let before = stored(&fixture);
    fixture.browser.go("").await;
    let mut faults = Vec::new();
    for (field, inputs) in WEBHOOK {
        for changes in *inputs {
            let answer = send(&fixture, "webhook?project=alpha&callback=modified", "form.card", changes);
            let is_at_field = answer["at"].as_array().unwrap().contains(&json!(format!("{field}-error")));
            if answer["status"] != 400 || !is_at_field {
                faults.push(format!("{changes:?}: {answer}"));
            }
            if stored(&fixture) != before {
                faults.push(format!("{changes:?}: something was saved"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    fixture.browser.complaints();
    fixture.end().await;
}

/// A form: its page, which form of the page, what is typed, and a part of what is answered.
const OTHERS: &[(&str, &str, &[(&str, &str)], &str)] = &[
    ("lanes/pause", "form.card", &[], "all"),
    ("lanes/pause", "form.card", &[("project", "alpha"), ("callback", "deleted")], "ingested"),
    (
        "lanes/recover?project=alpha&callback=modified&what=all",
        "form[method=get]",
        &[("since", "yesterday")],
        "a time is expected",
    ),
    (
        "webhook/test?project=alpha&callback=modified",
        "form.card",
        &[("body", "text"), ("text", "{not json")],
        "no JSON",
    ),
    (
        "webhook/test?project=alpha&callback=modified",
        "form.card",
        &[("body", "text"), ("text", "")],
        "no JSON",
    ),
    ("webhook/rotate?project=alpha&callback=modified", "form.card", &[("overlap_hours", "long")], "number"),
    ("webhook/rotate?project=alpha&callback=modified", "form.card", &[("overlap_hours", "-1")], ""),
    ("lanes/skip?project=alpha&callback=modified", "form.card", &[("counted", "[{}]")], "missing field"),
    ("replay/start?from_lsn=x&rate=fast", "main form", &[], ""),
    ("deliveries", "main form", &[("status", "soon")], "is not a status"),
    ("deliveries", "main form", &[("since", "yesterday")], "is not a time"),
    ("deliveries", "main form", &[("by", "position"), ("find", "x")], "position"),
    ("dead-letters", "main form", &[("since", "yesterday")], "is not a time"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_other_form_refuses_what_is_wrong_and_nothing_happens() {
    let fixture = Fixture::new("page_forms", "key = \"KEY\"\n[delivery]\nretry_schedule = [\"1h\"]").await;
    fixture.receiver.answers(|_| Answer::Status(503));
    let body = format!(r#"{{"url": "{}", "secret": "geheim", "wait_max_ms": 1}}"#, fixture.receiver.url);
    fixture.sidecar.request("PATCH", "/api/v1/webhooks/alpha/modified", &body).unwrap();
    fixture.insert("alpha", 0..3).await;
    fixture.database.run("UPDATE documents SET labels = ARRAY['x']").await;
    until("three records wait", async || (stored(&fixture).1 == 3).then_some(())).await;
    let before = stored(&fixture);
    fixture.browser.go("").await;
    let mut faults = Vec::new();
    for (path, form, changes, says) in OTHERS {
        let answer = send(&fixture, path, form, changes);
        let refuses = answer["text"].as_str().is_some_and(|text| !text.is_empty() && text.contains(says));
        if !refuses || (answer["status"] != 400 && answer["status"] != 200) {
            faults.push(format!("{path} {changes:?}: {answer}"));
        }
        if stored(&fixture) != before {
            faults.push(format!("{path} {changes:?}: {:?} instead of {before:?}", stored(&fixture)));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(fixture.sidecar.status().unwrap()["lanes"][0]["state"], "failing");
    fixture.browser.complaints();
    fixture.end().await;
}
