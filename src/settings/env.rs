//! The environment and flags as settings: texts that are parsed by the type of their default.
//!
//! `SIDECAR_BATCH__WAIT_MAX_MS=0` is `batch.wait_max_ms = 0`. A text setting stays a text, so that a
//! password of digits does not become a number.

use figment::value::{Dict, Map, Tag, Value};
use figment::{Error, Metadata, Profile, Provider};

use super::values::DEFAULT_SETTINGS;

/// The process's `SIDECAR_…` variables.
pub(super) struct Environment(Vec<(String, String)>);

/// `--set key=value`.
pub(super) struct Flags(Vec<(String, String)>);

/// A figment provider with its own name.
pub(super) struct NamedProvider<P> {
    name: &'static str,
    provider: P,
}

impl<P> NamedProvider<P> {
    pub(super) fn new(name: &'static str, provider: P) -> Self {
        Self { name, provider }
    }
}

impl<P: Provider> Provider for NamedProvider<P> {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        self.provider.data()
    }
}

impl Environment {
    pub(super) fn of_process() -> Self {
        let named = std::env::vars_os().filter_map(|(name, value)| {
            let path = name.to_str()?.strip_prefix("SIDECAR_")?.to_ascii_lowercase();
            // Names without a section, such as SIDECAR_PG_BIN, are not settings. SIDECAR_WEBHOOK holds all
            // webhooks.
            let is_setting = path.contains("__") || path == "webhook";
            is_setting.then(|| (path.replace("__", "."), value.to_string_lossy().into_owned()))
        });
        Self(named.collect())
    }
}

impl Flags {
    pub(super) fn parse(set: &[String]) -> Result<Self, String> {
        let pair = |text: &String| {
            let (path, value) = text.split_once('=')?;
            path.contains('.').then(|| (path.trim().to_owned(), value.to_owned()))
        };
        // The value may be a secret, so the error does not repeat it.
        let errors = |text: &String| {
            let name = text.split('=').next().filter(|name| !name.contains([':', '@'])).unwrap_or("…");
            format!("`--set {name}`: expected section.name=value, like batch.wait_max_ms=0")
        };
        set.iter().map(|text| pair(text).ok_or_else(|| errors(text))).collect::<Result<_, _>>().map(Self)
    }
}

impl Provider for Environment {
    fn metadata(&self) -> Metadata {
        Metadata::named("environment")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        dict(&self.0)
    }
}

impl Provider for Flags {
    fn metadata(&self) -> Metadata {
        Metadata::named("flags")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        dict(&self.0)
    }
}

#[expect(clippy::result_large_err, reason = "it is figment's error")]
fn dict(pairs: &[(String, String)]) -> Result<Map<Profile, Dict>, Error> {
    let defaults: toml::Table =
        DEFAULT_SETTINGS.parse().map_err(|error: toml::de::Error| Error::from(error.to_string()))?;
    let mut dict = Dict::new();
    for (path, text) in pairs {
        let default = path.split('.').try_fold(None, |at: Option<&toml::Value>, key| {
            match at {
                None => defaults.get(key),
                Some(value) => value.get(key),
            }
            .map(Some)
        });
        let value = typed(text, default.flatten());
        insert(&mut dict, path, value);
    }
    Ok(Profile::Default.collect(dict))
}

/// Parses `text` by the type of its default. Values that are not texts are parsed as TOML, and so are
/// tables and lists in place of a text.
fn typed(text: &str, default: Option<&toml::Value>) -> Value {
    let plain = || Value::String(Tag::Default, text.to_owned());
    let structured = text.starts_with(['{', '[']);
    // A size is a text with its unit, or a number of bytes.
    let is_text =
        default.and_then(toml::Value::as_str).is_some_and(|text| super::units::size(text).is_none());
    if is_text && !structured {
        return plain();
    }
    let parsed =
        format!("value = {text}").parse::<toml::Table>().ok().and_then(|table| table.get("value").cloned());
    parsed.and_then(|value| Value::serialize(value).ok()).unwrap_or_else(plain)
}

fn insert(dict: &mut Dict, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            dict.insert(path.to_owned(), value);
        }
        Some((section, rest)) => {
            let inner =
                dict.entry(section.to_owned()).or_insert_with(|| Value::Dict(Tag::Default, Dict::new()));
            if let Value::Dict(_, inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}
