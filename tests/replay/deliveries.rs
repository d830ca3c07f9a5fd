//! Batches with their attempts: listed by filter, searched for, shown.

use serde_json::{Value, json};

use crate::replay::fixture::{Fixture, stdout};
use crate::support::receiver::Answer;
use crate::support::until;

/// The page, or the status and the sentence of a refusal.
fn page(fixture: &Fixture, query: &str) -> Result<Value, (u16, String)> {
    let (status, body) = fixture.sidecar.get(&format!("/api/v1/deliveries?{query}")).unwrap();
    if status == 200 { Ok(serde_json::from_str(&body).unwrap()) } else { Err((status, body)) }
}

fn deliveries(fixture: &Fixture, query: &str) -> Vec<Value> {
    page(fixture, query).unwrap()["deliveries"].as_array().unwrap().clone()
}

async fn insert(fixture: &Fixture, project: &str, ids: &str) {
    let rows = format!("SELECT id, '{project}', 'key ' || id FROM generate_series({ids}) id");
    fixture.database.run(&format!("INSERT INTO documents (id, project_id, key) {rows}")).await;
}

/// Project `p`, whose receiver fails, with one batch of three records; `q`, with one that is delivered.
async fn one_fails(name: &str) -> Fixture {
    let fixture = Fixture::new(15, name, 0, "", "").await;
    fixture.receiver.answers(|r| Answer::Status(if r.project() == "p" { 503 } else { 204 }));
    insert(&fixture, "p", "1, 3").await;
    insert(&fixture, "q", "4, 5").await;
    until("an attempt at each", async || {
        let of = |project: &str| deliveries(&fixture, &format!("project={project}"));
        let (p, q) = (of("p"), of("q"));
        let are_there = !p.is_empty() && !q.is_empty() && q.iter().all(|one| one["state"] == "delivered");
        (are_there && p.iter().any(|one| one["last_attempt"]["status"] == 503)).then_some(())
    })
    .await;
    fixture
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_listed_by_filter_page_by_page() {
    let fixture = one_fails("deliveries_list").await;
    let of_q = deliveries(&fixture, "project=q");
    assert_eq!(of_q[0]["last_attempt"]["outcome"], "delivered");
    for (query, project) in [
        ("status=503", "p"),
        ("status=5xx&callback=ingested", "p"),
        ("class=endpoint", "p"),
        ("state=delivered", "q"),
        ("project=q&status=204", "q"),
    ] {
        let found = deliveries(&fixture, query);
        assert!(!found.is_empty() && found.iter().all(|one| one["project"] == project), "{query}: {found:?}");
    }
    for none in [
        "project=r",
        "status=404",
        "class=gone",
        "callback=excluded",
        "state=dead_letter",
        "since=2999-01-01T00:00:00Z",
    ] {
        assert_eq!(deliveries(&fixture, none), [] as [Value; 0], "{none}");
    }
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let some = page(&fixture, &format!("limit=1{after}")).unwrap();
        all.extend(some["deliveries"].as_array().unwrap().iter().map(|one| one["id"].clone()));
        let Some(next) = some["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    let at_once: Vec<Value> = deliveries(&fixture, "").iter().map(|one| one["id"].clone()).collect();
    assert_eq!(all, at_once);
    for (query, part) in
        [("stat=1", "stat"), ("state=x", "`state`"), ("document=1", "`project`"), ("limit=0", "`limit`")]
    {
        let (status, why) = page(&fixture, query).unwrap_err();
        assert!(status == 400 && why.contains(part), "{query}: {why}");
    }
    // Between two attempts.
    until("what the batch waits for", async || {
        let output = fixture.run("deliveries", &["list", "--status", "503"]).await;
        let waits = stdout(&output).contains("waits for: its webhook fails");
        (output.status.success() && waits).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_found_by_document_key_position_and_id() {
    let fixture = one_fails("deliveries_search").await;
    let sent = fixture.receiver.received().into_iter().find(|request| request.project() == "q").unwrap();
    let id = sent.header("webhook-id");
    let first = sent.header("sidecar-positions").split("..").next().unwrap().to_owned();
    let document = sent.records()[0]["id"].as_str().unwrap().to_owned();
    for query in [
        format!("project=q&document={document}"),
        format!("project=q&key=key%20{document}"),
        format!("position={first}"),
        format!("webhook_id={id}"),
    ] {
        let found = deliveries(&fixture, &query);
        assert_eq!(found.iter().map(|one| &one["id"]).collect::<Vec<_>>(), [id], "{query}");
        let elsewhere = query.replace("project=q&", "") + "&project=p";
        assert_eq!(deliveries(&fixture, &elsewhere), [] as [Value; 0], "{elsewhere}");
    }
    let (status, body) = fixture.sidecar.get(&format!("/api/v1/deliveries/{id}")).unwrap();
    let shown: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, shown["state"].as_str()), (200, Some("delivered")));
    let sent_body = json!({ "docs": sent.records() });
    let shown_body: Value = serde_json::from_str(shown["request"]["body"].as_str().unwrap()).unwrap();
    assert_eq!(shown_body, sent_body);
    for name in ["webhook-id", "webhook-timestamp", "sidecar-positions", "sidecar-attempt", "traceparent"] {
        let headers = shown["request"]["headers"].as_array().unwrap();
        let value = headers.iter().find(|header| header["name"] == name).map(|header| &header["value"]);
        assert_eq!(value, Some(&json!(sent.header(name))), "{name}");
    }
    assert_eq!(shown["attempt_list"][0]["outcome"], "delivered");
    let output = fixture.run("deliveries", &["show", id, "--curl"]).await;
    assert!(stdout(&output).starts_with("curl --request POST"), "{}", stdout(&output));
    assert_eq!(fixture.sidecar.get("/api/v1/deliveries/x").unwrap().0, 400);
    let none = "/api/v1/deliveries/00000000-0000-7000-8000-000000000000";
    assert_eq!(fixture.sidecar.get(none).unwrap().0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_changed_by_filter_as_a_dry_run_foretells() {
    let more = "give_up_after = \"300ms\"\n[batch]\nrecords_max = 1";
    let fixture = Fixture::new(15, "bulk_jobs", 0, "", more).await;
    fixture.receiver.answers(|_| Answer::Status(422));
    let insert = "INSERT INTO documents (id, project_id) SELECT id, 'p' FROM generate_series(1, 3) id";
    fixture.database.run(insert).await;
    until("dead letters", async || {
        (fixture.sidecar.status()?["spool"]["dead_letter_records"] == 3).then_some(())
    })
    .await;
    let post =
        |path: &str, body: Value| fixture.post(&format!("/api/v1/dead-letters/{path}"), &body).unwrap();
    let counted = post("redeliver", json!({"project": "p", "dry_run": true}));
    assert!(counted["dead_letters"].as_u64() > Some(0) && counted["records"] == 3, "{counted}");
    assert!(counted["estimated_seconds"].is_f64() && counted["job"].is_null(), "{counted}");
    for none in
        [json!({"project": "q", "dry_run": true}), json!({"until": "2001-01-01T00:00:00Z", "dry_run": true})]
    {
        assert_eq!(post("discard", none)["dead_letters"], 0);
    }
    let output = fixture.run("dead-letters", &["discard", "--project", "p", "--dry-run"]).await;
    assert!(stdout(&output).contains("with 3 records, which takes about"), "{}", stdout(&output));
    let discarded = post("discard", json!({"since": "2001-01-01T00:00:00Z"}));
    assert_eq!((&discarded["records"], &discarded["job"]), (&json!(3), &Value::Null));
    let output = fixture.run("jobs", &["list"]).await;
    assert!(output.status.success() && stdout(&output).is_empty());
    assert_eq!(fixture.sidecar.get("/api/v1/jobs/1").unwrap().0, 404);
}

/// Twelve lanes with a batch each: requests of eight hang, those of the others have failed.
#[tokio::test(flavor = "multi_thread")]
async fn batches_in_flight_and_waiting_fill_their_pages() {
    let fixture = Fixture::new(15, "deliveries_open", 0, "", "").await;
    let url = &fixture.receiver.url;
    let patient = json!({"url": url, "wait_max_ms": 1, "retry_schedule": ["1h"], "timeout_ms": 600_000});
    let (status, set) =
        fixture.sidecar.request("PATCH", "/api/v1/webhooks/*/*", &patient.to_string()).unwrap();
    assert_eq!(status, 200, "{set}");
    fixture.receiver.answers(|r| if r.project() < "p08" { Answer::Hang } else { Answer::Status(503) });
    for number in (0..12).rev() {
        insert(&fixture, &format!("p{number:02}"), &format!("{number}, {number}")).await;
    }
    let projects = |query: &str| {
        let (mut found, mut after, mut sizes) = (Vec::new(), String::new(), Vec::new());
        loop {
            let some = page(&fixture, &format!("{query}{after}")).unwrap();
            let some_found = some["deliveries"].as_array().unwrap();
            sizes.push(some_found.len());
            found.extend(some_found.iter().map(|one| one["project"].as_str().unwrap().to_owned()));
            let Some(next) = some["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        found.sort();
        (found, sizes)
    };
    let named =
        |numbers: std::ops::Range<u32>| -> Vec<String> { numbers.map(|no| format!("p{no:02}")).collect() };
    until("every lane to be where its receiver leaves it", async || {
        let (in_flight, waiting) = (projects("state=in_flight").0, projects("state=waiting").0);
        (in_flight == named(0..8) && waiting == named(8..12)).then_some(())
    })
    .await;
    for (query, wanted) in [
        ("state=in_flight&limit=3", named(0..8)),
        ("state=waiting&limit=3", named(8..12)),
        ("state=waiting&limit=3&callback=ingested", named(8..12)),
        ("state=in_flight&limit=3&project=p03", named(3..4)),
        ("state=waiting&limit=3&project=p03", Vec::new()),
    ] {
        let (found, sizes) = projects(query);
        assert_eq!(found, wanted, "{query}: each once");
        // The spool tells open batches only: what is on the wire is sorted out, and the page is filled from behind it.
        let full = wanted.len() / 3;
        assert!(sizes.iter().take(full).all(|size| *size == 3), "{query}: {sizes:?}");
    }
    let (status, html) = fixture.sidecar.get("/deliveries?state=in_flight").unwrap();
    assert_eq!((status, html.matches("In flight</span>").count()), (200, 8), "{html}");
}
