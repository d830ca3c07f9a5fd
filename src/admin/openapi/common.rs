//! What all operations have in common: names, capabilities and errors, from the list of endpoints. Pure.

use serde_json::{Map, Value, json};

use crate::admin::access::{Capability, Endpoint, Reach};
use crate::admin::list_columns::LISTS;
use crate::admin::request_error::PROBLEM_JSON;

/// Completes every operation of the description.
pub(super) fn complete(document: &mut Value) {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for (path, methods) in paths.into_iter().flatten() {
        for (method, operation) in methods.as_object_mut().into_iter().flatten() {
            if let (Some(endpoint), Some(operation)) =
                (Endpoint::find(&method.to_uppercase(), path), operation.as_object_mut())
            {
                complete_operation(endpoint, operation);
            }
        }
    }
    join_flattened(document);
    join_fields(document);
    without_links(document);
    with_bounds(document);
    close_variants(document);
}

/// A variant that is an object with one field has no other.
fn close_variants(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for variant in fields.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten() {
                let has_one_field = ["properties", "required"].iter().all(|name| {
                    let names = variant.get(name);
                    let count = names.and_then(Value::as_object).map(Map::len);
                    count.or_else(|| names.and_then(Value::as_array).map(Vec::len)) == Some(1)
                });
                if let Some(variant) = variant.as_object_mut().filter(|_| has_one_field) {
                    variant.entry("additionalProperties").or_insert(json!(false));
                }
            }
            fields.values_mut().for_each(close_variants);
        }
        Value::Array(values) => values.iter_mut().for_each(close_variants),
        _ => {}
    }
}

/// A request that has the fields of another type among its own is one object, and has no others.
fn join_flattened(document: &mut Value) {
    let schemas = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut);
    for schema in schemas.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
        let Some(properties) = schema.get("allOf").and_then(joined) else { continue };
        schema.remove("allOf");
        schema.insert("type".to_owned(), json!("object"));
        schema.insert("properties".to_owned(), Value::Object(properties));
        schema.insert("additionalProperties".to_owned(), json!(false));
    }
}

/// The properties of all parts; `None`: a part is another type by its name.
fn joined(parts: &Value) -> Option<Map<String, Value>> {
    let mut all = Map::new();
    for part in parts.as_array()? {
        if part.get("$ref").is_some() {
            return None;
        }
        match (part.get("allOf"), part.get("properties").and_then(Value::as_object)) {
            (Some(inner), _) => all.extend(joined(inner)?),
            (None, properties) => all.extend(properties.cloned().unwrap_or_default()),
        }
    }
    Some(all)
}

/// Fields of a body that exclude or require each other, which a type does not say.
fn join_fields(document: &mut Value) {
    let rules: Value = serde_json::from_str(include_str!("rules.json")).unwrap_or_default();
    for (name, rule) in rules.as_object().into_iter().flatten() {
        let schema =
            document.pointer_mut(&format!("/components/schemas/{name}")).and_then(Value::as_object_mut);
        if let (Some(schema), Some(rule)) = (schema, rule.as_object()) {
            schema.extend(rule.clone());
        }
    }
}

fn complete_operation(endpoint: &Endpoint, operation: &mut Map<String, Value>) {
    let parts: Vec<&str> =
        endpoint.path.split('/').filter(|part| !matches!(*part, "" | "-" | "api" | "v1")).collect();
    let name = parts.join("_").replace(['{', '}'], "").replace(['-', '.'], "_");
    let method = endpoint.method.to_lowercase();
    operation.insert("operationId".to_owned(), json!(format!("{method}_{name}")));
    let is_api = endpoint.path.starts_with("/api/v1/");
    let tag = parts.first().filter(|_| is_api).map_or("general", |part| part);
    operation.insert("tags".to_owned(), json!([tag]));
    let names: Vec<&str> = endpoint.needs.iter().map(|capability| capability.name()).collect();
    let security =
        if names.is_empty() { json!([]) } else { json!([{ "token": names }, { "session": names }]) };
    operation.insert("security".to_owned(), security);
    let about = operation.get("description").and_then(Value::as_str).unwrap_or_default();
    let about = format!("{about}\n\n{}", takes(endpoint)).trim_start().to_owned();
    operation.insert("description".to_owned(), json!(about));
    with_forms(operation);
    let statuses = statuses(endpoint, operation);
    if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
        for (status, about) in statuses {
            responses.entry(status).or_insert_with(|| problem(about));
        }
        if let Some(done) = responses.get_mut("200").and_then(Value::as_object_mut) {
            done.insert("description".to_owned(), json!("It was done."));
        }
    }
}

/// A list is given as NDJSON and CSV too, with the next page in a header.
fn with_forms(operation: &mut Map<String, Value>) {
    let done = operation.get_mut("responses").and_then(|responses| responses.get_mut("200"));
    let Some(done) = done.and_then(Value::as_object_mut) else { return };
    let Some(content) = done.get_mut("content").and_then(Value::as_object_mut) else { return };
    let name = content.get("application/json").and_then(|json| json.pointer("/schema/$ref"));
    let name = name.and_then(Value::as_str).and_then(|reference| reference.rsplit('/').next());
    if name.is_none_or(|name| !LISTS.contains(&name)) {
        return;
    }
    for form in ["application/x-ndjson", "text/csv"] {
        content.insert(form.to_owned(), json!({ "schema": { "type": "string" } }));
    }
    let about = "The next page, as `<?…>; rel=\"next\"`; absent on the last one.";
    done.insert(
        "headers".to_owned(),
        json!({ "link": { "description": about, "schema": { "type": "string" } } }),
    );
}

/// What an endpoint takes, as a sentence.
fn takes(endpoint: &Endpoint) -> String {
    let names: Vec<String> =
        endpoint.needs.iter().map(|capability: &Capability| format!("`{capability}`")).collect();
    match (names.is_empty(), endpoint.reach) {
        (true, _) => "It takes no token.".to_owned(),
        (false, Reach::Tenant) => format!("It takes {}.", names.join(" and ")),
        (false, Reach::Operator) => format!("It takes {}, of all projects.", names.join(" and ")),
    }
}

/// The errors that an operation may answer with.
fn statuses(endpoint: &Endpoint, operation: &Map<String, Value>) -> Vec<(&'static str, &'static str)> {
    let has = |name: &str| operation.contains_key(name);
    let is_in_path = endpoint.path.contains('{');
    let given = [
        (has("parameters") || has("requestBody"), "400", "The request is invalid."),
        (true, "401", "It takes a token, or the token is not valid."),
        (!endpoint.needs.is_empty(), "403", "The caller lacks a capability, or the project is another one."),
        (
            is_in_path || has("requestBody"),
            "404",
            "What it names does not exist, or belongs to another project.",
        ),
        (
            !endpoint.is_read() || endpoint.reach == Reach::Operator,
            "409",
            "The state does not allow it, or another change came first.",
        ),
        (has_if_match(operation), "412", "Another change came first than the one that `if-match` names."),
        (has("requestBody"), "413", "The body is too large."),
        (true, "421", "The request names a host that is not ours."),
        (true, "429", "Too many failed logins: wait for the seconds of `retry-after`."),
        (!endpoint.needs.is_empty(), "500", "The spool cannot be read or written."),
    ];
    given.into_iter().filter(|(applies, ..)| *applies).map(|(_, status, about)| (status, about)).collect()
}

fn has_if_match(operation: &Map<String, Value>) -> bool {
    let parameters = operation.get("parameters").and_then(Value::as_array);
    parameters.into_iter().flatten().any(|parameter| parameter.get("name") == Some(&json!("if-match")))
}

fn problem(about: &str) -> Value {
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    json!({ "description": about, "content": { PROBLEM_JSON: { "schema": schema } } })
}

/// An unsigned number has the bounds of its type: a `format` would be that of a signed one.
fn with_bounds(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let most = match fields.get("format").and_then(Value::as_str) {
                Some("int32") => u64::from(u32::MAX),
                Some("int64") => u64::MAX,
                _ => 0,
            };
            if most > 0 && fields.contains_key("minimum") {
                fields.remove("format");
                fields.entry("maximum").or_insert_with(|| json!(most));
            }
            fields.values_mut().for_each(with_bounds);
        }
        Value::Array(values) => values.iter_mut().for_each(with_bounds),
        _ => {}
    }
}

/// Links to other types, as the types' documentation has them, are names here.
fn without_links(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "description" || name == "summary" => {
                        *text = text.replace("[`", "`").replace("`]", "`");
                    }
                    other => without_links(other),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(without_links),
        _ => {}
    }
}
