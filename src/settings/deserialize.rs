//! The merged values → raw settings. Every value that does not fit is reported, not only the first.
//!
//! Deserialization ends at its first error. So each error is recorded, the value is replaced by a valid
//! one, and deserialization is repeated. Settings with replaced values are checked for further errors and
//! never used.

use figment::error::{Actual, Kind};
use figment::value::{Dict, Tag, Value};

use super::error::SettingError;
use super::raw::Raw;
use super::values::DEFAULT_SETTINGS;

/// The settings, with invalid values replaced, and the errors. `None` if a value could not be replaced.
pub(super) fn read(root: &Value) -> (Option<Raw>, Vec<SettingError>) {
    let mut faults = Vec::new();
    let mut root = root.clone();
    for _ in 0..ERRORS_MAX {
        let errors = match root.deserialize::<Raw>() {
            Ok(raw) => return (Some(raw), faults),
            Err(errors) => errors,
        };
        for error in errors {
            let fault = fault(&error);
            let is_unknown = matches!(error.kind, Kind::UnknownField(..));
            let mended = replace_invalid(&mut root, &fault.path, is_unknown);
            faults.push(fault);
            if mended.is_none() {
                return (None, faults);
            }
        }
    }
    (None, faults)
}

fn fault(error: &figment::Error) -> SettingError {
    let mut path = error.path.clone();
    let why = match &error.kind {
        Kind::UnknownField(name, known) => {
            if path.last() != Some(name) {
                path.push(name.clone());
            }
            let near = crate::source::catalog::nearest(name, known.iter().copied());
            let near = near.first().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            format!("unknown setting{near}")
        }
        Kind::MissingField(name) => {
            path.push(name.clone().into_owned());
            "this setting is required".to_owned()
        }
        // The value of the wrong type may be a secret, so the error does not repeat it.
        Kind::InvalidType(found, expected) if may_hold_a_secret(&path) => {
            let found = match found {
                Actual::Str(_) => "a text",
                Actual::Bool(_) => "true or false",
                Actual::Float(_) | Actual::Signed(_) | Actual::Unsigned(_) => "a number",
                Actual::Seq => "a list",
                Actual::Map => "a table",
                _ => "something else",
            };
            format!("{found} was found, and {expected} is expected")
        }
        kind => kind.to_string(),
    };
    SettingError { path, why }
}

fn may_hold_a_secret(path: &[String]) -> bool {
    let is_key = matches!(path, [section, name, ..] if section == "spool" && name == "key");
    is_key
        || path
            .first()
            .is_some_and(|section| ["admin", "egress", "postgres", "webhook"].contains(&section.as_str()))
}

/// Replaces the invalid value at `path`, or removes an unknown key. `None` if that is not possible.
fn replace_invalid(root: &mut Value, path: &[String], is_unknown: bool) -> Option<()> {
    let setting = path.get(..path.len().min(depth(path)))?;
    let (last, above) = setting.split_last()?;
    let holder = above.iter().try_fold(root, |value, key| match value {
        Value::Dict(_, dict) => dict.get_mut(key),
        Value::Array(_, items) => items.get_mut(key.parse::<usize>().ok()?),
        _ => None,
    })?;
    match (holder, placeholder(setting).filter(|_| !is_unknown)) {
        (Value::Dict(_, dict), Some(value)) => drop(dict.insert(last.clone(), value)),
        (Value::Dict(_, dict), None) => drop(dict.remove(last)?),
        (Value::Array(_, items), Some(value)) => *items.get_mut(last.parse::<usize>().ok()?)? = value,
        _ => return None,
    }
    Some(())
}

/// The length of a setting's path; deeper parts are within its value.
fn depth(path: &[String]) -> usize {
    let part = |at: usize| path.get(at).map(String::as_str);
    match (part(0), part(2)) {
        (Some("webhook"), Some("headers")) => 4,
        (Some("host" | "webhook"), _) => 3,
        _ => 2,
    }
}

/// A valid value for the setting: its default, if it has one.
fn placeholder(path: &[String]) -> Option<Value> {
    let text = |text: &str| Value::String(Tag::Default, text.to_owned());
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match *path.as_slice() {
        [section @ ("host" | "webhook"), _] => {
            let parts = required(section).iter().map(|(name, value)| ((*name).to_owned(), text(value)));
            Some(Value::Dict(Tag::Default, parts.collect::<Dict>()))
        }
        [section @ ("host" | "webhook"), _, name] => {
            required(section).iter().find(|(known, _)| *known == name).map(|(_, value)| text(value))
        }
        // An empty token would cause an error about another setting.
        ["admin", "token"] => Some(text("token")),
        _ => {
            let defaults = DEFAULT_SETTINGS.parse::<toml::Table>().ok()?;
            let (first, rest) = path.split_first()?;
            let value = rest.iter().try_fold(defaults.get(*first)?, |value, key| value.get(key))?;
            Value::serialize(value).ok()
        }
    }
}

/// The required keys of an item of a list of sections.
fn required(section: &str) -> &'static [(&'static str, &'static str)] {
    match section {
        "host" => &[("name", "localhost")],
        _ => &[("project", "*"), ("callback", "*"), ("url", "http://localhost/")],
    }
}

/// More errors than anyone corrects at once.
const ERRORS_MAX: usize = 100;
