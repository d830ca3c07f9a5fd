//! Webhooks that are set, tested and mended on the page.

use super::browser::{Browser, ENTER, TAB};
use super::fixture::Fixture;
use crate::support::receiver::{Answer, Receiver};
use crate::support::until;

async fn open(browser: &Browser, project: &str) {
    browser.go(&format!("project?project={project}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_never_failed_hands_over_a_specimen_with_the_names_of_its_headers() {
    let fixture = Fixture::new("page_specimen", "key = \"KEY\"\n[delivery]\nheader_prefix = \"acme\"").await;
    let browser = &fixture.browser;
    let body = format!(r#"{{"url": "{}", "headers": {{"x-token": "geheim"}}}}"#, fixture.receiver.url);
    fixture.sidecar.request("PATCH", "/api/v1/webhooks/alpha/modified", &body).unwrap();
    browser.go("webhook/hand-over?project=alpha&callback=modified").await;
    for wanted in ["acme-project: alpha", "acme-test: 1", "x-token: <redacted>", "specimen-id"] {
        browser.reads("pre", wanted).await;
    }
    assert!(!browser.sees("pre").await.contains("geheim"));
    fixture.end().await;
}

/// Sets the URL of a callback on the page.
async fn set_url(fixture: &Fixture, project: &str, callback: &str, url: &str) {
    let browser = &fixture.browser;
    open(browser, project).await;
    browser.click(&format!("#edit-{callback}")).await;
    browser.fill("#url", url).await;
    browser.click("#limits summary").await;
    browser.fill("#limits #wait_max_ms", "1").await;
    browser.fill("#limits #retry_schedule", "50ms").await;
    browser.click("#save").await;
    browser.reads("#done", "saved").await;
}

async fn requests(receiver: &Receiver, count: usize) {
    until("the requests", async || (receiver.received().len() >= count).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_set_fails_is_mended_and_recovers() {
    let fixture = Fixture::new("page_webhook", "").await;
    let browser = &fixture.browser;
    browser.go("projects").await;
    browser.reads("#projects", "Open a project by its name").await;
    browser.screenshots("projects-empty");
    browser.fill("#project", "alpha").await;
    browser.press(&ENTER.to_string()).await;
    browser.reads("#cards", "No webhook").await;
    browser.screenshots("project-empty");
    browser.accessible("project without webhooks");
    set_url(&fixture, "alpha", "ingested", &format!("{}/hook", fixture.receiver.url)).await;
    // A change in the database arrives, and the page says so without being loaded again.
    fixture.insert("alpha", 0..2).await;
    requests(&fixture.receiver, 1).await;
    assert_eq!(fixture.receiver.received()[0].path, "/hook");
    browser.reads("#card-ingested .pill", "Idle").await;
    browser.reads("#card-ingested", " ago").await;
    // The receiver fails: state, cause, remedy.
    fixture.receiver.answers(|_| Answer::Status(503));
    fixture.insert("alpha", 2..5).await;
    browser.reads("#card-ingested .pill", "Failing").await;
    browser.reads("#card-ingested", "answered 503").await;
    browser.reads("#card-ingested dl", "HTTP 503, 20").await;
    browser.reads("#card-ingested dl", "UTC, ").await;
    browser.reads("#card-ingested .legend", "24 h ago").await;
    browser.reads("#card-ingested .legend", " failed").await;
    browser.reads("#card-ingested", "Send the documents that exist (5)").await;
    browser.screenshots("project-failing");
    browser.accessible("project with a failing webhook");
    browser.click("#card-ingested .notice a").await;
    // The very batch that fails, as curl.
    browser.reads("pre", "curl --request POST 'http://127.0.0.1").await;
    let failing = fixture.receiver.received().last().unwrap().header("webhook-id").to_owned();
    browser.reads("pre", &format!("webhook-id: {failing}")).await;
    browser.reads("pre", r#"--data-raw '{"docs":[{"id":"2""#).await;
    browser.reads("pre", "Cause: ").await;
    browser.screenshots("hand-over");
    browser.go("projects?state=failing").await;
    browser.reads("#projects", "alpha").await;
    browser.screenshots("projects");
    browser.accessible("projects");
    // Mended, it works again by itself.
    fixture.receiver.answers(|_| Answer::Status(204));
    open(browser, "alpha").await;
    browser.reads("#card-ingested .pill", "Idle").await;
    // What was sent is sent again, after it was counted.
    fixture.receiver.forget();
    browser.click("#card-ingested a[href*='lanes/recover']").await;
    browser.click("input[value='all']").await;
    browser.click("#count").await;
    browser.reads("#counted", "5 records").await;
    browser.screenshots("recover");
    browser.accessible("recover");
    browser.click("#recover").await;
    browser.reads("#done", "A replay of 5 records").await;
    until("five records again", async || (fixture.receiver.records_taken() >= 5).then_some(())).await;
    fixture.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn masked_values_survive_being_saved_twice_and_another_host_asks_for_them_again() {
    let fixture = Fixture::new("page_masked", &format!("key = \"{}\"\n", "1".repeat(64))).await;
    let browser = &fixture.browser;
    set_url(&fixture, "alpha", "ingested", &format!("{}/?key=geheim", fixture.receiver.url)).await;
    let edit = "webhook?project=alpha&callback=ingested";
    browser.go(edit).await;
    browser.fill("#header_name", "x-token").await;
    browser.fill("#header_value", "header-secret").await;
    browser.click("#save").await;
    browser.reads("#done", "saved").await;
    for owner in ["first", "second"] {
        browser.go(edit).await;
        let page = browser.run("return document.documentElement.outerHTML");
        assert!(
            !page.as_str().unwrap().contains("header-secret") && !page.as_str().unwrap().contains("geheim"),
            "{page}"
        );
        browser.fill("#owner", owner).await;
        browser.reads(".unsaved", "not saved").await;
        browser.click("#save").await;
        browser.reads("#done", "saved").await;
    }
    browser.screenshots("project-saved");
    fixture.insert("alpha", 0..1).await;
    requests(&fixture.receiver, 1).await;
    assert_eq!(fixture.receiver.received()[0].header("x-token"), "header-secret");
    // Another host would get the secret of this one.
    browser.go(edit).await;
    browser.fill("#url", "http://localhost:9/").await;
    browser.click("#save").await;
    browser.reads("#headers-error", "give it again").await;
    browser.screenshots("webhook-refused");
    browser.accessible("webhook with an error");
    // Errors stand at their field, and what was typed is still there.
    browser.go(edit).await;
    browser.fill("#url", "ftp://example.com/").await;
    browser.click("#limits summary").await;
    browser.fill("#timeout_ms", "soon").await;
    browser.click("#save").await;
    browser.reads("#timeout_ms-error", "a number is expected").await;
    browser.fill("#timeout_ms", "").await;
    browser.click("#save").await;
    browser.reads("#headers-error", "the URL is of ftp://example.com now").await;
    assert_eq!(browser.run("return document.querySelector('#url').value"), "ftp://example.com/");
    // Two people: the second to save is told, and nothing is lost.
    browser.go(edit).await;
    let other = r#"{"note": "set by another"}"#;
    fixture.sidecar.request("PATCH", "/api/v1/webhooks/alpha/ingested", other).unwrap();
    browser.fill("#note", "mine").await;
    browser.click("#save").await;
    browser.reads("#refused", "changed meanwhile").await;
    browser.go(edit).await;
    assert_eq!(browser.run("return document.querySelector('#note').value"), "set by another");
    let refusals = browser.complaints();
    assert!(refusals.iter().all(|line| line.contains("400") || line.contains("409")), "{refusals:?}");
    fixture.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_pauses_skips_and_removals_are_asked_for_on_the_page() {
    let fixture = Fixture::new("page_actions", "").await;
    let browser = &fixture.browser;
    set_url(&fixture, "alpha", "ingested", &fixture.receiver.url).await;
    browser.click("#card-ingested a[href*='webhook/test']").await;
    browser.screenshots("test");
    browser.accessible("test");
    browser.click("#send").await;
    browser.reads("#result .pill", "Delivered").await;
    browser.screenshots("test-result");
    assert!(String::from_utf8_lossy(&fixture.receiver.received()[0].body).contains("specimen-id"));
    browser.click("input[value='text']").await;
    browser.fill("#text", r#"{"docs":[{"id":"mine","key":null}]}"#).await;
    browser.click("#send").await;
    requests(&fixture.receiver, 2).await;
    assert!(String::from_utf8_lossy(&fixture.receiver.received()[1].body).contains("mine"));
    // Paused, nothing is sent; what waits is skipped after it was counted.
    open(browser, "alpha").await;
    browser.click("#toggle-ingested").await;
    browser.reads("#done", "Paused").await;
    fixture.insert("alpha", 0..3).await;
    browser.reads("#card-ingested .pill", "Paused").await;
    browser.reads("#card-ingested", "3 records").await;
    browser.click("#card-ingested a[href*='lanes/skip']").await;
    browser.reads("form", "3 records").await;
    browser.screenshots("skip");
    browser.click("#skip").await;
    browser.reads("#done", "3 records skipped").await;
    browser.click("#toggle-ingested").await;
    browser.reads("#done", "Resumed").await;
    browser.click("#edit-ingested").await;
    browser.screenshots("webhook");
    browser.accessible("webhook");
    browser.click("a[href*='webhook/remove']").await;
    browser.screenshots("remove");
    browser.click("button.danger").await;
    browser.reads("#card-ingested", "No webhook").await;
    browser.go("lanes/pause?all=1").await;
    browser.screenshots("pause");
    browser.accessible("pause");
    assert_eq!(fixture.receiver.received().len(), 2);
    fixture.end().await;
}

/// Ends when an event stream of this page has begun. `next` is then a promise of its next version.
const WATCH_VERSIONS: &str = "
    return new Promise(begun => {
        const source = new EventSource(location.href);
        window.next = new Promise(changed => {
            source.addEventListener('page', () => {
                begun(true);
                source.addEventListener('page', () => { source.close(); changed(true); });
            }, { once: true });
        });
    });";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pressed_is_not_replaced_and_then_shows_what_is_new() {
    let fixture = Fixture::new("page_pressed", "").await;
    let browser = &fixture.browser;
    set_url(&fixture, "alpha", "ingested", &fixture.receiver.url).await;
    fixture.insert("alpha", 0..1).await;
    browser.reads("#card-ingested .pill", "Idle").await;
    browser.hold("#toggle-ingested").await;
    browser.run("window.pressed = document.querySelector('#toggle-ingested')");
    for change in 1..=3 {
        browser.run(WATCH_VERSIONS);
        fixture.insert("alpha", change..change + 1).await;
        browser.run("return window.next");
    }
    assert_eq!(browser.run("return window.pressed.isConnected"), true);
    browser.release().await;
    browser.reads("#done", "Paused").await;
    fixture.insert("alpha", 10..13).await;
    browser.reads("#card-ingested", "3 records").await;
    fixture.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_works_by_keyboard_alone_and_without_scripts() {
    let fixture = Fixture::new("page_keyboard", "").await;
    let browser = &fixture.browser;
    browser.go("webhook?project=alpha&callback=ingested").await;
    // The first stop leads to the content, past the navigation.
    browser.press(&TAB.to_string()).await;
    assert_eq!(browser.run("return document.activeElement.className"), "skip");
    browser.press(&ENTER.to_string()).await;
    browser.press(&format!("{TAB}{TAB}{}{ENTER}", fixture.receiver.url)).await;
    browser.reads("#done", "saved").await;
    fixture.insert("alpha", 0..1).await;
    requests(&fixture.receiver, 1).await;
    browser.scripts(false);
    browser.go("project?project=alpha").await;
    browser.reads("#card-ingested", "127.0.0.1").await;
    browser.go("projects").await;
    browser.reads("#projects", "alpha").await;
    browser.go("").await;
    browser.reads("#verdict", "All is well").await;
    browser.go("projects?theme=dark&nav=0").await;
    assert_eq!(browser.run("return document.querySelectorAll('nav').length"), 0);
    browser.click("#projects a").await;
    assert!(browser.address().contains("theme=dark") && browser.address().contains("nav=0"));
    browser.screenshots("embedded-dark");
    fixture.end().await;
}
