//! The first page.

use super::fixture::Fixture;
use crate::support::receiver::Answer;

#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_follows_what_happens() {
    let fixture = Fixture::new("page_overview", "").await;
    let browser = &fixture.browser;
    browser.reads("#verdict .notice.ok", "All is well").await;
    browser.reads("#slot", "Walsender waits for").await;
    browser.reads("#slot", "WalSender").await;
    browser.reads("#spool", "Free on its disk").await;
    let status = fixture.sidecar.status().unwrap();
    assert!(status["source"]["confirmed_lag_seconds"].is_number(), "{}", status["source"]);
    assert!(status["source"]["confirmed_at"].is_string(), "{}", status["source"]);
    assert!(status["spool"]["disk_free_bytes"].as_u64().is_some_and(|free| free > 0), "{}", status["spool"]);
    browser.reads("#lanes", "No lane has had a record").await;
    browser.screenshots("overview-empty");
    let url = &fixture.receiver.url;
    let body = format!(r#"{{"url": "{url}", "wait_max_ms": 1, "retry_schedule": ["20ms"]}}"#);
    fixture.sidecar.request("PATCH", "/api/v1/webhooks/*/*", &body).unwrap();
    fixture.insert("alpha", 0..3).await;
    browser.reads("#lanes", "Idle").await;
    fixture.receiver.answers(|_| Answer::Status(503));
    fixture.insert("alpha", 3..5).await;
    // The colour changes with the sentence, and the alert says what will follow.
    browser.reads("#verdict .notice.warn", "1 lane is failing, and 2 records wait for it").await;
    browser.reads("#alerts", "2 records are kept until ").await;
    browser.reads("#alerts", "the database is not affected; once it works, it catches up in about").await;
    assert!(browser.run("return document.title").as_str().unwrap().starts_with("(2) Overview"));
    browser.screenshots("overview-failing");
    browser.accessible("overview");
    fixture.receiver.answers(|_| Answer::Status(204));
    browser.reads("#verdict .notice.ok", "All is well").await;
    // A lane that is about to give up needs somebody now; then what was given up is undelivered.
    let short = r#"{"give_up_after": "3s"}"#;
    fixture.sidecar.request("PATCH", "/api/v1/webhooks/*/*", short).unwrap();
    fixture.receiver.answers(|_| Answer::Status(503));
    fixture.insert("alpha", 5..7).await;
    browser.reads("#verdict .notice.bad", "1 lane is about to give up").await;
    browser.reads("#alerts", "2 records are in dead letters: redeliver or discard them").await;
    fixture.receiver.answers(|_| Answer::Status(204));
    fixture.insert("alpha", 7..8).await;
    browser.reads("#verdict .notice.warn", "2 records are in dead letters").await;
    fixture.end().await;
}
