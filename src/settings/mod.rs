//! `sidecar.toml`, the environment and flags → checked settings.
//!
//! The file at the top of the repository is the manual and the defaults: it is compiled in, so no
//! setting has a default anywhere else.

mod check;
mod env;
mod raw;
mod show;
mod units;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::Figment;
use figment::error::{Actual, Kind};
use figment::providers::{Format as _, Toml};

use crate::classify::Mapping;
use crate::deliver::{Egress, Proxy, Routes};
use crate::source::Conninfo;

pub use show::show;

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

/// Every setting is wrong that is named here.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct WrongSettings(pub Vec<String>);

/// The settings in force.
pub fn load(sources: &Sources) -> Result<Settings, WrongSettings> {
    let raw = merged(sources)?
        .extract::<raw::Raw>()
        .map_err(|errors| WrongSettings(errors.into_iter().map(|error| sentence(&error)).collect()))?;
    check::check(&raw).map_err(|wrong| WrongSettings(wrong.0))
}

/// Settings that are accepted and checked, and have no effect in this version: said at each start.
pub fn without_effect(settings: &Settings) -> Vec<&'static str> {
    let changed = (settings.missing_max - MISSING_MAX_DEFAULT).abs() > f64::EPSILON;
    changed.then_some("recovery.missing_max").into_iter().collect()
}

/// The compiled-in file.
pub const MANUAL: &str = include_str!("../../sidecar.toml");

fn merged(sources: &Sources) -> Result<Figment, WrongSettings> {
    let file = match &sources.file {
        Some(path) if !path.is_file() => {
            return Err(WrongSettings(vec![format!("`--config`: there is no file {}", path.display())]));
        }
        Some(path) => Some(path.clone()),
        None => Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.is_file()),
    };
    let mut figment = Figment::from(env::Named::new("defaults", Toml::string(MANUAL)));
    if let Some(path) = file {
        readable(&path).map_err(|why| WrongSettings(vec![why]))?;
        figment = figment.merge(Toml::file_exact(&path));
    }
    figment = figment.merge(env::Environment::of_process());
    env::Flags::parse(&sources.set).map(|flags| figment.merge(flags)).map_err(|why| WrongSettings(vec![why]))
}

/// Whether a file is TOML at all. What is wrong is said without its text: that may be a secret.
fn readable(path: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("read {}: {error}", path.display()))?;
    text.parse::<toml::Table>().map(drop).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        format!("{}:{line}: {}", path.display(), error.message())
    })
}

/// What is wrong, where, and where that came from.
fn sentence(error: &figment::Error) -> String {
    let mut path = error.path.clone();
    let said = match &error.kind {
        Kind::UnknownField(name, known) => {
            if path.last() != Some(name) {
                path.push(name.clone());
            }
            let near = crate::source::catalog::nearest(name, known.iter().copied());
            let near = near.first().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            format!("there is no such setting{near}")
        }
        Kind::MissingField(name) => {
            path.push(name.clone().into_owned());
            "this setting is needed".to_owned()
        }
        // What was found in place of what is expected may be a secret.
        Kind::InvalidType(Actual::Str(_), expected) if may_hold_a_secret(&path) => {
            format!("a text was found, and {expected} is expected")
        }
        kind => kind.to_string(),
    };
    let origin = error.metadata.as_ref().map(|metadata| match &metadata.source {
        Some(source) => format!(" (in {source})"),
        None => format!(" (in the {})", metadata.name),
    });
    format!("`{}`: {said}{}", path.join("."), origin.unwrap_or_default())
}

fn may_hold_a_secret(path: &[String]) -> bool {
    path.first().is_some_and(|section| ["admin", "egress", "postgres", "webhook"].contains(&section.as_str()))
}

const MISSING_MAX_DEFAULT: f64 = 0.5;
const DEFAULT_FILE: &str = "sidecar.toml";

#[cfg(test)]
mod tests;
