//! Bad input in every field of the API, as its description names them: refused at the field, and nothing is changed.

use serde_json::{Map, Value, json};
use sidecar::admin::openapi;

use super::fixture::{Answer, Fixture};
use super::openapi::operations;
use crate::operations::fixture::release;
use crate::support::receiver::Answer as Reply;
use crate::support::until;

/// A request with one bad field.
struct Bad {
    method: String,
    path: String,
    body: Value,
    /// The field, as the error names it, or what is in it.
    field: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_at_its_field_and_changes_nothing() {
    let mut fixture = Fixture::new("access_fields", &[]).await;
    fixture.receiver.answers(|_| Reply::Status(413));
    fixture.webhook("alpha");
    fixture.insert("alpha", 1).await;
    until("a dead letter", async || {
        let letters = fixture.socket("GET", "/api/v1/dead-letters", &Value::Null).json();
        (letters["dead_letters"].as_array()?.len() == 1).then_some(())
    })
    .await;
    fixture.token("kept", &["view"], None);
    fixture.link(&json!({"project": "alpha", "can": ["view"]}));
    let document = openapi();
    let requests: Vec<Bad> = operations(&document)
        .iter()
        .flat_map(|(method, path, operation)| bad_requests(&document, (method, path), operation))
        .collect();
    assert!(requests.len() > 700, "{}", requests.len());
    let before = state(&fixture);
    let mut faults = Vec::new();
    for Bad { method, path, body, field } in requests {
        let Answer { status, body: answer, .. } = fixture.socket(&method, &path, &body);
        let shown = body.to_string().chars().take(300).collect::<String>();
        let answer: Value = serde_json::from_str(&answer).unwrap_or(Value::Null);
        let is_named = answer["errors"].as_array().into_iter().flatten().any(|error| {
            let named = error["field"].as_str().unwrap_or_default();
            let named = named.strip_prefix("webhook.").unwrap_or(named);
            let rest = named.strip_prefix(field.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        });
        let letters = answer["detail"].as_str().unwrap_or_default().chars().count();
        if status != 400 || !is_named || letters > 1_000 {
            faults.push(format!("{field}: {method} {path} {shown}: {status} {answer}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(state(&fixture), before);
    fixture.sidecar.stop().await;
    release(&fixture.database).await;
}

/// Whatever a request could have changed.
fn state(fixture: &Fixture) -> Vec<Value> {
    let get = |path: &str| fixture.socket("GET", path, &Value::Null).json();
    let paths = ["webhooks/alpha/*", "tokens", "links", "dead-letters", "jobs", "audit?limit=1000"];
    let mut found: Vec<Value> = paths.iter().map(|path| get(&format!("/api/v1/{path}"))).collect();
    // Its lane goes on.
    found[0] = found[0]["settings"].clone();
    found.push(get("/api/v1/replays")["replays"].clone());
    found.push(get("/api/v1/status")["source"]["resync"].clone());
    found
}

fn bad_requests(document: &Value, (method, path): (&str, &str), operation: &Value) -> Vec<Bad> {
    let filled = path.replace("{project}", "alpha").replace("{callback}", "ingested").replace("{id}", "1");
    let filled = filled.replace("{no}", "1").replace("{name}", "kept").replace("{file}", "ingested.json");
    let filled = filled.replace("{webhook_id}", "01996f3c-5a7e-7c21-8a53-0d6f1f6a2b10");
    let mut requests = Vec::new();
    let mut add = |path: String, body: Value, field: &str| {
        requests.push(Bad { method: method.to_owned(), path, body, field: field.to_owned() });
    };
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let mut body = if schema.is_null() { Value::Null } else { example(document, schema) };
    if path == "/api/v1/replays" && !body.is_null() {
        body = json!({"since": "2020-01-01T00:00:00Z", "dry_run": true});
    }
    let required: Vec<String> = parameters(operation, "query")
        .filter(|parameter| parameter["required"] == true)
        .map(|parameter| format!("{}=ingested", parameter["name"].as_str().unwrap()))
        .collect();
    for parameter in parameters(operation, "query") {
        let name = parameter["name"].as_str().unwrap();
        for text in bad_texts(document, &parameter["schema"]) {
            let text: String = text.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02x}"));
            let others = required.iter().filter(|pair| !pair.starts_with(&format!("{name}=")));
            let query: Vec<String> = others.cloned().chain([format!("{name}={text}")]).collect();
            add(format!("{filled}?{}", query.join("&")), body.clone(), name);
        }
    }
    if parameters(operation, "query").next().is_some() {
        let query: Vec<String> = required.iter().cloned().chain(["no_such=1".to_owned()]).collect();
        add(format!("{filled}?{}", query.join("&")), body.clone(), "no_such");
    }
    for parameter in
        parameters(operation, "path").filter(|parameter| parameter["schema"]["type"] == "integer")
    {
        let name = parameter["name"].as_str().unwrap();
        for wrong in ["x", "1.5", "%00", "99999999999999999999"] {
            add(path.replace(&format!("{{{name}}}"), wrong), body.clone(), name);
        }
    }
    if !schema.is_null() {
        for (field, body) in bad_bodies(document, schema, &body) {
            add(filled.clone(), body, &field);
        }
    }
    requests
}

fn parameters<'a>(operation: &'a Value, place: &'a str) -> impl Iterator<Item = &'a Value> {
    let all = operation["parameters"].as_array().into_iter().flatten();
    all.filter(move |parameter| parameter["in"] == place)
}

/// A body with every field that is required, and no other.
fn example(document: &Value, schema: &Value) -> Value {
    let schema = resolved(document, schema);
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let value = |name: &str| match name {
        "project" => json!("alpha"),
        "callback" => json!("ingested"),
        "name" => json!("fresh"),
        "can" => json!(["view"]),
        "webhooks" => json!([]),
        "records" | "through" => json!(1),
        other => panic!("no example of `{other}`"),
    };
    required.iter().map(|name| (name.as_str().unwrap().to_owned(), value(name.as_str().unwrap()))).collect()
}

/// The field, and the body in which it is bad.
fn bad_bodies(document: &Value, schema: &Value, good: &Value) -> Vec<(String, Value)> {
    let schema = resolved(document, schema);
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body.as_object_mut().unwrap().insert(name.to_owned(), value);
        if name == "from_lsn" {
            body.as_object_mut().unwrap().remove("since");
        }
        body
    };
    let mut bodies = vec![("no_such".to_owned(), with("no_such", json!(1)))];
    for name in schema["required"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap()) {
        let mut body = good.clone();
        body.as_object_mut().unwrap().remove(name);
        bodies.push((name.to_owned(), body));
    }
    for (name, field) in schema["properties"].as_object().unwrap() {
        bodies.extend(bad_values(document, field).into_iter().map(|value| (name.clone(), with(name, value))));
        let items = resolved(document, &field["items"]);
        if items["properties"].is_object() {
            let item = example(document, &items);
            for (inner, value) in bad_bodies(document, &items, &item) {
                bodies.push((format!("{name}[0].{inner}"), with(name, json!([value]))));
            }
        }
    }
    bodies
}

/// Values of other types, and such as a schema excludes.
fn bad_values(document: &Value, schema: &Value) -> Vec<Value> {
    let schema = resolved(document, schema);
    let is = |kind: &str| {
        schema["type"] == kind || schema["type"].as_array().is_some_and(|kinds| kinds.contains(&json!(kind)))
    };
    let mut values = Vec::new();
    if is("string") {
        values.extend([json!(7), json!(true), json!([]), json!({"a": 1})]);
        values.extend(bad_texts(document, &schema).into_iter().map(Value::String));
    } else if is("integer") {
        values.extend([json!("1"), json!(1.5), json!([]), json!({}), json!(true)]);
        values.extend(schema["minimum"].is_number().then(|| json!(-1)));
    } else if is("number") {
        values.extend([json!("1"), json!([]), json!({}), json!(true)]);
    } else if is("boolean") {
        values.extend([json!("true"), json!(1), json!([]), json!({})]);
    } else if is("array") {
        values.extend([json!("x"), json!(1), json!({"a": 1})]);
    } else if is("object") {
        values.extend([json!("x"), json!(1), json!([1])]);
    }
    values
}

/// Texts that a schema excludes: too long, with control characters, of another form.
fn bad_texts(document: &Value, schema: &Value) -> Vec<String> {
    let schema = resolved(document, schema);
    let has = |name: &str| !schema[name].is_null();
    let is_number = schema["type"] == "integer";
    let is_limited = is_number || ["enum", "pattern", "format", "maxLength"].iter().any(|name| has(name));
    let mut texts = Vec::new();
    if is_limited {
        texts.extend(["x".repeat(20_000), "a\u{0}b".to_owned(), "\u{1b}[31m".to_owned()]);
    }
    if is_limited && !has("maxLength") {
        texts.extend(["nonsense!", "' OR 1=1 --", "\u{202e}\n"].map(str::to_owned));
    }
    if is_number {
        texts.extend(["1.5", "99999999999999999999"].map(str::to_owned));
        texts.extend(schema["minimum"].is_number().then(|| "-1".to_owned()));
        texts.extend((schema["minimum"] == 1).then(|| "0".to_owned()));
    }
    texts
}

/// The schema itself, without `null` beside it.
fn resolved(document: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return resolved(document, document.pointer(reference.strip_prefix('#').unwrap()).unwrap());
    }
    let choices = schema["oneOf"].as_array().filter(|choices| choices.len() == 2);
    let other = choices.and_then(|choices| choices.iter().find(|choice| choice["type"] != "null"));
    match other {
        Some(other) if schema["properties"].is_null() => resolved(document, other),
        _ if schema.is_object() => schema.clone(),
        _ => Value::Object(Map::new()),
    }
}
