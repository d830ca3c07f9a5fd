//! `sidecar.toml`, the environment and flags → validated settings.
//!
//! The file at the top of the repository is the reference and the defaults: it is compiled in, so no
//! setting has a default anywhere else.

mod admin;
mod alerts;
mod check;
mod deserialize;
mod documents;
mod egress;
mod env;
mod error;
mod limits;
mod merged;
mod raw;
mod secret_source;
mod show;
mod tls_files;
mod units;
mod url;
mod values;
mod warnings;
mod webhook;
mod webhook_row;
mod webhook_section;
mod webhook_sources;

use std::path::PathBuf;

use error::SettingError;
use merged::{Merged, Origin};

pub use show::{Effective, effective, is_reloaded, show};
pub(crate) use units::span;
pub use values::{
    Alerts, DEFAULT_SETTINGS, Initial, InvalidSettings, LogFormat, OnTruncate, Settings, Sources,
    WebhookDefaults, WebhookQuery, WebhookSection, WebhookSections, WebhookSource, WebhookSources,
};
pub use warnings::warnings;
pub use webhook::{masked, merged_settings, replace_plain_secrets, whole_settings};
pub use webhook_row::{RefusedRow, RowWebhook, check_columns};

/// Loads the effective settings.
pub fn load(sources: &Sources) -> Result<Settings, InvalidSettings> {
    settings(&Merged::read(sources)?)
}

/// Loads `spool.path` only, for commands that talk to the running sidecar. Other settings may be invalid,
/// and no secret is read.
pub fn spool_path(sources: &Sources) -> Result<PathBuf, InvalidSettings> {
    if let Some(path) = Merged::overrides(sources, "spool.path")? {
        return Ok(path.into());
    }
    let merged = Merged::read(sources)?;
    let section = merged.sections().find(|(name, _)| *name == "spool");
    let path = section.and_then(|(_, section)| section.as_dict()?.get("path")?.as_str());
    let expected = || InvalidSettings(vec!["`spool.path`: a folder's path is expected".to_owned()]);
    path.map(PathBuf::from).ok_or_else(expected)
}

/// Parses the text of a settings file over the defaults, without environment and flags.
pub fn parse(text: &str) -> Result<Settings, InvalidSettings> {
    settings(&Merged::of_text(text)?)
}

fn settings(merged: &Merged) -> Result<Settings, InvalidSettings> {
    let (raw, mut faults) = deserialize::read(merged.root());
    let misfits = faults.clone();
    match raw.as_ref().map(check::check) {
        Some(Ok(settings)) if faults.is_empty() => {
            return Ok(Settings { webhook_sections: WebhookSections::of(merged), ..settings });
        }
        Some(Err(errors)) => {
            // An error about a replaced value is not meaningful.
            let concerns = |fault: &SettingError, misfit: &SettingError| {
                fault.path.starts_with(&misfit.path) || misfit.path.starts_with(&fault.path)
            };
            let more = errors.0.into_iter();
            faults.extend(more.filter(|fault| !misfits.iter().any(|misfit| concerns(fault, misfit))));
        }
        Some(Ok(_)) | None => {}
    }
    let mut located: Vec<(Option<Origin>, String)> =
        faults.iter().map(|fault| describe(fault, merged)).collect();
    // The file's errors first, in the order of its lines.
    located.sort_by_key(|(origin, _)| origin.clone().map_or((1, None), |origin| (0, Some(origin))));
    Err(InvalidSettings(located.into_iter().map(|(_, sentence)| sentence).collect()))
}

/// The origin of the invalid value, and the message.
fn describe(fault: &SettingError, merged: &Merged) -> (Option<Origin>, String) {
    let (origin, name, why) = (merged.origin(&fault.path), dotted_path(&fault.path), &fault.why);
    let sentence = match &origin {
        Some(origin @ Origin::Line { .. }) => format!("{origin}: `{name}`: {why}"),
        Some(Origin::Source(source)) if source != "defaults" => format!("`{name}`: {why} (in the {source})"),
        _ => format!("`{name}`: {why}"),
    };
    (origin, sentence)
}

/// `webhook[0].url`
fn dotted_path(path: &[String]) -> String {
    match path {
        [section, at, rest @ ..] if section == "webhook" || section == "host" => {
            let item = format!("{section}[{at}]");
            [&[item], rest].concat().join(".")
        }
        path => path.join("."),
    }
}

#[cfg(test)]
mod tests;
