//! Every page, in both schemes and on a phone, as pictures in `target/screenshots`: without a fault of accessibility,
//! nothing wider than the screen, no complaint of the browser. Those of the README come from the same pages.

use serde_json::Value;

use super::demo::deliver_over_a_day;
use super::fixture::Fixture;
use crate::support::receiver::{Answer, Received};
use crate::support::until;

const SETTINGS: &str = "key = \"KEY\"\n[delivery]\ngive_up_after = \"1h\"\nretry_schedule = [\"2s\", \"5m\"]\n[batch]\nwait_max_ms = 50\n[egress]\nproxy = \"RECEIVER\"\n";

/// Takes the pictures of some pages, each by its path and name.
async fn take(fixture: &Fixture, pages: &[(&str, &str)]) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, name) in pages {
        fixture.browser.go(path).await;
        fixture.browser.sees("h1").await;
        faults.extend(fixture.browser.capture(name));
        faults.extend(fixture.browser.violations(name));
    }
    faults.extend(fixture.browser.complaints());
    faults
}

fn get(fixture: &Fixture, path: &str) -> Value {
    serde_json::from_str(&fixture.sidecar.get(path).unwrap().1).unwrap()
}

async fn id_of(fixture: &Fixture, path: &str) -> String {
    until(path, async || get(fixture, path)["deliveries"][0]["id"].as_str().map(str::to_owned)).await
}

fn answer(request: &Received) -> Answer {
    Answer::Status(match (request.project(), request.callback()) {
        ("globex", "ingested") => 503,
        ("globex", "modified") => 401,
        _ => 204,
    })
}

fn patch(fixture: &Fixture, key: &str, body: &str) {
    let (status, answer) =
        fixture.sidecar.request("PATCH", &format!("/api/v1/webhooks/{key}"), body).unwrap();
    assert_eq!(status, 200, "{answer}");
}

fn set_webhooks(fixture: &Fixture) {
    for (project, host, owner) in [
        ("acme", "hooks.acme.example", "search@acme.example"),
        ("globex", "api.globex.example", "platform@globex.example"),
        ("initech", "sidecar.initech.example", "ops@initech.example"),
        ("umbrella", "in.umbrella.example", "on-call@umbrella.example"),
    ] {
        for callback in ["ingested", "modified", "excluded"] {
            let body = format!(
                r#"{{"url": "http://{host}/documents/{callback}", "owner": "{owner}", "headers": {{"x-api-key": "geheim"}}}}"#
            );
            patch(fixture, &format!("{project}/{callback}"), &body);
        }
    }
}

/// What was delivered in the last 24 hours.
async fn with_a_day(fixture: &mut Fixture) {
    let all = r#"{"all": true}"#;
    fixture.sidecar.request("POST", "/api/v1/webhooks/pause", all).unwrap();
    fixture.insert("acme", 0..1_240).await;
    fixture.insert("initech", 2_000..2_310).await;
    fixture.insert("globex", 3_000..3_620).await;
    fixture.database.run("UPDATE documents SET labels = ARRAY['invoice', 'checked'] WHERE id % 3 = 0").await;
    fixture.database.run("UPDATE documents SET deleted_at = now() WHERE id % 40 = 7").await;
    let pending = async || {
        let status = fixture.sidecar.status()?;
        let lanes = status["lanes"].as_array()?;
        let records = lanes.iter().map(|lane| lane["pending"]["records"].as_u64().unwrap_or(0)).sum::<u64>();
        (records >= 2_900).then(|| status["spool"]["epoch"].as_str().map(str::to_owned))?
    };
    let epoch = until("a day's records", pending).await.parse().unwrap();
    fixture.while_stopped(|spool| deliver_over_a_day(spool, epoch)).await;
    fixture.sidecar.request("POST", "/api/v1/webhooks/resume", all).unwrap();
    fixture.sidecar.settled().await;
}

/// A few projects: one that works, one that fails, one that is paused, one whose records were given up.
async fn with_demo_data(fixture: &mut Fixture) {
    set_webhooks(fixture);
    with_a_day(fixture).await;
    patch(fixture, "umbrella/ingested", r#"{"give_up_after": "1s", "retry_schedule": ["200ms"]}"#);
    fixture.receiver.answers(|request| match request.project() {
        "umbrella" if request.callback() == "ingested" => Answer::Status(500),
        _ => Answer::Status(204),
    });
    fixture.insert("umbrella", 4_000..4_003).await;
    until("records that were given up", async || {
        (fixture.sidecar.status()?["spool"]["dead_letter_records"] == 3).then_some(())
    })
    .await;
    fixture.receiver.answers(answer);
    fixture.insert("globex", 5_000..5_041).await;
    fixture
        .database
        .run("UPDATE documents SET labels = ARRAY['paid'] WHERE id IN (3001, 3004, 12, 15)")
        .await;
    let paused = r#"{"project": "initech", "reason": "their migration, until Monday"}"#;
    fixture.sidecar.request("POST", "/api/v1/webhooks/pause", paused).unwrap();
    fixture.insert("initech", 6_000..6_008).await;
    until("three lanes that do not send", async || {
        let status = fixture.sidecar.status()?;
        let lanes = status["lanes"].as_array()?;
        let held = lanes.iter().filter(|lane| lane["state"] != "idle" && lane["pending"]["records"] != 0);
        (held.count() >= 3).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_looks_right_while_there_is_nothing() {
    let fixture = Fixture::new("shots_empty", "").await;
    let faults = take(
        &fixture,
        &[
            ("", "empty-overview"),
            ("projects", "empty-projects"),
            ("project?project=acme", "empty-project"),
            ("project?project=*", "empty-defaults"),
            ("deliveries", "empty-deliveries"),
            ("document", "empty-document"),
            ("dead-letters", "empty-dead-letters"),
            ("replay", "empty-replay"),
            ("tail", "empty-tail"),
            ("table", "empty-table"),
            ("doctor", "empty-doctor"),
            ("settings", "empty-settings"),
            ("audit", "empty-audit"),
            ("sign-in", "sign-in"),
        ],
    )
    .await;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    fixture.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_looks_right_with_a_few_projects_of_which_one_fails() {
    let mut fixture = Fixture::new("shots", SETTINGS).await;
    with_demo_data(&mut fixture).await;
    fixture.sidecar.request(
        "POST",
        "/api/v1/replays",
        r#"{"since": "2026-01-01T00:00:00Z", "project": "acme", "rate": 5}"#,
    );
    let failing = id_of(&fixture, "/api/v1/deliveries?project=globex&state=waiting").await;
    let delivered =
        id_of(&fixture, "/api/v1/deliveries?project=acme&state=delivered&callback=modified").await;
    let (failing, delivered) = (format!("delivery?id={failing}"), format!("delivery?id={delivered}"));
    let no = get(&fixture, "/api/v1/dead-letters")["dead_letters"][0]["no"].clone();
    let letter = format!("dead-letter?no={no}");
    let of_globex = |page: &str| format!("{page}?project=globex&callback=ingested");
    let lane_pages =
        ["webhook", "webhook/test", "webhook/remove", "webhook/hand-over", "lanes/skip"].map(of_globex);
    let [webhook, test, remove, hand_over, skip] = lane_pages.each_ref().map(String::as_str);
    let faults = take(
        &fixture,
        &[
            ("", "overview"),
            ("projects", "projects"),
            ("projects?search=nobody", "projects-none"),
            ("project?project=globex", "project-failing"),
            ("project?project=initech", "project-paused"),
            ("project?project=acme", "project"),
            (webhook, "webhook"),
            (test, "webhook-test"),
            (remove, "webhook-remove"),
            (hand_over, "hand-over"),
            (skip, "skip"),
            ("lanes/pause", "pause"),
            ("lanes/recover?project=umbrella&callback=ingested", "recover"),
            (
                "lanes/recover?project=acme&callback=ingested&what=all&since=2026-01-01T00%3A00",
                "recover-counted",
            ),
            ("lanes/send-existing?project=acme", "send-existing"),
            ("deliveries", "deliveries"),
            ("deliveries?state=dead_letter", "deliveries-dead"),
            ("deliveries?project=acme&by=document&find=12", "deliveries-found"),
            (failing.as_str(), "delivery-failing"),
            (delivered.as_str(), "delivery"),
            ("document?project=acme&id=12", "document"),
            ("document?project=globex&id=3001", "document-waiting"),
            ("document?project=acme&id=99999", "document-none"),
            ("dead-letters", "dead-letters"),
            (letter.as_str(), "dead-letter"),
            ("dead-letters/discard?all=1&project=umbrella", "discard"),
            ("replay", "replay"),
            ("replay/start?since=2026-01-01T00%3A00&rate=10", "replay-check"),
            ("replay/start?from_lsn=x&rate=fast", "replay-wrong"),
            ("tail?collect=1", "tail-collect"),
            ("table", "table"),
            ("table/resync?kind=repair&force=1", "table-confirm"),
            ("doctor?run=1", "doctor"),
            ("settings", "settings"),
            ("settings?changed=1", "settings-changed"),
            ("audit", "audit"),
            ("dead-letter?no=99999", "not-found"),
            ("?nav=0&theme=dark", "embedded-overview"),
        ],
    )
    .await;
    let faults: Vec<_> =
        faults.into_iter().filter(|fault| !fault.contains("404") && !fault.contains("400")).collect();
    fixture.browser.width(1280);
    for (path, name, height) in [
        ("", "readme-overview", 980),
        ("project?project=globex", "readme-project", 900),
        ("deliveries", "readme-deliveries", 760),
        ("document?project=globex&id=3001", "readme-document", 620),
    ] {
        fixture.browser.go(path).await;
        fixture.browser.sees("h1").await;
        fixture.browser.picture(name, (1280, height));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    fixture.end().await;
}
