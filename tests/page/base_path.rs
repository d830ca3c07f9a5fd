//! The page under a path of its own, and inside the page of another product.

use serde_json::{Value, json};

use super::fixture::Fixture;
use crate::support::receiver::Answer;
use crate::support::until;

/// Follows every link from a page. Returns the pages that were seen, and what is wrong: an address that is not under the
/// root, an answer that is no page, or, with `shown`, a link or form that does not keep how the page is shown.
const FOLLOW: &str = r##"
    const [root, start, shown] = arguments;
    return (async () => {
        const seen = new Set(), faults = [], queue = [new URL(start, root).href];
        while (queue.length && seen.size < 150) {
            const url = queue.shift();
            if (seen.has(url)) continue;
            seen.add(url);
            const answer = await fetch(url);
            if (answer.status !== 200) faults.push(`${url}: ${answer.status}`);
            if (!answer.url.startsWith(root)) faults.push(`${url}: leads to ${answer.url}`);
            if (!(answer.headers.get("content-type") ?? "").startsWith("text/html")) continue;
            const page = new DOMParser().parseFromString(await answer.text(), "text/html");
            if (shown && (page.querySelector("nav") || page.documentElement.dataset.theme !== "dark"))
                faults.push(`${url}: is not shown as asked for`);
            for (const element of page.querySelectorAll("[href], [src], form")) {
                const given = ["href", "src", "action"].map(name => element.getAttribute(name)).find(Boolean) ?? "";
                const link = new URL(given, answer.url);
                if (!link.href.startsWith(root)) faults.push(`${url}: ${given}`);
                const is_page = element.matches("a[href], form");
                const keeps = link.searchParams.get("theme") === "dark" && link.searchParams.get("nav") === "0"
                    || element.matches("form[method=get]") && element.elements.theme?.value === "dark";
                if (shown && is_page && !given.startsWith("#") && given && !keeps)
                    faults.push(`${url}: ${element.outerHTML.slice(0, 120)} does not keep how it is shown`);
                if (!element.matches("form") && !given.startsWith("#")) queue.push(link.href.split("#")[0]);
            }
        }
        return { pages: [...seen], faults };
    })();
"##;

async fn with_work(fixture: &Fixture) {
    let url = &fixture.receiver.url;
    let body = format!(r#"{{"url": "{url}", "wait_max_ms": 1, "retry_schedule": ["50ms"]}}"#);
    fixture.sidecar.request("PATCH", "/api/v1/webhooks/alpha/*", &body).unwrap();
    fixture
        .receiver
        .answers(|request| Answer::Status(if request.callback() == "modified" { 503 } else { 204 }));
    fixture.insert("alpha", 0..3).await;
    fixture.database.run("UPDATE documents SET labels = ARRAY['x'] WHERE id = 1").await;
    until("a failure", async || {
        let status = fixture.sidecar.status()?;
        status["lanes"].as_array()?.iter().any(|lane| lane["state"] == "failing").then_some(())
    })
    .await;
}

fn follow(fixture: &Fixture, root: &str, start: &str, is_shown: bool) -> Vec<String> {
    let found = fixture.browser.script(FOLLOW, &json!([root, start, is_shown]));
    assert_eq!(found["faults"], json!([]));
    let pages = found["pages"].as_array().unwrap().iter().map(|page| page.as_str().unwrap().to_owned());
    pages.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_link_form_asset_and_event_stream_is_under_the_base_path() {
    let fixture = Fixture::under("page_base_path", "", "/a/b/").await;
    let browser = &fixture.browser;
    with_work(&fixture).await;
    browser.go("").await;
    let root = browser.address();
    assert!(root.ends_with("/a/b/"), "{root}");
    // A page may be up to a second behind.
    browser.go("project?project=alpha").await;
    browser.reads("#card-modified .pill", "Failing").await;
    let pages = follow(&fixture, &root, "", false);
    for page in
        ["projects", "project?project=alpha", "webhook?", "webhook/hand-over?", "lanes/skip?", "delivery?"]
    {
        assert!(pages.iter().any(|seen| seen[root.len()..].starts_with(page)), "{page} in {pages:?}");
    }
    // A form leads on under the path, and the event stream comes through it.
    browser.go("webhook?project=beta&callback=ingested").await;
    browser.fill("#url", &fixture.receiver.url).await;
    browser.click("#save").await;
    browser.reads("#done", "saved").await;
    assert!(browser.address().starts_with(&root), "{}", browser.address());
    fixture.insert("beta", 10..12).await;
    browser.reads("#card-ingested .pill", "Idle").await;
    browser.click("#toggle-ingested").await;
    browser.reads("#done", "Paused").await;
    assert!(browser.address().starts_with(&root), "{}", browser.address());
    let sent: Value = browser.run("return document.cookie");
    assert_eq!(sent, "", "the session is not for scripts");
    fixture.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inside_another_page_every_link_and_form_keeps_how_it_is_shown() {
    let fixture = Fixture::new("page_embedded", "").await;
    let browser = &fixture.browser;
    with_work(&fixture).await;
    browser.go("project?project=alpha&nav=0&theme=dark").await;
    let address = browser.address();
    let root = &address[..address.find("project").unwrap()];
    let pages = follow(&fixture, root, "project?project=alpha&nav=0&theme=dark", true);
    assert!(pages.len() > 10, "{pages:?}");
    browser.click("#toggle-ingested").await;
    browser.reads("#done", "Paused").await;
    assert!(browser.address().contains("theme=dark&nav=0"), "{}", browser.address());
    browser.screenshots("embedded-dark");
    browser.accessible("embedded");
    fixture.end().await;
}
