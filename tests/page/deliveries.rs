//! Batches and dead letters, acted on in a browser; times in UTC and in local time.

use super::fixture::Fixture;
use crate::support::receiver::Answer;
use crate::support::until;

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_selected_counted_and_acted_on_and_times_are_local_on_request() {
    let fixture = Fixture::new("page_acts", "[batch]\nrecords_max = 1\n").await;
    let browser = &fixture.browser;
    browser.zone("Asia/Kolkata");
    browser.go("deliveries").await;
    browser.reads("#deliveries", "No batch was cut yet.").await;
    let body = format!(r#"{{"url": "{}", "wait_max_ms": 1}}"#, fixture.receiver.url);
    fixture.sidecar.request("PATCH", "/api/v1/webhooks/*/*", &body).unwrap();
    fixture.receiver.answers(|_| Answer::Status(413));
    fixture.insert("alpha", 0..3).await;
    until("dead letters", async || {
        (fixture.sidecar.status()?["spool"]["dead_letter_records"] == 3).then_some(())
    })
    .await;
    browser.go("deliveries?state=dead_letter").await;
    browser.reads("#deliveries", "All that match:").await;
    browser.screenshots("deliveries-acts");
    browser.accessible("deliveries-acts");

    // The server sends UTC; the browser shows what its clock says, and remembers that.
    let times = "return document.querySelector('#deliveries time').textContent";
    let local = "const at = new Date(document.querySelector('#deliveries time').dateTime); \
                 return new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 19).replace('T', ' ')";
    let in_utc = browser.run(times);
    assert_eq!(
        browser.run("return document.querySelector('#deliveries th:nth-child(2)').textContent"),
        "Cut (UTC)"
    );
    browser.click("#zone").await;
    browser.reads("#zone", "Times in UTC").await;
    assert_eq!(
        browser.run("return document.querySelector('#deliveries th:nth-child(2)').textContent"),
        "Cut (local)"
    );
    assert_eq!(browser.run(times), browser.run(local));
    assert_ne!(browser.run(times), in_utc, "five hours and a half later");
    browser.go("deliveries?state=dead_letter&since=2020-01-01T00:00:00Z").await;
    browser.reads("#deliveries", "All that match:").await;
    assert_eq!(
        browser.run("return document.querySelector('#deliveries th:nth-child(2)').textContent"),
        "Cut (local)"
    );
    browser.click("form[role=search] button.primary").await;
    until("the filter in the address", async || {
        browser.address().contains("since=2020-01-01T00%3A00%3A00Z").then_some(())
    })
    .await;
    browser.reads("#deliveries", "All that match:").await;
    browser.click("#zone").await;
    browser.reads("#zone", "Times in local time").await;
    assert_eq!(browser.run(times), in_utc);

    browser.click("#deliveries tbody tr:first-child input[type=checkbox]").await;
    browser.click("#deliveries button[formaction$='deliveries/discard']").await;
    browser.reads("main", "This is about 1 batch with 1 record, which is a dead letter.").await;
    browser.screenshots("deliveries-confirm");
    browser.click("main form button.danger").await;
    browser.reads("#done", "1 dead letter is discarded").await;
    fixture.end().await;
}
