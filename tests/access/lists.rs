//! Every list of the API is given as JSON, as NDJSON and as CSV.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sidecar::admin::openapi;

use super::fixture::{Answer, Fixture};
use super::openapi::operations;
use crate::operations::fixture::release;
use crate::support::receiver::Answer as Reply;
use crate::support::until;

/// Answers with an array that are no lists: a state at one moment, the bars of a chart, one thing with its parts.
const NO_LISTS: [&str; 7] = [
    "/api/v1/status",
    "/api/v1/activity",
    "/api/v1/projects/{project}",
    "/api/v1/projects/{project}/documents/{id}",
    "/api/v1/deliveries/{webhook_id}",
    "/api/v1/dead-letters/{no}",
    "/api/v1/webhooks/{project}/{callback}",
];

fn get(fixture: &Fixture, path: &str, accept: &str) -> Answer {
    let given = fixture.send("GET", path, &[("authorization", "Bearer operator"), ("accept", accept)], "");
    assert_eq!(given.status, 200, "{path} {accept}: {given:?}");
    assert!(given.header("content-type").unwrap().starts_with(accept), "{path}: {given:?}");
    given
}

/// The schema that a reference leads to, with the properties of its parts.
fn has_array(document: &Value, schema: &Value) -> bool {
    let schema = schema["$ref"].as_str().map_or(schema, |to| document.pointer(&to[1..]).unwrap());
    let parts = schema["allOf"].as_array().into_iter().flatten();
    let mut properties = schema["properties"].as_object().into_iter().flatten();
    parts.into_iter().any(|part| has_array(document, part))
        || properties.any(|(_, property)| property["type"] == "array")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_is_given_in_three_forms() {
    let mut fixture = Fixture::new("access_lists", &[("TOKEN", "operator")]).await;
    fixture.receiver.answers(|_| Reply::Status(413));
    fixture.webhook("alpha");
    for id in 1..=2 {
        fixture.insert("alpha", id).await;
    }
    until("two dead letters", async || {
        let letters = fixture.socket("GET", "/api/v1/dead-letters", &Value::Null).json();
        (letters["dead_letters"].as_array()?.len() == 2).then_some(())
    })
    .await;
    fixture.receiver.answers(|_| Reply::Status(200));
    fixture.token("reader", &["view"], None);
    fixture.link(&json!({"project": "alpha", "can": ["view"]}));
    let since = json!({"since": "2020-01-01T00:00:00Z", "project": "alpha"});
    assert_eq!(fixture.socket("POST", "/api/v1/replays", &since).status, 200);
    let document = openapi();
    let mut filled = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let content = &operation["responses"]["200"]["content"];
        let json = &content["application/json"]["schema"];
        if method != "GET"
            || json.is_null()
            || NO_LISTS.contains(&path.as_str())
            || !path.starts_with("/api/v1")
        {
            continue;
        }
        let is_list = content["text/csv"].is_object() && content["application/x-ndjson"].is_object();
        assert_eq!(is_list, has_array(&document, json) || path.ends_with("/records"), "{path}");
        if is_list {
            filled.extend(forms(&fixture, &path).await);
        }
    }
    let expected = [
        "audit",
        "dead-letters",
        "deliveries",
        "doctor",
        "links",
        "projects",
        "records",
        "replays",
        "settings",
        "tokens",
        "webhooks",
    ];
    assert_eq!(filled, expected.map(str::to_owned).into());
    fixture.sidecar.stop().await;
    release(&fixture.database).await;
}

/// Returns the name of the list where it had items.
async fn forms(fixture: &Fixture, path: &str) -> Option<String> {
    let path = path.replace("{project}", "alpha");
    let name = path.rsplit('/').next().unwrap().to_owned();
    let path = if name == "records" { format!("{path}?callback=ingested") } else { path };
    get(fixture, &path, "application/json");
    // Two requests see two moments: the replay goes on meanwhile, and other tests take and free the server's slots,
    // which the doctor counts.
    let mut tries_left = 50;
    let (items, columns) = until("a table that says what the items say", async || {
        let lines = get(fixture, &path, "application/x-ndjson").body;
        let items: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut table = rows(&get(fixture, &path, "text/csv").body);
        let columns = table.remove(0);
        let Some(different) = difference(&items, &columns, &table) else {
            return Some((items, columns));
        };
        tries_left -= 1;
        assert!(tries_left > 0, "{path}: {different}");
        None
    })
    .await;
    let is_shown = |key: &&String| columns.iter().any(|column| column.split('.').next() == Some(key));
    for item in &items {
        let known = item.as_object().unwrap().keys();
        let left_out: Vec<&String> = known.filter(|key| !is_shown(key) && *key != "waiting").collect();
        assert!(left_out.is_empty(), "{path}: no column for {left_out:?}");
    }
    (!items.is_empty()).then_some(name)
}

/// Where the rows of a table say something else than the items do. An age is another one each time it is asked for.
fn difference(items: &[Value], columns: &[String], table: &[Vec<String>]) -> Option<String> {
    if table.len() != items.len() {
        return Some(format!("{} items, {} rows", items.len(), table.len()));
    }
    table.iter().zip(items).find_map(|(row, item)| {
        if row.len() != columns.len() {
            return Some(format!("{} columns: {row:?}", columns.len()));
        }
        let mut fields = columns.iter().zip(row).filter(|(column, _)| !column.ends_with("seconds"));
        fields.find_map(|(column, field)| {
            let value = column.split('.').fold(item, |value, name| &value[name]);
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let is_same = *field == text || field.is_empty() && value.is_null();
            (!is_same).then(|| format!("{column}: {field:?} in the table, {value} in the item"))
        })
    })
}

/// <https://www.rfc-editor.org/rfc/rfc4180>
fn rows(csv: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field, mut is_quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut letters = csv.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => field.extend(letters.next()),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => row.push(std::mem::take(&mut field)),
            '\r' if !is_quoted => {}
            '\n' if !is_quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            other => field.push(other),
        }
    }
    rows
}
