//! `sidecar.toml`, the environment and flags → checked settings.
//!
//! The file at the top of the repository is the manual and the defaults: it is compiled in, so no
//! setting has a default anywhere else.

mod check;
mod deserialize;
mod documents;
mod env;
mod merged;
mod raw;
mod show;
mod units;
mod url;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::classify::Mapping;
use crate::deliver::{Egress, Proxy, Routes};
use crate::source::Conninfo;

use deserialize::SettingError;
use merged::{Merged, Origin};

pub use show::show;
pub(crate) use units::span;

/// Settings that can be used as they are.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `[postgres]`
    pub conninfo: Conninfo,
    /// `postgres.slot`
    pub slot: String,
    /// `postgres.failover_slot`
    pub failover_slot: bool,
    /// `postgres.publication`
    pub publication: String,
    /// `[documents]`
    pub mapping: Mapping,
    /// `documents.on_truncate`
    pub on_truncate: OnTruncate,
    /// `documents.initial`
    pub initial: Initial,
    /// `[[webhook]]`
    pub routes: Routes,
    /// `delivery.in_flight_max`
    pub in_flight_max: usize,
    /// `spool.path`
    pub spool_path: PathBuf,
    /// `spool.bytes_max`
    pub spool_bytes_max: u64,
    /// `spool.lane_bytes_max`
    pub lane_bytes_max: u64,
    /// `spool.retain`
    pub retain: Duration,
    /// `recovery.missing_max`
    pub missing_max: f64,
    /// `egress.allow` and `egress.deny`
    pub egress: Egress,
    /// `egress.ca_file`
    pub ca_file: Option<PathBuf>,
    /// `egress.proxy`
    pub proxy: Option<Proxy>,
    /// `admin.listen`
    pub listen: SocketAddr,
    /// `admin.token`
    pub token: Option<Token>,
    /// `log.format`
    pub log_format: LogFormat,
    /// `log.level`
    pub log_level: String,
}

/// What is asked for on the admin port. Never shown.
#[derive(Clone, Eq, PartialEq)]
pub struct Token(pub String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// What a TRUNCATE makes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnTruncate {
    /// An `excluded` for every live document.
    Exclude,
    /// Nothing.
    Ignore,
}

/// What the documents make that are there at the first start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Initial {
    /// An `ingested` each.
    Ingested,
    /// Nothing.
    Silent,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// One object a line.
    Json,
    /// For people.
    Text,
}

/// Where settings come from, besides the environment and the defaults.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `--config`; `./sidecar.toml` where there is none, if it exists.
    pub file: Option<PathBuf>,
    /// `--set key=value`, in order.
    pub set: Vec<String>,
}

/// The settings that are wrong, a sentence each.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct InvalidSettings(pub Vec<String>);

/// The settings in force.
pub fn load(sources: &Sources) -> Result<Settings, InvalidSettings> {
    settings(&Merged::read(sources)?)
}

/// `spool.path` alone, for commands that speak to the running sidecar: they need no secret, and none of
/// the other settings to be right.
pub fn spool_path(sources: &Sources) -> Result<PathBuf, InvalidSettings> {
    if let Some(path) = Merged::outside_the_file(sources, "spool.path")? {
        return Ok(path.into());
    }
    let merged = Merged::read(sources)?;
    let section = merged.sections().find(|(name, _)| *name == "spool");
    let path = section.and_then(|(_, section)| section.as_dict()?.get("path")?.as_str());
    let expected = || InvalidSettings(vec!["`spool.path`: a folder's path is expected".to_owned()]);
    path.map(PathBuf::from).ok_or_else(expected)
}

/// The settings that a text like the file's gives over the defaults, without environment and flags.
pub fn parse(text: &str) -> Result<Settings, InvalidSettings> {
    settings(&Merged::of_text(text)?)
}

/// The compiled-in file.
pub const MANUAL: &str = include_str!("../../sidecar.toml");

fn settings(merged: &Merged) -> Result<Settings, InvalidSettings> {
    let (raw, mut faults) = deserialize::read(merged.root());
    let misfits = faults.clone();
    match raw.as_ref().map(check::check) {
        Some(Ok(settings)) if faults.is_empty() => return Ok(settings),
        Some(Err(errors)) => {
            // A value that did not fit was replaced: what is said of the other one means nothing.
            let concerns = |fault: &SettingError, misfit: &SettingError| {
                fault.path.starts_with(&misfit.path) || misfit.path.starts_with(&fault.path)
            };
            let more = errors.0.into_iter();
            faults.extend(more.filter(|fault| !misfits.iter().any(|misfit| concerns(fault, misfit))));
        }
        Some(Ok(_)) | None => {}
    }
    let mut told: Vec<(Option<Origin>, String)> =
        faults.iter().map(|fault| describe(fault, merged)).collect();
    // The file's first, in the order of its lines.
    told.sort_by_key(|(origin, _)| origin.clone().map_or((1, None), |origin| (0, Some(origin))));
    Err(InvalidSettings(told.into_iter().map(|(_, sentence)| sentence).collect()))
}

/// Where that was written, what is wrong, and why.
fn describe(fault: &SettingError, merged: &Merged) -> (Option<Origin>, String) {
    let (origin, name, why) = (merged.origin(&fault.path), named(&fault.path), &fault.why);
    let sentence = match &origin {
        Some(origin @ Origin::Line { .. }) => format!("{origin}: `{name}`: {why}"),
        Some(Origin::Source(source)) if source != "defaults" => format!("`{name}`: {why} (in the {source})"),
        _ => format!("`{name}`: {why}"),
    };
    (origin, sentence)
}

/// `webhook[0].url`
fn named(path: &[String]) -> String {
    match path {
        [section, at, rest @ ..] if section == "webhook" => {
            let hook = format!("webhook[{at}]");
            [&[hook], rest].concat().join(".")
        }
        path => path.join("."),
    }
}

#[cfg(test)]
mod tests;
