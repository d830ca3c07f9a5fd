//! Secrets in the settings of webhooks, on their way into the spool and back: those in plain text are encrypted
//! with `spool.key`, as `{ "sealed": BASE64 }`. References to secrets are stored as written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::admin::WebhookKey;
use crate::deliver::shown_url;
use crate::settings::replace_plain_secrets;
use crate::spool::{SealError, SpoolKeys};

/// Settings as they were in the spool.
pub(super) struct Unsealed {
    pub(super) settings: Value,
    /// A secret was encrypted with another key than the first.
    pub(super) is_outdated: bool,
}

/// Makes the settings fit to be stored. Without a key, a secret in plain text is refused; a URL that may hold
/// one is not, as it may also hold none.
pub(super) fn seal(settings: &Value, key: &WebhookKey, keys: &SpoolKeys) -> Result<String, Vec<String>> {
    let mut refused = Vec::new();
    let encrypted = |text: &str| -> Result<Value, SealError> {
        let sealed = keys.seal(text.as_bytes(), &key.project, &key.callback)?;
        Ok(json!({ SEALED: STANDARD.encode(sealed) }))
    };
    let mut stored = replace_plain_secrets(settings, &mut |path, text| {
        encrypted(text).unwrap_or_else(|why| {
            refused.push(format!("`webhook.{path}`: {why}"));
            Value::Null
        })
    });
    if let Some(url) = stored.get_mut("url")
        && let Some(text) = url.as_str().filter(|text| shown_url(text) != *text)
        && let Ok(sealed) = encrypted(text)
    {
        *url = sealed;
    }
    if refused.is_empty() { Ok(stored.to_string()) } else { Err(refused) }
}

/// The settings with their secrets in plain text.
pub(super) fn unseal(mut settings: Value, key: &WebhookKey, keys: &SpoolKeys) -> Result<Unsealed, SealError> {
    let mut is_outdated = false;
    open_within(&mut settings, &mut |sealed| {
        let sealed = STANDARD.decode(sealed).map_err(|_| SealError::Damaged)?;
        let opened = keys.open(&sealed, &key.project, &key.callback)?;
        is_outdated |= !keys.is_current(&sealed);
        String::from_utf8(opened.expose().to_vec()).map_err(|_| SealError::Damaged)
    })?;
    Ok(Unsealed { settings, is_outdated })
}

/// A header may be called `sealed`, too: its value is no text then, but an object.
fn open_within(
    value: &mut Value,
    open: &mut dyn FnMut(&str) -> Result<String, SealError>,
) -> Result<(), SealError> {
    match value {
        Value::Object(fields) => match fields.get(SEALED) {
            Some(Value::String(sealed)) if fields.len() == 1 => *value = Value::from(open(sealed)?),
            _ => fields.values_mut().try_for_each(|value| open_within(value, open))?,
        },
        Value::Array(values) => values.iter_mut().try_for_each(|value| open_within(value, open))?,
        _ => {}
    }
    Ok(())
}

const SEALED: &str = "sealed";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::SpoolKey;

    fn keys(digits: &[&str]) -> SpoolKeys {
        SpoolKeys::new(digits.iter().map(|digit| SpoolKey::parse(&digit.repeat(64)).unwrap()).collect())
    }

    fn key(project: &str) -> WebhookKey {
        WebhookKey { project: project.to_owned(), callback: "*".to_owned() }
    }

    fn settings() -> Value {
        json!({
            "url": "https://h/?key=geheim",
            "auth": {"basic": {"user": "u", "password": "geheim"}},
            "headers": {"sealed": "geheim", "x": {"env": "X"}},
            "secret": ["geheim", {"value": "geheim", "until": "2999-01-01T00:00:00Z"}, {"file": "F"}],
            "wait_max_ms": 5,
        })
    }

    #[test]
    fn what_is_stored_holds_no_secret_and_is_read_back() {
        let stored = seal(&settings(), &key("p"), &keys(&["1"])).unwrap();
        assert!(!stored.contains("geheim") && stored.contains("{\"env\":\"X\"}"), "{stored}");
        let stored: Value = serde_json::from_str(&stored).unwrap();
        let read = unseal(stored.clone(), &key("p"), &keys(&["1"])).unwrap();
        assert_eq!((read.settings, read.is_outdated), (settings(), false));
        let read = unseal(stored.clone(), &key("p"), &keys(&["2", "1"])).unwrap();
        assert_eq!((read.settings, read.is_outdated), (settings(), true));
        for (project, digits, why) in [
            ("q", &["1"][..], SealError::Damaged),
            ("p", &["2"], SealError::OtherKey),
            ("p", &[], SealError::NoKey),
        ] {
            assert_eq!(unseal(stored.clone(), &key(project), &keys(digits)).err(), Some(why));
        }
    }

    #[test]
    fn without_a_key_each_secret_in_plain_text_is_refused_by_name() {
        let refused = seal(&settings(), &key("p"), &keys(&[])).unwrap_err();
        for field in ["auth.basic.password", "headers.sealed", "secret.0", "secret.1.value"] {
            let names = |why: &&String| {
                why.starts_with(&format!("`webhook.{field}`: ")) && why.contains("`spool.key`")
            };
            assert_eq!(refused.iter().filter(names).count(), 1, "{field}: {refused:?}");
        }
        assert_eq!(refused.len(), 4, "{refused:?}");
        let referring = json!({"url": "https://h/?a=b", "secret": {"env": "S"}});
        assert_eq!(seal(&referring, &key("p"), &keys(&[])), Ok(referring.to_string()));
    }
}
