//! Defaults, file, environment and flags, merged into one tree of values with their origins.

use std::fmt;
use std::path::PathBuf;

use figment::Figment;
use figment::providers::{Format as _, Toml};
use figment::value::{Dict, Value};
use toml::de::{DeTable, DeValue};

use super::env;
use super::values::{DEFAULT_SETTINGS, InvalidSettings, Sources};

/// All values. Later sources override earlier ones.
pub(super) struct Merged {
    figment: Figment,
    root: Value,
    file: Option<File>,
}

/// The content of the settings file.
struct File {
    name: String,
    text: String,
}

/// The origin of a value.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Origin {
    /// A line of the file.
    Line {
        /// The line, from 1.
        line: usize,
        /// The file's name.
        file: String,
    },
    /// Another source: `defaults`, `environment` or `flags`.
    Source(String),
}

impl Merged {
    /// Reads and merges all sources.
    pub(super) fn read(sources: &Sources) -> Result<Self, InvalidSettings> {
        let file = match &sources.file {
            Some(path) if !path.is_file() => {
                return Err(InvalidSettings(vec![format!(
                    "`--config`: there is no file {}",
                    path.display()
                )]));
            }
            Some(path) => Some(path.clone()),
            None => Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.is_file()),
        };
        let file = file.map(File::read).transpose().map_err(one)?;
        let flags = env::Flags::parse(&sources.set).map_err(one)?;
        let figment = over_defaults(file.as_ref());
        Self::new(figment.merge(env::Environment::of_process()).merge(flags), file)
    }

    /// The text at `path` in the flags or the environment, which override the file.
    pub(super) fn overrides(sources: &Sources, path: &str) -> Result<Option<String>, InvalidSettings> {
        let flags = env::Flags::parse(&sources.set).map_err(one)?;
        let given = Figment::from(env::Environment::of_process()).merge(flags);
        Ok(given.find_value(path).ok().and_then(figment::value::Value::into_string))
    }

    /// Merges the text of a settings file over the defaults, without other sources.
    pub(super) fn of_text(text: &str) -> Result<Self, InvalidSettings> {
        let file = Some(File { name: DEFAULT_FILE.to_owned(), text: text.to_owned() });
        Self::new(over_defaults(file.as_ref()), file)
    }

    fn new(figment: Figment, file: Option<File>) -> Result<Self, InvalidSettings> {
        file.as_ref().map_or(Ok(()), File::check).map_err(one)?;
        let root = figment.find_value("").map_err(|error| one(error.kind.to_string()))?;
        Ok(Self { figment, root, file })
    }

    /// The whole tree, a table.
    pub(super) fn root(&self) -> &Value {
        &self.root
    }

    /// The sections.
    pub(super) fn sections(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.root.as_dict().into_iter().flat_map(Dict::iter)
    }

    /// The place of each item of a list of sections: `sidecar.toml, line 41`, or another source.
    pub(super) fn places(&self, section: &str) -> Vec<String> {
        let value = self.root.as_dict().and_then(|root| root.get(section));
        let items = value.and_then(Value::as_array).unwrap_or_default();
        let name = value.and_then(|value| self.figment.get_metadata(value.tag()));
        let name = name.map_or("defaults", |metadata| &metadata.name);
        let lines = match &self.file {
            Some(file) if name == FILE => file.lines_of_items(section),
            _ => Vec::new(),
        };
        let file = self.file.as_ref().map_or("", |file| file.short_name());
        let place = |at: usize| match lines.get(at) {
            Some(line) => format!("{file}, line {line}"),
            None => format!("the {name}"),
        };
        (0..items.len()).map(place).collect()
    }

    /// The origin of the value at `path`; if there is no value, of its nearest parent.
    pub(super) fn origin(&self, path: &[String]) -> Option<Origin> {
        let mut value = &self.root;
        for key in path {
            match step(value, key) {
                Some(inner) => value = inner,
                None => break,
            }
        }
        let name = self.figment.get_metadata(value.tag())?.name.to_string();
        let line = || {
            let file = self.file.as_ref().filter(|_| name == FILE)?;
            Some(Origin::Line { line: file.line(path)?, file: file.name.clone() })
        };
        Some(line().unwrap_or(Origin::Source(name)))
    }
}

impl File {
    fn read(path: PathBuf) -> Result<Self, String> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| format!("read {name}: {error}"))?;
        Ok(Self { name, text })
    }

    /// Checks the TOML syntax. The error does not repeat the text, which may be a secret.
    fn check(&self) -> Result<(), String> {
        DeTable::parse(&self.text).map(drop).map_err(|error| {
            let line = self.line_at(error.span().map_or(0, |span| span.start));
            format!("{}:{line}: {}", self.name, error.message())
        })
    }

    /// The line of the longest prefix of `path` that the file has.
    fn line(&self, path: &[String]) -> Option<usize> {
        let table = DeTable::parse(&self.text).ok()?;
        let (first, rest) = path.split_first()?;
        let (key, mut value) = table.get_ref().iter().find(|(key, _)| key.get_ref() == first)?;
        let mut start = key.span().start;
        for part in rest {
            let found = match value.get_ref() {
                DeValue::Table(table) => table
                    .iter()
                    .find(|(key, _)| key.get_ref() == part)
                    .map(|(key, value)| (key.span().start, value)),
                DeValue::Array(items) => part
                    .parse::<usize>()
                    .ok()
                    .and_then(|at| items.get(at))
                    .map(|value| (value.span().start, value)),
                _ => None,
            };
            let Some(found) = found else { break };
            (start, value) = found;
        }
        Some(self.line_at(start))
    }

    /// The lines of the items of a list of sections.
    fn lines_of_items(&self, section: &str) -> Vec<usize> {
        let Ok(table) = DeTable::parse(&self.text) else { return Vec::new() };
        let found = table.get_ref().iter().find(|(key, _)| key.get_ref() == section);
        let Some(DeValue::Array(items)) = found.map(|(_, value)| value.get_ref()) else { return Vec::new() };
        let (mut line, mut counted) = (1, 0);
        let line_of = |start: usize| {
            line += self.text.get(counted..start).unwrap_or_default().matches('\n').count();
            counted = start;
            line
        };
        items.iter().map(|item| item.span().start).map(line_of).collect()
    }

    /// The name without its folders.
    fn short_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    fn line_at(&self, byte: usize) -> usize {
        self.text.get(..byte).unwrap_or_default().matches('\n').count() + 1
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { line, file } => write!(f, "{file}:{line}"),
            Self::Source(name) => f.write_str(name),
        }
    }
}

fn over_defaults(file: Option<&File>) -> Figment {
    let figment = Figment::from(env::NamedProvider::new("defaults", Toml::string(DEFAULT_SETTINGS)));
    match file {
        Some(file) => figment.merge(env::NamedProvider::new(FILE, Toml::string(&file.text))),
        None => figment,
    }
}

fn step<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Dict(_, dict) => dict.get(key),
        Value::Array(_, items) => items.get(key.parse::<usize>().ok()?),
        _ => None,
    }
}

fn one(why: String) -> InvalidSettings {
    InvalidSettings(vec![why])
}

const DEFAULT_FILE: &str = "sidecar.toml";
const FILE: &str = "file";
