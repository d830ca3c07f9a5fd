//! A caller of one project sees, finds and changes nothing of another, whichever endpoint it calls.

use serde_json::{Value, json};
use sidecar::admin::{ENDPOINTS, Endpoint};

use super::fixture::{Answer, Fixture};
use crate::operations::fixture::release;
use crate::support::receiver::Answer as Reply;
use crate::support::until;

/// In everything that belongs to the other project.
const OTHER: &str = "bravo";
const ALL: [&str; 4] = ["view", "send-again", "manage", "secret"];

/// Two projects with webhooks, dead letters and replays; links, tokens and entries of the audit log.
async fn start(name: &str) -> (Fixture, String) {
    let fixture = Fixture::new(name, &[]).await;
    fixture.receiver.answers(|request| Reply::Status(if request.project() == OTHER { 413 } else { 200 }));
    for project in ["alpha", OTHER] {
        fixture.webhook(project);
    }
    fixture.insert(OTHER, 77_001).await;
    fixture.insert("alpha", 1).await;
    until("a dead letter of the other project", async || {
        let letters = fixture.socket("GET", "/api/v1/dead-letters", &Value::Null).json();
        (letters["dead_letters"].as_array()?.len() == 1).then_some(())
    })
    .await;
    fixture.sidecar.settled().await;
    let replay = fixture.socket(
        "POST",
        "/api/v1/replays",
        &json!({"since": "2020-01-01T00:00:00Z", "project": OTHER}),
    );
    assert!([200, 409].contains(&replay.status), "{replay:?}");
    fixture.link(&json!({"project": OTHER, "can": ["view"]}));
    fixture.token("bravo-token", &ALL, Some(OTHER));
    let token = fixture.token("tenant", &ALL, Some("alpha"));
    (fixture, token)
}

/// What the other project has, as the operator sees it.
fn state(fixture: &Fixture) -> Vec<Value> {
    let webhook = format!("/api/v1/webhooks/{OTHER}/*");
    let letters = format!("/api/v1/dead-letters?project={OTHER}");
    let mut found: Vec<Value> = [&webhook, &letters, "/api/v1/replays", "/api/v1/links", "/api/v1/tokens"]
        .iter()
        .map(|path| fixture.socket("GET", path, &Value::Null).json())
        .collect();
    // The stream goes on.
    found[2]["window"] = Value::Null;
    let replays = found[2]["replays"].as_array_mut().unwrap();
    replays.retain(|replay| replay["asked"]["project"] == OTHER);
    let tokens = found[4]["tokens"].as_array_mut().unwrap();
    tokens.iter_mut().for_each(|token| token["last_used_at"] = Value::Null);
    found
}

/// The path with values of the other project.
fn paths(endpoint: &Endpoint, link: &str, batch: &str) -> Vec<String> {
    let filled = |value: &str, name: &str| {
        let path =
            endpoint.path.replace("{project}", OTHER).replace("{callback}", "*").replace("{name}", name);
        let path = path.replace("/links/{id}", &format!("/links/{link}"));
        // Whatever else there is.
        let mut parts: Vec<String> = path.split('/').map(str::to_owned).collect();
        parts.iter_mut().filter(|part| part.starts_with('{')).for_each(|part| value.clone_into(part));
        parts.join("/")
    };
    let mut paths = vec![filled("1", "bravo-token"), filled("77001", "tenant"), filled(batch, "x")];
    paths.dedup();
    let queries = [
        String::new(),
        format!("?project={OTHER}"),
        format!("?project={OTHER}&callback=ingested&document=77001"),
        format!("?webhook_id={batch}"),
    ];
    paths.iter().flat_map(|path| queries.iter().map(move |query| format!("{path}{query}"))).collect()
}

/// Bodies that ask for the other project, or for all.
fn bodies() -> Vec<Value> {
    let project = json!(OTHER);
    vec![
        json!({}),
        json!({"all": true}),
        json!({"numbers": [1]}),
        json!({"project": project}),
        json!({"project": project, "callback": "*"}),
        json!({"project": project, "callback": "ingested"}),
        json!({"project": project, "until": "now"}),
        json!({"project": project, "since": "2020-01-01T00:00:00Z"}),
        json!({"as_ingested": project}),
        json!({"url": "https://elsewhere.example/"}),
        json!({"webhooks": []}),
        json!({"name": "stolen", "can": ["view"]}),
        json!({"project": project, "can": ["view"]}),
        json!({"project": project, "callback": "ingested", "body": "last"}),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_endpoint_gives_a_tenant_anything_of_another_project() {
    let (mut fixture, token) = start("access_walk").await;
    let before = state(&fixture);
    let link = before[3]["links"][0]["id"].as_str().unwrap().to_owned();
    let batch = before[1]["dead_letters"][0]["batch"].as_str().unwrap().to_owned();
    let mut answers: Vec<(String, Answer)> = Vec::new();
    for endpoint in ENDPOINTS {
        for path in paths(endpoint, &link, &batch) {
            let bodies = if endpoint.is_read() {
                vec![Value::Null]
            } else {
                [bodies(), vec![json!({"ids": [batch]})]].concat()
            };
            for body in bodies {
                let answer = fixture.with(&token, endpoint.method, &path, &body);
                answers.push((format!("{} {path} {body}", endpoint.method), answer));
            }
        }
    }
    for (request, answer) in &answers {
        assert!(answer.status != 0 && answer.status < 500, "{request}: {answer:?}");
        let text = format!("{} {}", answer.head, answer.body).to_lowercase();
        assert!(!text.contains(OTHER), "{request}: {text}");
    }
    assert!(answers.iter().any(|(_, answer)| answer.status == 200 && answer.body.contains("alpha")));
    assert_eq!(state(&fixture), before);
    fixture.sidecar.stop().await;
    release(&fixture.database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_has_the_records_of_the_own_project_alone_and_ends_with_its_token() {
    let (mut fixture, token) = start("access_stream").await;
    let bearer = format!("Bearer {token}");
    let mut stream = fixture.stream("/api/v1/tail", &[("authorization", &bearer)]);
    stream.until_it_has("200 OK").await;
    fixture.insert(OTHER, 77_002).await;
    fixture.insert("alpha", 2).await;
    stream.until_it_has("k-alpha").await;
    assert!(!stream.text.contains(OTHER), "{}", stream.text);
    let foreign = fixture.get(&format!("/api/v1/tail?project={OTHER}"), &[("authorization", &bearer)]);
    assert_eq!(foreign.status, 403, "{foreign:?}");
    assert_eq!(fixture.socket("DELETE", "/api/v1/tokens/tenant", &Value::Null).status, 200);
    stream.until_it_ends().await;
    fixture.sidecar.stop().await;
    release(&fixture.database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_that_is_open_streams_anything_of_another_project() {
    let (mut fixture, token) = start("access_streams").await;
    let batch = state(&fixture)[1]["dead_letters"][0]["batch"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("accept", "text/event-stream")];
    let pages = ENDPOINTS.iter().filter(|endpoint| endpoint.is_read() && !endpoint.path.starts_with("/api/"));
    let mut open = Vec::new();
    for endpoint in pages.filter(|endpoint| !endpoint.path.starts_with("/assets/")) {
        for query in [
            "project=alpha&callback=ingested&id=1&no=1".to_owned(),
            format!("id={batch}&no=1"),
            format!("project={OTHER}"),
        ] {
            open.push((endpoint.path, fixture.stream(&format!("{}?{query}", endpoint.path), &headers)));
        }
    }
    open.push(("/api/v1/tail", fixture.stream("/api/v1/tail", &headers[..1])));
    for (_, stream) in &mut open {
        stream.until_it_has("\r\n\r\n").await;
    }
    fixture.insert(OTHER, 77_003).await;
    fixture.insert("alpha", 3).await;
    let mut live = 0;
    for (path, stream) in &mut open {
        if stream.text.contains("text/event-stream") {
            stream.until_it_has_or_ends("\ndata: ").await;
            live += usize::from(stream.text.contains("\ndata: "));
        }
        let text = stream.text.to_lowercase();
        assert!(!text.contains(OTHER), "{path}: {text}");
    }
    assert!(live > 10, "{live} pages are streams");
    let own = fixture.get("/projects", &[("authorization", &bearer), ("accept", "text/html")]);
    assert!(own.body.contains("alpha") && !own.body.to_lowercase().contains(OTHER), "{own:?}");
    fixture.sidecar.stop().await;
    release(&fixture.database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_refers_to_no_file_and_no_variable_whichever_way_it_sets_a_webhook() {
    let (mut fixture, token) = start("access_refers").await;
    let path = "/api/v1/webhooks/alpha/modified";
    let url = "https://hooks.example/a";
    for reference in [json!({"file": "/etc/passwd"}), json!({"env": "PATH"})] {
        for change in [
            json!({"url": reference}),
            json!({"url": url, "headers": {"x-key": reference}}),
            json!({"url": url, "secret": reference}),
            json!({"url": url, "auth": {"bearer": reference}}),
        ] {
            let refused = fixture.with(&token, "PATCH", path, &change);
            assert_eq!(refused.status, 400, "{change}: {refused:?}");
            let webhook = json!({"project": "alpha", "callback": "modified"});
            let webhooks: Value =
                [webhook, change].iter().flat_map(|part| part.as_object().unwrap().clone()).collect();
            let applied =
                fixture.with(&token, "POST", "/api/v1/webhooks/apply", &json!({"webhooks": [webhooks]}));
            assert_eq!(applied.status, 403, "{applied:?}");
        }
        let bearer = format!("Bearer {token}");
        let kind = "application/x-www-form-urlencoded";
        for field in ["url", "secret", "header_value"] {
            let text: String =
                url::form_urlencoded::byte_serialize(reference.to_string().as_bytes()).collect();
            let form = match field {
                "url" => format!("url={text}&revision=0"),
                _ => format!("url={url}&revision=0&header_name=x-key&{field}={text}"),
            };
            let page = "/webhook?project=alpha&callback=modified";
            let sent =
                fixture.send("POST", page, &[("authorization", &bearer), ("content-type", kind)], &form);
            let stored = fixture.socket("GET", path, &Value::Null).json().to_string();
            assert!(!stored.contains("passwd") && !stored.contains("PATH"), "{field}: {sent:?} {stored}");
            fixture.socket("DELETE", path, &Value::Null);
        }
    }
    fixture.sidecar.stop().await;
    release(&fixture.database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_sees_its_deliveries_without_addresses_and_without_the_operators_webhook() {
    let (mut fixture, token) = start("access_redacted").await;
    let everything =
        json!({"url": format!("{}/of-all", fixture.receiver.url), "headers": {"x-key": "s3cret"}});
    assert_eq!(fixture.socket("PATCH", "/api/v1/webhooks/*/*", &everything).status, 200);
    assert_eq!(fixture.socket("DELETE", "/api/v1/webhooks/alpha/*", &Value::Null).status, 200);
    fixture.receiver.answers(|_| Reply::Status(413));
    fixture.insert("alpha", 9).await;
    let batch = until("a dead letter", async || {
        let page = fixture.with(&token, "GET", "/api/v1/deliveries?state=dead_letter", &Value::Null).json();
        page["deliveries"][0]["id"].as_str().map(str::to_owned)
    })
    .await;
    let path = format!("/api/v1/deliveries/{batch}");
    let (own, whole) = (
        fixture.with(&token, "GET", &path, &Value::Null).json(),
        fixture.socket("GET", &path, &Value::Null).json(),
    );
    assert!(whole["attempt_list"][0]["remote_address"].is_string(), "{whole}");
    assert!(whole["request"]["url"].as_str().unwrap().contains("of-all"), "{whole}");
    assert!(!whole.to_string().contains("s3cret"), "{whole}");
    assert_eq!(own["request"]["body"], whole["request"]["body"]);
    assert_eq!(
        (&own["request"]["url"], &own["request"]["headers"], &own["request"]["curl"]),
        (&Value::Null, &json!([]), &Value::Null)
    );
    for name in ["remote_address", "response_headers", "response_body", "detail"] {
        assert!(own["attempt_list"][0][name].is_null(), "{name}: {own}");
    }
    let bearer = format!("Bearer {token}");
    let page = fixture.get(&format!("/delivery?id={batch}"), &[("authorization", &bearer)]);
    assert!(
        page.status == 200 && !page.body.contains("of-all") && !page.body.contains("127.0.0.1"),
        "{page:?}"
    );
    // What it has undelivered is counted, in the title.
    assert!(page.body.contains("<title>(1) "), "{page:?}");
    fixture.sidecar.stop().await;
    release(&fixture.database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_sees_and_changes_its_own_project() {
    let (mut fixture, token) = start("access_own").await;
    let own = fixture.with(&token, "GET", "/api/v1/webhooks", &Value::Null).json();
    assert_eq!(own["webhooks"].as_array().unwrap().len(), 1, "{own}");
    let paused = fixture.with(&token, "POST", "/api/v1/webhooks/pause", &json!({"all": true}));
    assert_eq!(paused.status, 200, "{paused:?}");
    let lanes = fixture.sidecar.status().unwrap()["lanes"].clone();
    for lane in lanes.as_array().unwrap() {
        assert_eq!(lane["state"] == "paused", lane["project"] == "alpha", "{lanes}");
    }
    // A file of this machine is the operator's, and an internal address is not for tenants.
    let path = "/api/v1/webhooks/alpha/modified";
    let file = fixture.with(&token, "PATCH", path, &json!({"url": {"file": "/etc/passwd"}}));
    assert_eq!((file.status, file.json()["field"].as_str()), (400, Some("webhook.url")), "{file:?}");
    let set = fixture.with(&token, "PATCH", path, &json!({"url": fixture.receiver.url}));
    assert_eq!(set.status, 200, "{set:?}");
    // The operator's change of something else does not make the URL the operator's.
    let limits = fixture.socket("PATCH", path, &json!({"wait_max_ms": 2}));
    assert_eq!(limits.status, 200, "{limits:?}");
    fixture.sidecar.stop().await;
    fixture.spawn(&[]);
    fixture.sidecar.ready().await;
    let test = json!({"project": "alpha", "callback": "modified"});
    let tested = fixture.with(&token, "POST", "/api/v1/webhooks/test", &test).json();
    assert!(tested["delivered"] == false && tested["outcome"] == "egress", "{tested}");
    let audit = fixture.with(&token, "GET", "/api/v1/audit", &Value::Null).json();
    let entries = audit["entries"].as_array().unwrap();
    let paused = entries.iter().find(|entry| entry["what"] == "lanes were paused").unwrap();
    assert_eq!(paused["by"], "token tenant", "{audit}");
    fixture.sidecar.stop().await;
    release(&fixture.database).await;
}
