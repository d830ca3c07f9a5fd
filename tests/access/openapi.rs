//! The description of the API, and the schemas of the bodies that receivers get.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sidecar::admin::{ENDPOINTS, Endpoint, Reach, body_schema, openapi};
use sidecar::record::Callback;

use super::fixture::Fixture;
use crate::operations::fixture::release;
use crate::support::receiver::{Answer as Reply, Received};
use crate::support::schemas::{assert_bodies_fit, validator};
use crate::support::until;

/// Method and path, with the capabilities that it takes, and whether it is for callers of all projects.
type Operations = BTreeMap<(String, String), (BTreeSet<String>, bool)>;

/// The operations of the description.
pub(super) fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().iter();
            methods.map(|(method, operation)| (method.to_uppercase(), path.clone(), operation.clone()))
        })
        .collect()
}

#[test]
fn the_description_and_the_list_of_endpoints_agree() {
    let document = openapi();
    let described: Operations = operations(&document)
        .into_iter()
        .map(|(method, path, operation)| {
            let roles = |scheme: &Value| scheme.as_object().unwrap().values().next().unwrap().clone();
            let mut needs = BTreeSet::new();
            for scheme in operation["security"].as_array().unwrap() {
                needs.extend(
                    roles(scheme).as_array().unwrap().iter().map(|role| role.as_str().unwrap().to_owned()),
                );
            }
            let is_of_all = operation["description"].as_str().unwrap().contains("of all projects.");
            ((method, path), (needs, is_of_all))
        })
        .collect();
    let is_described =
        |path: &str| path.starts_with("/api/") || path.starts_with("/-/") || path == "/metrics";
    let listed: Operations = ENDPOINTS
        .iter()
        .filter(|endpoint| is_described(endpoint.path))
        .map(|endpoint| {
            let needs = endpoint.needs.iter().map(ToString::to_string).collect();
            let key = (endpoint.method.to_owned(), endpoint.path.to_owned());
            (key, (needs, endpoint.reach == Reach::Operator))
        })
        .collect();
    assert_eq!(described, listed);
}

#[test]
fn every_operation_is_described_and_every_reference_leads_somewhere() {
    let document = openapi();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let text = |name: &str| operation[name].as_str().unwrap_or_default().to_owned();
        assert!(text("summary").ends_with('.'), "{method} {path}");
        assert!(ids.insert(text("operationId")), "{method} {path}: {}", text("operationId"));
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let in_path: BTreeSet<String> = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| format!("{{{}}}", parameter["name"].as_str().unwrap()))
            .collect();
        let named: BTreeSet<String> =
            path.split('/').filter(|part| part.starts_with('{')).map(str::to_owned).collect();
        assert_eq!(in_path, named, "{method} {path}");
        assert!(parameters.iter().all(|parameter| parameter["description"].is_string()), "{method} {path}");
    }
    for callback in Callback::ALL {
        let webhook = &document["webhooks"][callback.name()]["post"];
        let schema = &webhook["requestBody"]["content"]["application/json"]["schema"];
        assert!(schema["$ref"].is_string(), "{webhook}");
    }
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 200);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference}"));
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            references.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| collect(value, references));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}

#[test]
fn a_body_of_another_shape_does_not_fit_its_schema() {
    let document = json!({"id": "1", "key": null});
    let labels = json!({"id": "1", "key": "k", "labels": [1, "a", null]});
    for (callback, body, fits) in [
        (Callback::Ingested, json!({"docs": []}), true),
        (Callback::Ingested, json!({"docs": [document]}), true),
        (Callback::Excluded, json!({"docs": [document, document]}), true),
        (Callback::Excluded, json!({"docs": [{"id": "1"}]}), false),
        (Callback::Ingested, json!({"docs": [{"id": 1, "key": null}]}), false),
        (Callback::Ingested, json!({"docs": [labels]}), false),
        (Callback::Ingested, json!({"modified": []}), false),
        (Callback::Ingested, json!({"docs": [], "more": 1}), false),
        (Callback::Modified, json!({"modified": [labels]}), true),
        (Callback::Modified, json!({"modified": [document]}), false),
        (
            Callback::Modified,
            json!({"modified": [{"id": "1", "key": "k", "labels": 1, "predicted_labels": 1}]}),
            false,
        ),
        (Callback::Modified, json!({"modified": [{"similar_doc_id": "1", "similar_doc_key": null}]}), false),
    ] {
        assert_eq!(validator(callback).is_valid(&body), fits, "{callback}: {body}");
    }
}

/// Bodies of records, of tests, of replays and of redelivered dead letters.
#[tokio::test(flavor = "multi_thread")]
async fn every_body_that_a_receiver_gets_fits_its_schema() {
    let mut fixture = Fixture::new("access_bodies", &[]).await;
    fixture.webhook("alpha");
    let run = |sql: &'static str| fixture.database.run(sql);
    fixture.insert("alpha", 1).await;
    run("UPDATE documents SET labels = '{a,b}' WHERE id = 1").await;
    run("UPDATE documents SET predicted_labels = '{x}' WHERE id = 1").await;
    run("UPDATE documents SET similarity = '[{\"similar_doc_id\": 2, \"similarity_label\": \"near\"}]' WHERE id = 1").await;
    run("UPDATE documents SET labels = NULL, predicted_labels = NULL WHERE id = 1").await;
    run("INSERT INTO documents (id, key, project_id) VALUES (2, NULL, 'alpha'), (3, 'k', 'beta')").await;
    run("UPDATE documents SET project_id = 'alpha' WHERE id = 3").await;
    run("UPDATE documents SET deleted_at = now() WHERE id = 2").await;
    run("DELETE FROM documents WHERE id = 1").await;
    let shapes = ["\"labels\"", "\"predicted_labels\"", "\"similar_doc_id\"", "\"docs\""];
    let has = |received: &[Received], text: &str| {
        received.iter().any(|request| String::from_utf8_lossy(&request.body).contains(text))
    };
    until("records of every shape", async || {
        let received = fixture.receiver.received();
        let excluded = received.iter().filter(|request| request.callback() == "excluded");
        let excluded: usize = excluded.map(|request| request.records().len()).sum();
        (excluded == 2 && shapes.iter().all(|shape| has(&received, shape))).then_some(())
    })
    .await;
    for callback in Callback::ALL {
        for body in ["empty", "specimen", "last"] {
            let test = json!({"project": "alpha", "callback": callback, "body": body});
            let tested = fixture.socket("POST", "/api/v1/webhooks/test", &test);
            assert_eq!(tested.json()["delivered"], true, "{tested:?}");
        }
    }
    let replay = json!({"since": "2020-01-01T00:00:00Z", "project": "alpha"});
    let replayed = fixture.socket("POST", "/api/v1/replays", &replay).json()["records"].as_u64().unwrap();
    assert!(replayed >= 9, "{replayed}");
    until("the replay", async || {
        let received = fixture.receiver.received();
        let again = received.iter().filter(|request| !request.header("sidecar-replay").is_empty());
        (again.map(|request| request.records().len() as u64).sum::<u64>() == replayed).then_some(())
    })
    .await;
    fixture.receiver.answers(|_| Reply::Status(413));
    fixture.insert("alpha", 9).await;
    until("a dead letter", async || {
        let letters = fixture.socket("GET", "/api/v1/dead-letters", &Value::Null).json();
        (letters["dead_letters"].as_array()?.len() == 1).then_some(())
    })
    .await;
    fixture.receiver.answers(|_| Reply::Status(200));
    let before = fixture.receiver.received().len();
    fixture.socket("POST", "/api/v1/dead-letters/redeliver", &json!({"all": true}));
    until("the redelivery", async || (fixture.receiver.received().len() > before).then_some(())).await;
    let received = fixture.receiver.received();
    assert!(has(&received, "specimen"));
    assert_bodies_fit(&received);
    fixture.sidecar.stop().await;
    release(&fixture.database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_for_those_who_may_read_and_the_command_prints_the_same() {
    let mut fixture = Fixture::new("access_openapi", &[("TOKEN", "operator"), ("BASE_PATH", "/a/b")]).await;
    let bearer = ("authorization", "Bearer operator");
    assert_eq!(fixture.get("/api/openapi.json", &[]).status, 401);
    let mut served = fixture.get("/a/b/api/openapi.json", &[bearer]).json();
    assert_eq!(served["servers"], json!([{"url": "/a/b"}]));
    served.as_object_mut().unwrap().remove("servers");
    let printed = |arguments: &[&str]| -> Value {
        let output = fixture.sidecar.command("openapi").args(arguments).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    };
    assert_eq!(printed(&[]), served);
    for callback in Callback::ALL {
        let schema = fixture.get(&format!("/api/schemas/{callback}.json"), &[bearer]);
        assert_eq!(schema.header("content-type"), Some("application/schema+json"));
        assert_eq!(schema.json(), body_schema(callback));
        assert_eq!(printed(&["--schema", callback.name()]), schema.json());
    }
    let unknown = fixture.get("/api/schemas/other.json", &[bearer]);
    assert_eq!((unknown.status, unknown.header("content-type")), (404, Some("application/problem+json")));
    let foreign = fixture.send("PUT", "/api/v1/tokens", &[bearer], "{}");
    assert_eq!((foreign.status, foreign.header("allow")), (405, Some("GET, HEAD, POST")), "{foreign:?}");
    fixture.sidecar.stop().await;
    release(&fixture.database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_takes_what_it_needs_and_no_wrong_token() {
    let mut fixture = Fixture::new("access_needs", &[("TOKEN", "operator")]).await;
    let path = |endpoint: &Endpoint| {
        let parts = endpoint.path.split('/').map(|part| if part.starts_with('{') { "1" } else { part });
        parts.collect::<Vec<_>>().join("/")
    };
    for endpoint in ENDPOINTS {
        let status = fixture.send(endpoint.method, &path(endpoint), &[], "{}").status;
        assert_eq!(status == 401, !endpoint.needs.is_empty(), "{endpoint:?}: {status}");
    }
    for endpoint in ENDPOINTS {
        let wrong =
            fixture.send(endpoint.method, &path(endpoint), &[("authorization", "Bearer wrong")], "{}");
        // A probe that sends a token, of an old one or of all its targets, is answered.
        let is_probe = endpoint.path.starts_with("/-/");
        let expected: &[u16] = if is_probe { &[200] } else { &[401, 429] };
        assert!(expected.contains(&wrong.status), "{endpoint:?}: {wrong:?}");
    }
    fixture.sidecar.stop().await;
    release(&fixture.database).await;
}
