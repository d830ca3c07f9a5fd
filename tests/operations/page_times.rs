//! A time on a page is an element, which shows UTC or local time: none stands as RFC 3339 among words.

use serde_json::{Value, json};

use crate::operations::fixture::release;
use crate::support::database::{DOCUMENTS, Database};
use crate::support::process::Sidecar;
use crate::support::receiver::{Answer, Receiver};
use crate::support::until;

/// What is read, without elements of times, and without what is to be copied.
fn words(html: &str) -> String {
    let mut text = html.to_owned();
    for (begin, end) in [("<time ", "</time>"), ("<pre", "</pre>")] {
        while let Some((before, rest)) = text.split_once(begin) {
            text = format!("{before}{}", rest.split_once(end).unwrap().1);
        }
    }
    text.split('<').map(|part| part.split_once('>').map_or(part, |(_, words)| words)).collect()
}

/// `2026-11-28T17:46:01`
fn raw_time(text: &str) -> Option<String> {
    let fits = |bytes: &&[u8]| {
        bytes
            .iter()
            .zip(b"0000-00-00T00:00:00")
            .all(|(byte, form)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form })
    };
    text.as_bytes().windows(19).find(fits).map(|time| String::from_utf8_lossy(time).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_has_a_time_that_is_no_element() {
    let database = Database::new(15, "page_times").await;
    database.run(DOCUMENTS).await;
    let receiver = Receiver::start().await;
    receiver.answers(|request| Answer::Status(if request.project() == "q" { 413 } else { 503 }));
    let settings = format!(
        "[delivery]\nretry_schedule = [\"1h\"]\n[[webhook]]\nproject = \"*\"\ncallback = \"*\"\nurl = \"{}\"\nwait_max_ms = 1\n",
        receiver.url
    );
    let mut sidecar = Sidecar::start(&database, &settings).await;
    database.run("INSERT INTO documents (id, project_id) VALUES (1, 'p'), (2, 'q')").await;
    let get = |path: &str| -> Value { serde_json::from_str(&sidecar.get(path).unwrap().1).unwrap() };
    let batch = until("an attempt that failed, and a dead letter", async || {
        let failed = get("/api/v1/deliveries?project=p")["deliveries"][0].clone();
        let has_letter = get("/api/v1/dead-letters")["dead_letters"][0]["no"] == 1;
        (has_letter && failed["last_attempt"]["status"] == 503)
            .then(|| failed["id"].as_str().unwrap().to_owned())
    })
    .await;
    let replay = json!({"since": "2020-01-01T00:00:00Z", "project": "q"}).to_string();
    assert_eq!(sidecar.request("POST", "/api/v1/replays", &replay).unwrap().0, 200);
    let known = get("/api/v1/projects/p/documents/1").to_string();
    assert!(raw_time(&known[known.find("next attempt").unwrap()..]).is_some(), "{known}");
    let one = format!("delivery?id={batch}");
    for page in [
        "",
        "projects",
        "project?project=p",
        "webhook/hand-over?project=p&callback=ingested",
        "deliveries",
        "deliveries?state=waiting",
        &one,
        "deliveries/discard?all=1&since=2020-01-01T00:00:00Z",
        "dead-letters",
        "dead-letter?no=1",
        "dead-letters/redeliver?all=1&since=2020-01-01T00:00:00Z",
        "document?project=p&id=1",
        "replay",
        "replay/start?since=2020-01-01T00:00:00Z",
        "replay/start?since=2999-01-01T00:00:00Z",
        "jobs",
        "table",
        "audit",
        "doctor?run=1",
        "lanes/recover?project=p&callback=ingested&what=all&since=2020-01-01T00:00",
    ] {
        let (status, html) = sidecar.get(&format!("/{page}")).unwrap();
        assert!([200, 400].contains(&status), "{page}: {html}");
        let shown = words(&html);
        assert_eq!(raw_time(&shown), None, "{page}: {shown}");
    }
    let (_, html) = sidecar.get("/document?project=p&id=1").unwrap();
    assert!(html.contains("the next attempt is made at <time datetime=\"20"), "{html}");
    sidecar.stop().await;
    release(&database).await;
}
