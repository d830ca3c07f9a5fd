//! The effective settings with their sources. Secrets are not shown.

use std::fmt::Write as _;

use figment::value::{Dict, Value};

use super::merged::Merged;
use super::settings;
use super::values::{InvalidSettings, Sources};
use crate::deliver::shown_url;

/// A setting in force.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Effective {
    /// `batch.records_max`
    pub name: String,
    /// As the settings file would have it; `"…"` for a secret.
    pub value: String,
    /// Where it is set.
    pub source: String,
}

/// Every setting.
pub fn effective(sources: &Sources) -> Result<Vec<Effective>, InvalidSettings> {
    let merged = Merged::read(sources)?;
    settings(&merged)?;
    let mut leaves = Vec::new();
    for (key, value) in merged.sections() {
        walk(vec![key.clone()], value, &mut leaves);
    }
    let with_source = |(path, value): (Vec<String>, String)| Effective {
        source: merged.origin(&path).map(|origin| origin.to_string()).unwrap_or_default(),
        name: path.join("."),
        value,
    };
    Ok(leaves.into_iter().map(with_source).collect())
}

/// Whether SIGHUP applies a setting, by its name: those that `sidecar.toml` marks so.
pub fn is_reloaded(name: &str) -> bool {
    let section = name.split(['.', '[']).next().unwrap_or_default();
    match section {
        "alerts" | "batch" | "host" | "webhook" | "webhooks" => true,
        "delivery" => name != "delivery.header_prefix",
        _ => name == "spool.lane_bytes_max",
    }
}

/// One line per setting: `batch.records_max = 100    # defaults`.
pub fn show(sources: &Sources) -> Result<String, InvalidSettings> {
    let settings = effective(sources)?;
    let widths = settings.iter().map(|setting| setting.name.len() + setting.value.len());
    let width = widths.filter(|width| *width < 60).max().unwrap_or(0);
    let mut out = String::new();
    for Effective { name, value, source } in settings {
        let pad = width.saturating_sub(name.len() + value.len());
        let _ = writeln!(out, "{name} = {value}{:pad$}   # {source}", "");
    }
    Ok(out)
}

fn walk(path: Vec<String>, value: &Value, leaves: &mut Vec<(Vec<String>, String)>) {
    let below = |key: String| path.iter().cloned().chain([key]).collect();
    match value {
        Value::Dict(_, dict) if !is_reference(dict) => {
            for (key, value) in dict {
                walk(below(key.clone()), value, leaves);
            }
        }
        Value::Array(_, items) if items.iter().any(|item| matches!(item, Value::Dict(..))) => {
            for (at, item) in items.iter().enumerate() {
                walk(below(at.to_string()), item, leaves);
            }
        }
        value => {
            let shown = shown(&path.join("."), value);
            leaves.push((path, shown));
        }
    }
}

/// Whether it refers to a secret, as `{ env = "NAME" }` does: references are shown.
fn is_reference(dict: &Dict) -> bool {
    dict.len() == 1 && (dict.contains_key("env") || dict.contains_key("file"))
}

fn shown(path: &str, value: &Value) -> String {
    match value {
        Value::Dict(_, dict) => {
            let parts: Vec<String> =
                dict.iter().map(|(key, value)| format!("{key} = {}", shown("", value))).collect();
            format!("{{ {} }}", parts.join(", "))
        }
        Value::String(_, text) if path == "postgres.url" => format!("{:?}", without_password(text)),
        Value::String(_, text) if path == "egress.proxy" && text.contains('@') => "\"…\"".to_owned(),
        Value::String(_, text) if matches!(path.rsplit('.').next(), Some("token_url" | "url")) => {
            format!("{:?}", shown_url(text))
        }
        Value::String(_, text) if is_secret(path) && !text.is_empty() => "\"…\"".to_owned(),
        Value::Array(_, _) if is_secret(path) => "\"…\"".to_owned(),
        Value::String(_, text) => format!("{text:?}"),
        Value::Array(_, items) => {
            let items: Vec<String> = items.iter().map(|item| shown(path, item)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Num(_, number) => {
            let whole = number
                .to_i128()
                .map(|whole| whole.to_string())
                .or_else(|| number.to_u128().map(|w| w.to_string()));
            whole.or_else(|| number.to_f64().map(|real| real.to_string())).unwrap_or_default()
        }
        Value::Bool(_, truth) => truth.to_string(),
        other => format!("{other:?}"),
    }
}

fn is_secret(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or_default();
    let is_login =
        path.contains(".auth.") && !matches!(last, "user" | "header" | "client_id" | "scope" | "audience");
    let is_of_list = path.contains(".secret.") && last != "until";
    let is_key = path == "spool.key" || path.starts_with("spool.key.");
    matches!(last, "password" | "token" | "secret" | "command")
        || is_login
        || is_of_list
        || is_key
        || path.contains(".headers.")
}

/// A connection string without its password.
fn without_password(text: &str) -> String {
    let user = std::env::var("USER").ok();
    match crate::source::Conninfo::parse(text, user.as_deref().or(Some("?"))) {
        Ok(conninfo) => format!("postgresql://{}", conninfo.redacted()),
        Err(_) => "…".to_owned(),
    }
}
