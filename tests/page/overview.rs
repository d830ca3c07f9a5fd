//! The first page.

use super::fixture::Fixture;
use crate::support::receiver::Answer;

#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_follows_what_happens() {
    let fixture = Fixture::new("page_overview", "").await;
    let browser = &fixture.browser;
    browser.reads("#verdict", "All is well").await;
    browser.reads("#lanes", "No lane has had a record").await;
    browser.screenshots("overview-empty");
    let url = &fixture.receiver.url;
    let body = format!(r#"{{"url": "{url}", "wait_max_ms": 1, "retry_schedule": ["20ms"]}}"#);
    fixture.sidecar.request("PATCH", "/api/v1/webhooks/*/*", &body).unwrap();
    fixture.insert("alpha", 0..3).await;
    browser.reads("#lanes", "Idle").await;
    fixture.receiver.answers(|_| Answer::Status(503));
    fixture.insert("alpha", 3..5).await;
    browser.reads("#verdict", "1 lane is failing, and 2 records wait for it").await;
    assert!(browser.run("return document.title").as_str().unwrap().starts_with("(2) Overview"));
    browser.screenshots("overview-failing");
    browser.accessible("overview");
    fixture.receiver.answers(|_| Answer::Status(204));
    browser.reads("#verdict", "All is well").await;
    fixture.end().await;
}
