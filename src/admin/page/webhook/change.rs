//! The form of a webhook ⇄ its settings. Pure.
//!
//! A secret is never in the form: a field that is left empty keeps what is stored.

use serde_json::{Map, Value, json};

use crate::admin::api::WebhookDetail;
use crate::admin::page::form::Form;
use crate::admin::page::texts as t;
use crate::admin::request_error::RequestError;

/// The form as it is before anything is typed.
pub(super) fn form_of(stored: Option<&WebhookDetail>) -> Form {
    let mut values = vec![("revision".to_owned(), "0".to_owned()), ("auth".to_owned(), "none".to_owned())];
    let Some(stored) = stored else { return Form::new(values) };
    let settings = &stored.settings;
    values.clear();
    values.push(("revision".to_owned(), stored.webhook.revision.unwrap_or(0).to_string()));
    for name in ["url", "owner", "note"].iter().chain(NUMBERS).chain(DURATIONS) {
        values.push(((*name).to_owned(), text(&settings[*name])));
    }
    values.push(("url_shown".to_owned(), text(&settings["url"])));
    let schedule = settings["retry_schedule"].as_array().into_iter().flatten().map(text);
    values.push(("retry_schedule".to_owned(), schedule.collect::<Vec<_>>().join(", ")));
    for property in settings["properties"].as_array().into_iter().flatten() {
        values.push(("properties".to_owned(), text(property)));
    }
    let auth = &settings["auth"];
    values.push(("auth".to_owned(), auth_kind(auth).unwrap_or("none").to_owned()));
    values.push(("auth_user".to_owned(), auth.pointer("/basic/user").map(text).unwrap_or_default()));
    values.push(("auth_header".to_owned(), auth.pointer("/api_key/header").map(text).unwrap_or_default()));
    Form::new(values)
}

/// What the form changes: what it leaves empty is kept where it is a secret, and else goes back to its default.
pub(super) fn change(form: &Form, stored: Option<&Value>) -> Result<Value, RequestError> {
    let mut change = Map::new();
    let nothing = Value::Null;
    let stored = stored.unwrap_or(&nothing);
    if form.given("url").is_some() && form.value("url") != form.value("url_shown") {
        change.insert("url".to_owned(), json!(form.value("url")));
    }
    for name in ["owner", "note"].iter().chain(DURATIONS) {
        put(&mut change, stored, name, form.given(name).map(|text| json!(text)));
    }
    for name in NUMBERS {
        let number = form.given(name).map(|text| {
            let whole = text.parse::<u64>().map(Value::from).ok();
            // JSON has no NaN: it would be `null`, which means the default.
            let number = whole
                .or_else(|| text.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::from));
            number.ok_or_else(|| RequestError::field(format!("webhook.{name}"), t::webhook::NUMBER_EXPECTED))
        });
        put(&mut change, stored, name, number.transpose()?);
    }
    let schedule =
        form.given("retry_schedule").map(|text| text.split(',').map(str::trim).collect::<Vec<_>>());
    put(&mut change, stored, "retry_schedule", schedule.map(|waits| json!(waits)));
    let properties: Vec<&str> = form.all("properties").collect();
    let are_all = properties.len() == t::webhook::ALL_PROPERTIES.len()
        && t::webhook::ALL_PROPERTIES.iter().all(|known| properties.contains(known));
    let is_filter = !properties.is_empty() && !are_all;
    let some = is_filter.then(|| json!(properties));
    put(&mut change, stored, "properties", some);
    if let Some(secret) = form.given("secret") {
        change.insert("secret".to_owned(), json!(secret));
    } else if form.has("secret_remove", "1") {
        change.insert("secret".to_owned(), Value::Null);
    }
    let headers = headers(form, &stored["headers"])?;
    if !headers.is_empty() {
        change.insert("headers".to_owned(), Value::Object(headers));
    }
    if let Some(auth) = auth(form, &stored["auth"])? {
        change.insert("auth".to_owned(), auth);
    }
    Ok(Value::Object(change))
}

/// The field of the form for one of the settings.
pub(super) fn field_of(setting: &str) -> Option<String> {
    let field = setting.strip_prefix("webhook.")?.split('.').next()?;
    Some(field.to_owned()).filter(|field| {
        let known = ["url", "owner", "note", "headers", "auth", "secret", "properties", "retry_schedule"];
        known.iter().chain(NUMBERS).chain(DURATIONS).any(|known| known == field)
    })
}

/// A value that is no secret: without one, the default is in force again.
fn put(change: &mut Map<String, Value>, stored: &Value, name: &str, value: Option<Value>) {
    match value {
        Some(value) if stored[name] != value => drop(change.insert(name.to_owned(), value)),
        None if !stored[name].is_null() => drop(change.insert(name.to_owned(), Value::Null)),
        _ => {}
    }
}

fn headers(form: &Form, stored: &Value) -> Result<Map<String, Value>, RequestError> {
    let mut headers = Map::new();
    let wrong = |why: &str| Err(RequestError::field("webhook.headers", why));
    for (name, value) in form.all("header_name").zip(form.all("header_value")) {
        let is_stored = !stored[name].is_null();
        match (name, value) {
            ("", "") => {}
            ("", _) => return wrong(t::webhook::HEADER_WITHOUT_NAME),
            (_, "") if is_stored => {}
            (name, "") => return wrong(&t::webhook::header_without_value(name)),
            (name, value) => drop(headers.insert(name.to_owned(), json!(value))),
        }
    }
    headers.extend(form.all("header_remove").map(|name| (name.to_owned(), Value::Null)));
    Ok(headers)
}

fn auth(form: &Form, stored: &Value) -> Result<Option<Value>, RequestError> {
    let before = auth_kind(stored);
    let secret = form.given("auth_secret");
    let kind = form.value("auth");
    let missing = || RequestError::field("webhook.auth", t::webhook::AUTH_WITHOUT_SECRET);
    if secret.is_none() && matches!(kind, "basic" | "bearer" | "api_key") && before != Some(kind) {
        return Err(missing());
    }
    let mut auth = match kind {
        "basic" => json!({"basic": {"user": form.value("auth_user")}}),
        "bearer" if secret.is_none() => return Ok(None),
        "bearer" => json!({"bearer": secret}),
        "api_key" => json!({"api_key": {"header": form.value("auth_header")}}),
        "none" => return Ok(before.map(|_| Value::Null)),
        _ => return Ok(None),
    };
    for (kind, name) in [("basic", "password"), ("api_key", "value")] {
        if let Some(fields) = auth.get_mut(kind).and_then(Value::as_object_mut) {
            fields.extend(secret.map(|secret| (name.to_owned(), json!(secret))));
        }
    }
    if let (Some(before), Some(fields)) = (before.filter(|before| *before != kind), auth.as_object_mut()) {
        fields.insert(before.to_owned(), Value::Null);
    }
    // `null` where nothing of a kind is known would otherwise be a key of its own.
    if let Some(fields) = auth.as_object_mut() {
        fields.retain(|name, value| !value.is_null() || Some(name.as_str()) == before);
    }
    Ok(Some(auth))
}

/// Which kind of login is stored.
pub(super) fn auth_kind(auth: &Value) -> Option<&'static str> {
    ["basic", "bearer", "api_key", "oauth2"].into_iter().find(|kind| !auth[*kind].is_null())
}

/// A value as it is typed; one that refers to elsewhere is not shown as text.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// Settings that are numbers.
const NUMBERS: &[&str] =
    &["records_max", "wait_max_ms", "timeout_ms", "requests_per_second", "in_flight_max"];
/// Settings that are durations.
const DURATIONS: &[&str] = &["give_up_after", "order_wait"];

#[cfg(test)]
mod tests {
    use super::*;

    fn form(fields: &[(&str, &str)]) -> Form {
        Form::new(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn what_is_left_as_it_was_changes_nothing() {
        let stored = json!({"url": "https://h/…", "headers": {"x": "…"}, "auth": {"bearer": "…"}, "secret": "…",
            "owner": "o", "records_max": 5, "properties": ["labels"], "retry_schedule": ["1s", "2s"]});
        let typed = form(&[
            ("url", "https://h/…"),
            ("url_shown", "https://h/…"),
            ("header_name", "x"),
            ("header_value", ""),
            ("header_name", ""),
            ("header_value", ""),
            ("auth", "bearer"),
            ("auth_secret", ""),
            ("secret", ""),
            ("owner", "o"),
            ("records_max", "5"),
            ("properties", "labels"),
            ("retry_schedule", "1s, 2s"),
        ]);
        assert_eq!(change(&typed, Some(&stored)), Ok(json!({})));
    }

    #[test]
    fn what_is_typed_is_set_and_what_is_emptied_goes_back_to_its_default() {
        let stored = json!({"url": "https://h/", "headers": {"x": "…", "y": "…"}, "auth": {"bearer": "…"},
            "owner": "o", "records_max": 5});
        let typed = form(&[
            ("url", "https://other/"),
            ("url_shown", "https://h/"),
            ("header_name", "x"),
            ("header_value", "new"),
            ("header_remove", "y"),
            ("auth", "basic"),
            ("auth_user", "u"),
            ("auth_secret", "p"),
            ("owner", ""),
            ("records_max", ""),
            ("timeout_ms", "100"),
        ]);
        let expected = json!({"url": "https://other/", "headers": {"x": "new", "y": null},
            "auth": {"basic": {"user": "u", "password": "p"}, "bearer": null}, "owner": null, "records_max": null,
            "timeout_ms": 100});
        assert_eq!(change(&typed, Some(&stored)), Ok(expected));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_at_its_field() {
        let field = |fields: &[(&str, &str)]| match change(&form(fields), None) {
            Err(RequestError::Fields(errors)) => field_of(&errors[0].field),
            other => panic!("{other:?}"),
        };
        assert_eq!(field(&[("timeout_ms", "soon")]).as_deref(), Some("timeout_ms"));
        assert_eq!(field(&[("requests_per_second", "NaN")]).as_deref(), Some("requests_per_second"));
        assert_eq!(field(&[("header_name", ""), ("header_value", "v")]).as_deref(), Some("headers"));
        assert_eq!(field(&[("header_name", "x"), ("header_value", "")]).as_deref(), Some("headers"));
        assert_eq!(field(&[("auth", "bearer")]).as_deref(), Some("auth"));
        assert_eq!(field_of("webhook.headers.x-source").as_deref(), Some("headers"));
        assert_eq!(field_of("webhook.client_cert"), None);
    }
}
