//! The pages of dead letters, replays, the tail and the table, as HTML that is complete without a script.

use serde_json::Value;

use crate::replay::fixture::Fixture;
use crate::support::receiver::Answer;
use crate::support::until;

/// Markup, an end of an attribute, an entity, and a character that turns the direction of text.
const HOSTILE: &str = "<script>x\"&amp;\u{202e}y";

/// The same as the value of a field.
const FIELD: &str = "&#60;script&#62;x&#34;&#38;amp;\u{202e}y";

fn page(fixture: &Fixture, path: &str) -> String {
    let (status, html) = fixture.sidecar.get(path).unwrap();
    assert_eq!(status, 200, "{path}: {html}");
    // A field holds what the visitor typed.
    let outside = html.replace(&format!("value=\"{FIELD}\""), "");
    assert!(!html.contains("<script>") && !outside.contains('\u{202e}'), "{path}: {html}");
    assert!(!html.contains(" style=") && !html.contains("onclick"), "{path}: {html}");
    html
}

fn holds(html: &str, facts: &[&str]) {
    for fact in facts {
        assert!(html.contains(fact), "{fact:?} is missing in {html}");
    }
}

fn refuses(fixture: &Fixture, path: &str, status: u16, part: &str) {
    let (answered, html) = fixture.sidecar.get(path).unwrap();
    assert!(answered == status && html.contains(part), "{path}: {answered} {html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_shown_and_acted_on_after_a_count() {
    let fixture =
        Fixture::new(15, "page_dead", 0, "", "give_up_after = \"100ms\"\n[batch]\nrecords_max = 2").await;
    holds(&page(&fixture, "/dead-letters"), &["There is no dead letter.", "the page of a project shows"]);
    fixture.receiver.answers(|_| Answer::Status(500));
    let insert = "INSERT INTO documents (id, key, project_id) SELECT id";
    fixture.database.run(&format!("{insert}, '{HOSTILE}', '{HOSTILE}' FROM generate_series(1, 5) id")).await;
    until("five dead records", async || {
        (fixture.sidecar.status()?["spool"]["dead_letter_records"] == 5).then_some(())
    })
    .await;
    let (_, list) = fixture.sidecar.get("/api/v1/dead-letters").unwrap();
    let list: Value = serde_json::from_str(&list).unwrap();
    let letters = list["dead_letters"].as_array().unwrap();
    let no = letters.iter().find(|letter| !letter["batch"].is_null()).unwrap()["no"].as_u64().unwrap();

    let html = page(&fixture, "/dead-letters");
    holds(&html, &["Not delivered in time", "&#60;script&#62;x", r"\u{202e}", &format!("value=\"{no}\"")]);
    holds(&page(&fixture, "/dead-letters?callback=excluded"), &["No dead letter matches."]);
    refuses(&fixture, "/dead-letters?reason=bored", 400, "is not a reason");
    let html = page(&fixture, &format!("/dead-letter?no={no}"));
    holds(&html, &["HTTP 500", "Attempt 1", "class=\"phases\"", "&#34;id&#34;: &#34;1&#34;", r"\u202e"]);
    refuses(&fixture, "/dead-letter?no=99", 404, "there is no dead letter 99");

    refuses(&fixture, "/dead-letters/discard", 400, "no dead letter is selected");
    let of_one = format!("/dead-letters/discard?no={no}");
    holds(
        &page(&fixture, &of_one),
        &["This is about 1 dead letter with 2 records.", "<form method=\"post\""],
    );
    let of_all = "/dead-letters/redeliver?all=1&callback=ingested";
    let total = letters.len();
    holds(&page(&fixture, of_all), &[&format!("{total} dead letters with 5 records"), "ingested"]);

    let (status, _) = fixture.sidecar.request("POST", &of_one, "").unwrap();
    assert_eq!(status, 303);
    assert_eq!(fixture.sidecar.status().unwrap()["spool"]["dead_letter_records"], 3);
    fixture.receiver.answers(|_| Answer::Status(204));
    let (status, _) = fixture.sidecar.request("POST", of_all, "").unwrap();
    assert_eq!(status, 303);
    until("the rest to be delivered", async || {
        (fixture.sidecar.status()?["spool"]["dead_letter_records"] == 0).then_some(())
    })
    .await;
    holds(&page(&fixture, "/dead-letters?done=discarded&count=2"), &["2 dead letters are discarded."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_counted_before_it_is_started() {
    let mut fixture = Fixture::new(15, "page_replay", 4, "", "").await;
    let html = page(&fixture, "/replay");
    holds(&html, &["No replay is running.", "No replay has ended.", "can be replayed", "name=\"since\""]);
    for (query, field, part) in [
        ("since=2999-01-01T00%3A00", "since", "lies in the future"),
        ("from_lsn=%3Cscript%3E", "from_lsn", "&#60;script&#62;"),
        ("since=2026-01-01T00%3A00&rate=fast", "rate", "a whole number of records a second"),
        ("since=2026-01-01T00%3A00&project=nobody", "project", "no record of"),
    ] {
        let (status, html) = fixture.sidecar.get(&format!("/replay/start?{query}")).unwrap();
        assert_eq!(status, 400, "{query}: {html}");
        holds(&html, &[&format!("id=\"{field}-error\""), part]);
        assert!(!html.contains("<script>") && !html.contains("method=\"post\""), "{query}: {html}");
    }
    refuses(&fixture, "/replay/start", 400, "or `since` (a time) is expected");
    // All of it is said at once.
    let wrong = "/replay/start?from_lsn=x&to_lsn=y&project=nobody&rate=fast";
    let (status, html) = fixture.sidecar.get(wrong).unwrap();
    assert_eq!(status, 400, "{html}");
    for field in ["from_lsn", "to_lsn", "project", "rate"] {
        holds(&html, &[&format!("id=\"{field}-error\"")]);
    }
    let records = fixture.expected().len();
    let range = "/replay/start?since=2026-01-01T00%3A00";
    let html = page(&fixture, range);
    holds(
        &html,
        &[&format!("This sends {records} records"), "Send ", "are no longer kept", "method=\"post\""],
    );
    assert_eq!(fixture.live().len(), fixture.receiver.received().len(), "a count sends nothing");
    let (status, _) = fixture.sidecar.request("POST", range, "").unwrap();
    assert_eq!(status, 303);
    until("the replay in the history", async || {
        let html = page(&fixture, "/replay");
        html.contains(&format!("{records} of {records} records sent")).then_some(())
    })
    .await;
    refuses(&fixture, "/replay/cancel?no=9", 404, "there is no replay 9");
    fixture.write(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_shows_the_last_resync_and_counts_before_it_repairs() {
    let fixture = Fixture::new(15, "page_table", 4, "", "").await;
    let html = page(&fixture, "/table");
    holds(&html, &["No comparison is under way.", "There was no resync", "value=\"count\" checked"]);
    let confirm = page(&fixture, "/table/resync?kind=learn&force=1");
    holds(&confirm, &["Accept the differences", "receivers are not told", "however many documents are gone"]);
    refuses(&fixture, "/table/resync?kind=x", 400, "one of the four kinds");
    refuses(&fixture, "/table/resync?kind=as_ingested", 400, "the project whose documents");
    let (status, _) = fixture.sidecar.request("POST", "/table/resync?kind=count", "").unwrap();
    assert_eq!(status, 303);
    until("the count on the page", async || {
        let html = page(&fixture, "/table");
        (html.contains("Done") && html.contains("Documents in the table")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tail_is_a_page_and_a_stream_of_rows() {
    let fixture = Fixture::new(15, "page_tail", 0, "", "").await;
    holds(
        &page(&fixture, "/tail?project=a%27b"),
        &["No record yet.", r"sidecar tail --project &#39;a&#39;\&#39;&#39;b&#39;"],
    );
    refuses(&fixture, "/tail?callback=x", 400, "callback");
    let path = "/tail?project=p&collect=1";
    let collected = tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let page = scope.spawn(|| page(&fixture, path));
            let handle = tokio::runtime::Handle::current();
            let insert = format!(
                "INSERT INTO documents (id, key, project_id) SELECT (SELECT coalesce(max(id), 0) FROM documents) + n, k, p
                 FROM (VALUES (1, '{HOSTILE}', 'p'), (2, 'k', 'q')) v (n, k, p)"
            );
            while !page.is_finished() {
                handle.block_on(fixture.database.run(&insert));
            }
            page.join().unwrap()
        })
    });
    holds(&collected, &["ingested", r"&#60;script&#62;x\&#34;&#38;amp;\u202ey"]);
    assert!(!collected.contains(">q<"), "{collected}");
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_documents_checks_settings_and_the_audit_log_have_pages() {
    let fixture = Fixture::new(15, "page_rest", 0, "", "").await;
    holds(&page(&fixture, "/deliveries"), &["No batch was cut yet.", "Set a webhook"]);
    holds(&page(&fixture, "/document"), &["No document is chosen."]);
    holds(&page(&fixture, "/audit"), &["Nothing was changed yet."]);
    let insert = format!("INSERT INTO documents (id, key, project_id) VALUES (1, '{HOSTILE}', '{HOSTILE}')");
    fixture.database.run(&insert).await;
    until("a batch", async || (!fixture.live().is_empty()).then_some(())).await;
    fixture.settled().await;

    let html = page(&fixture, "/deliveries");
    holds(&html, &["Delivered", "&#60;script&#62;x", r"\u{202e}", "HTTP 204"]);
    let id = fixture.live()[0].header("webhook-id").to_owned();
    let html = page(&fixture, &format!("/delivery?id={id}"));
    holds(&html, &[&id, "curl ", "&#34;id&#34;:&#34;1&#34;", "class=\"phases\"", "Send its records again"]);
    refuses(&fixture, "/delivery?id=nothing", 400, "role=\"alert\"");
    let project = "%3Cscript%3Ex%22%26amp%3B%E2%80%AEy";
    let found = page(&fixture, &format!("/deliveries?project={project}&by=document&find=1"));
    holds(&found, &["Records found", "its batch"]);
    let html = page(&fixture, &format!("/document?project={project}&id=1"));
    holds(&html, &["exists", "What became of it", "sidecar why --project", "its batch"]);

    let pause = format!(r#"{{"project": "p{}"}}"#, "<script>");
    fixture.sidecar.request("POST", "/api/v1/webhooks/pause", &pause).unwrap();
    holds(&page(&fixture, "/doctor"), &["The checks were not run."]);
    holds(&page(&fixture, "/doctor?run=1"), &["PostgreSQL 15", "class=\"pill ok\""]);
    holds(&page(&fixture, "/settings?search=batch.records_max"), &["batch.records_max", "defaults"]);
    holds(&page(&fixture, "/settings?search=%3Cscript%3E"), &["No setting matches.", "&#60;script&#62;"]);
    let (status, report) = fixture.sidecar.get("/api/v1/doctor").unwrap();
    assert!(status == 200 && report.contains(r#""severity":"ok""#), "{report}");
    let (status, settings) = fixture.sidecar.get("/api/v1/settings").unwrap();
    assert!(status == 200 && settings.contains(r#""name":"batch.records_max""#), "{settings}");
}
