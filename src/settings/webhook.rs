//! The settings of a webhook that is set while the sidecar runs: a JSON object with the keys of a
//! `[[webhook]]` section, checked as that is.

use figment::value::{Dict, Tag, Value as Setting};
use serde_json::{Map, Value};

use super::deserialize;
use super::error::{SettingError, SettingErrors};
use super::merged::Merged;
use super::raw;
use super::values::{InvalidSettings, WebhookDefaults, WebhookSection, WebhookSections};
use super::webhook_section;
use crate::deliver::{Webhook, shown_url};

impl WebhookDefaults {
    /// Checks the settings of a webhook, and reads the secrets that they refer to. Errors name the field.
    pub fn check(&self, settings: &Value) -> Result<Webhook, InvalidSettings> {
        let invalid = |why: String| InvalidSettings(vec![format!("`webhook`: {why}")]);
        let section = Setting::serialize(settings).map_err(|error| invalid(error.kind.to_string()))?;
        if section.as_dict().is_none() {
            return Err(invalid("an object is expected".to_owned()));
        }
        if let Some(webhook) = self.valid(&section) {
            return Ok(webhook);
        }
        let defaults = Merged::of_text("")?;
        let mut root = defaults.root().as_dict().cloned().unwrap_or_else(Dict::new);
        root.insert("webhook".to_owned(), Setting::Array(Tag::Default, vec![section]));
        let (raw, faults) = deserialize::read(&Setting::Dict(Tag::Default, root));
        let mut errors = SettingErrors::default();
        let raw = raw.as_ref().and_then(|raw| raw.webhook.first());
        let header_names = Some(&self.header_names);
        let webhook =
            raw.and_then(|raw| webhook_section::webhook(0, raw, (&self.limits, header_names), &mut errors));
        match webhook {
            Some(webhook) if faults.is_empty() && errors.0.is_empty() => Ok(webhook),
            _ => {
                let more = errors.0.into_iter().filter(|error| {
                    // An error about a replaced value is not meaningful.
                    !faults.iter().any(|fault| fault.path.starts_with(&error.path))
                });
                Err(InvalidSettings(
                    faults.iter().cloned().chain(more).map(|error| sentence(&error)).collect(),
                ))
            }
        }
    }
}

impl WebhookDefaults {
    /// A valid section, read by itself: there may be thousands.
    fn valid(&self, section: &Setting) -> Option<Webhook> {
        let raw: raw::Webhook = section.deserialize().ok()?;
        let mut errors = SettingErrors::default();
        let defaults = (&self.limits, Some(&self.header_names));
        let webhook = webhook_section::webhook(0, &raw, defaults, &mut errors);
        webhook.filter(|_| errors.0.is_empty())
    }
}

impl WebhookSections {
    pub(super) fn of(merged: &Merged) -> Self {
        let sections = merged.root().as_dict().and_then(|root| root.get("webhook")?.as_array());
        let places = merged.places("webhook");
        let section =
            |(section, place)| Some(WebhookSection { settings: serde_json::to_value(section).ok()?, place });
        Self(sections.into_iter().flatten().zip(places).filter_map(section).collect())
    }
}

/// The settings after a change: keys that `change` does not have are kept, and a null removes one.
/// <https://www.rfc-editor.org/rfc/rfc7396>
///
/// A mask is refused as a value. Where the URL leads elsewhere, secrets that were given for the old receiver
/// are not sent to the new one: they must be given again, or removed.
pub fn merged_settings(before: &Value, change: &Value) -> Result<Value, InvalidSettings> {
    let mut errors: Vec<String> =
        masked_value(change, "leave the field out to keep the value, or give a new one")
            .into_iter()
            .collect();
    let mut merged = before.clone();
    merge(&mut merged, change, "");
    let given: Vec<String> = secrets(change).into_iter().map(|(path, _)| path).collect();
    let is_given = |path: &String| given.iter().any(|given| given == path || is_inside(path, given));
    // What each URL's host gets: the receiver everything that is sent to it, the authorization server the client's
    // secret.
    for (url, sent) in [("/url", ""), (TOKEN_URL, "auth.oauth2.client_secret")] {
        let (Some(old), Some(new)) = (origin(before, url), origin(&merged, url)) else { continue };
        let kept = secrets(&merged).into_iter().map(|(path, _)| path);
        for path in kept.filter(|path| old != new && path.starts_with(sent) && !is_given(path)) {
            errors.push(format!(
                "`webhook.{path}`: it was given for {old}, and the URL is of {new} now: give it again, or remove it"
            ));
        }
    }
    if errors.is_empty() { Ok(merged) } else { Err(InvalidSettings(errors)) }
}

/// Settings that replace all that were there: nothing is kept. A mask is refused as a value.
pub fn whole_settings(given: &Value) -> Result<Value, InvalidSettings> {
    if let Some(error) = masked_value(given, "give the value itself: nothing is kept of the settings before")
    {
        return Err(InvalidSettings(vec![error]));
    }
    let mut whole = Value::Object(Map::new());
    merge(&mut whole, given, "");
    Ok(whole)
}

/// Refuses a mask, with what to do instead.
fn masked_value(given: &Value, cure: &str) -> Option<String> {
    let masks = masks(given);
    let path = masks.first()?;
    Some(format!("`webhook.{path}`: `{MASK}` stands for a value that is not shown: {cure}"))
}

/// The settings without secrets: plain ones are masked, references to secrets are shown.
pub fn masked(settings: &Value) -> Value {
    let mut shown = settings.clone();
    for_each_secret(&mut shown, &mut |_, value| {
        if value.is_string() {
            *value = Value::from(MASK);
        }
    });
    for pointer in ["/url", TOKEN_URL] {
        if let Some(url) = shown.pointer_mut(pointer)
            && let Some(text) = url.as_str()
        {
            *url = Value::from(shown_url(text));
        }
    }
    shown
}

/// The settings with another value in place of each secret in plain text. `replace` gets its path and text.
pub fn replace_plain_secrets(settings: &Value, replace: &mut dyn FnMut(&str, &str) -> Value) -> Value {
    let mut replaced = settings.clone();
    for_each_secret(&mut replaced, &mut |path, value| {
        if let Some(text) = value.as_str() {
            *value = replace(path, text);
        }
    });
    replaced
}

fn sentence(error: &SettingError) -> String {
    // `webhook`, `0`, and the field.
    let field: Vec<&str> = error.path.iter().skip(2).map(String::as_str).collect();
    let field = ["webhook"].into_iter().chain(field).collect::<Vec<_>>().join(".");
    format!("`{field}`: {}", error.why)
}

fn merge(into: &mut Value, change: &Value, field: &str) {
    let Value::Object(change) = change else {
        into.clone_from(change);
        return;
    };
    // What refers to a secret is replaced as a whole.
    if !into.is_object() || (field != "headers" && is_reference(change)) {
        *into = Value::Object(Map::new());
    }
    let Value::Object(into) = into else { return };
    for (key, value) in change {
        if value.is_null() {
            into.remove(key);
        } else {
            merge(into.entry(key.clone()).or_insert(Value::Null), value, key);
        }
    }
}

pub(super) fn is_reference(object: &Map<String, Value>) -> bool {
    object.len() == 1 && (object.contains_key("env") || object.contains_key("file"))
}

/// Scheme, host and port of the URL at `pointer`. What refers to a URL may be of any host: it is the same as itself alone.
fn origin(settings: &Value, pointer: &str) -> Option<String> {
    match settings.pointer(pointer)? {
        Value::String(text) => Some(url::Url::parse(text).ok()?.origin().ascii_serialization()),
        reference => Some(reference.to_string()),
    }
}

/// The paths of values that are a mask, or contain one where a URL was shown.
fn masks(change: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let is_masked = |value: &Value| value.as_str().is_some_and(|text| text.contains(MASK));
    if change.get("url").is_some_and(is_masked) {
        found.push("url".to_owned());
    }
    found.extend(secrets(change).into_iter().filter(|(_, value)| is_masked(value)).map(|(path, _)| path));
    found
}

fn is_inside(path: &str, of: &str) -> bool {
    path.strip_prefix(of).is_some_and(|rest| rest.starts_with('.'))
}

/// Every secret, with its path: plain, or a reference.
pub(super) fn secrets(settings: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for_each_secret(&mut settings.clone(), &mut |path, value| found.push((path.to_owned(), value.clone())));
    found
}

/// Calls `visit` with every value that is a secret or refers to one: headers' values, logins, and what requests
/// are signed with.
fn for_each_secret(settings: &mut Value, visit: &mut dyn FnMut(&str, &mut Value)) {
    for field in ["auth", "headers", "secret"] {
        if let Some(value) = settings.get_mut(field) {
            visit_within(field, value, visit);
        }
    }
}

fn visit_within(path: &str, value: &mut Value, visit: &mut dyn FnMut(&str, &mut Value)) {
    match value {
        Value::Null => {}
        // A header may have any name.
        Value::Object(fields) if path == "headers" || !is_reference(fields) => {
            let is_no_secret = |name: &str| path != "headers" && NO_SECRETS.contains(&name);
            for (name, value) in fields.iter_mut().filter(|(name, _)| !is_no_secret(name)) {
                visit_within(&format!("{path}.{name}"), value, visit);
            }
        }
        Value::Array(values) => {
            for (at, value) in values.iter_mut().enumerate() {
                visit_within(&format!("{path}.{at}"), value, visit);
            }
        }
        _ => visit(path, value),
    }
}

const TOKEN_URL: &str = "/auth/oauth2/token_url";
/// Fields beside secrets that are none.
const NO_SECRETS: [&str; 7] = ["audience", "client_id", "header", "scope", "token_url", "until", "user"];
/// What is shown in place of a secret.
const MASK: &str = "…";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::deliver::{HeaderNames, Limits};

    fn defaults() -> WebhookDefaults {
        WebhookDefaults { limits: Limits::default(), header_names: HeaderNames::new("sidecar").unwrap() }
    }

    fn plain_secrets(settings: &Value) -> Vec<String> {
        let mut plain = Vec::new();
        replace_plain_secrets(settings, &mut |path, text| {
            plain.push(path.to_owned());
            Value::from(text)
        });
        plain
    }

    fn refused(settings: Value) -> Vec<String> {
        defaults().check(&settings).unwrap_err().0
    }

    #[test]
    fn a_webhook_is_checked_as_a_section_of_the_file_is() {
        let settings =
            json!({"project": "acme", "callback": "*", "url": "http://h/", "wait_max_ms": 7, "gzip": true});
        let webhook = defaults().check(&settings).unwrap();
        assert_eq!((webhook.project.as_deref(), webhook.callback), (Some("acme"), None));
        assert_eq!((webhook.limits.wait_max.as_millis(), webhook.limits.gzip), (7, true));
        for (settings, wanted) in [
            (json!({"project": "p", "callback": "*"}), "`webhook.url`: this setting is required"),
            (
                json!({"project": "p", "callback": "*", "url": "ftp://h/"}),
                "`webhook.url`: a URL should begin",
            ),
            (
                json!({"project": "p", "callback": "*", "url": "http://h/", "headers": {"host": "x"}}),
                "`webhook.headers.host`: this header is reserved",
            ),
            (
                json!({"project": "p", "callback": "*", "url": "http://h/", "urls": 1}),
                "`webhook.urls`: unknown setting; did you mean `url`?",
            ),
            (json!({"project": "p", "callback": "x", "url": "http://h/"}), "`webhook.callback`: "),
            (
                json!({"project": "p", "callback": "*", "url": "http://h/", "gzip": "geheim"}),
                "`webhook.gzip`: a text was found",
            ),
            (json!([1]), "`webhook`: an object is expected"),
        ] {
            let sentences = refused(settings);
            assert!(sentences.len() == 1 && sentences[0].starts_with(wanted), "{sentences:?}");
        }
    }

    #[test]
    fn what_a_change_leaves_out_is_kept_and_a_null_removes() {
        let before = json!({"url": "http://h/a", "headers": {"a": {"env": "A"}, "b": "1"}, "wait_max_ms": 5});
        let change = json!({"url": "http://h/b", "headers": {"a": {"file": "F"}, "b": null, "c": "2"}, "wait_max_ms": null});
        let after = json!({"url": "http://h/b", "headers": {"a": {"file": "F"}, "c": "2"}});
        assert_eq!(merged_settings(&before, &change), Ok(after));
        assert_eq!(merged_settings(&before, &json!({})), Ok(before));
    }

    #[test]
    fn a_header_may_be_called_as_a_reference_is() {
        let one = json!({"url": "http://h/", "headers": {"env": "geheim"}});
        assert_eq!(plain_secrets(&one), ["headers.env"]);
        let before = json!({"headers": {"a": {"env": "A"}}});
        let after = json!({"headers": {"a": {"env": "A"}, "file": {"env": "F"}}});
        assert_eq!(merged_settings(&before, &json!({"headers": {"file": {"env": "F"}}})), Ok(after));
    }

    #[test]
    fn a_mask_is_no_value() {
        let before = json!({
            "url": "http://h/?geheim", "headers": {"a": "geheim", "user": "geheim"},
            "secret": ["geheim", {"value": "geheim", "until": "2026-12-01T00:00:00Z"}],
            "auth": {"basic": {"user": "u", "password": "geheim"}, "api_key": {"header": "x", "value": "geheim"}},
        });
        let shown = masked(&before);
        assert!(!shown.to_string().contains("geheim"), "{shown}");
        assert_eq!(plain_secrets(&before).len(), 6);
        for field in ["url", "headers", "secret", "auth"] {
            let refused = merged_settings(&before, &json!({field: shown[field]})).unwrap_err();
            assert!(refused.0[0].starts_with(&format!("`webhook.{field}")), "{refused}");
        }
    }

    #[test]
    fn secrets_do_not_follow_a_url_to_another_host() {
        let before =
            json!({"url": "https://a/x", "headers": {"authorization": {"env": "A"}}, "secret": {"env": "S"}});
        for url in ["https://b/x", "http://a/x", "https://a:444/x"] {
            let refused = merged_settings(&before, &json!({"url": url})).unwrap_err();
            assert_eq!(refused.0.len(), 2, "{refused}");
            let some = json!({"url": url, "headers": {"authorization": {"env": "B"}}});
            assert_eq!(merged_settings(&before, &some).unwrap_err().0.len(), 1);
            let all = json!({"url": url, "headers": null, "secret": {"env": "S"}});
            assert_eq!(merged_settings(&before, &all), Ok(json!({"url": url, "secret": {"env": "S"}})));
        }
        assert!(merged_settings(&before, &json!({"url": "https://a:443/y"})).is_ok());
        // Nobody knows the host of a URL that is referred to.
        assert!(merged_settings(&before, &json!({"url": {"env": "U"}})).is_err());
        let referring = json!({"url": {"env": "U"}, "secret": {"env": "S"}});
        assert!(merged_settings(&referring, &json!({"url": "https://a/x"})).is_err());
        assert!(merged_settings(&referring, &json!({"url": {"env": "U"}, "gzip": true})).is_ok());
    }

    #[test]
    fn the_secret_of_a_client_does_not_follow_the_url_of_tokens_to_another_host() {
        let oauth2 = |token_url: &str, secret: &str| json!({"auth": {"oauth2": {"token_url": token_url, "client_id": "c", "client_secret": {"env": secret}}}});
        let mut before = oauth2("https://a/token", "S");
        before["url"] = json!("https://h/");
        let change = |token_url: &str| json!({"auth": {"oauth2": {"token_url": token_url}}});
        assert!(merged_settings(&before, &change("https://a/other")).is_ok());
        let refused = merged_settings(&before, &change("https://b/token")).unwrap_err();
        assert!(
            refused.0.len() == 1 && refused.0[0].contains("`webhook.auth.oauth2.client_secret`"),
            "{refused}"
        );
        assert!(merged_settings(&before, &oauth2("https://b/token", "S")).is_ok());
        assert!(plain_secrets(&before).is_empty());
        let shown = masked(&oauth2("https://a/?key=geheim", "S")).to_string();
        assert!(shown.contains("https://a/… (sha256 ") && !shown.contains("geheim"), "{shown}");
    }
}
