//! The server's settings that the sidecar depends on.

use std::collections::HashMap;
use std::time::Duration;

use tokio_postgres::Client;

use crate::source::SourceError;

/// The server's settings, by name. Settings that its version does not have are absent.
#[derive(Clone, Debug, Default)]
pub struct ServerSettings(HashMap<String, Setting>);

#[derive(Clone, Debug)]
struct Setting {
    figure: String,
    shown: String,
}

impl ServerSettings {
    /// The value in the setting's base unit; empty if there is no such setting.
    pub fn figure(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |setting| &setting.figure)
    }

    /// The value as a number.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.figure(name).parse().ok()
    }

    /// The value of a setting whose base unit is the millisecond; zero if there is no such setting.
    pub fn milliseconds(&self, name: &str) -> Duration {
        Duration::from_millis(self.number(name).and_then(|number| u64::try_from(number).ok()).unwrap_or(0))
    }

    /// Replaces a value, to evaluate a state that this server is not in.
    pub fn set(&mut self, name: &str, figure: &str) {
        self.0.insert(name.to_owned(), Setting { figure: figure.to_owned(), shown: figure.to_owned() });
    }

    /// The value with its unit, for messages.
    pub fn shown(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |setting| &setting.shown)
    }
}

/// Reads the settings.
pub async fn server_settings(client: &Client) -> Result<ServerSettings, SourceError> {
    let rows = client.query(include_str!("../../../sql/settings.sql"), &[&NAMES]).await?;
    let setting = |row: &tokio_postgres::Row| {
        Ok((row.try_get("name")?, Setting { figure: row.try_get("figure")?, shown: row.try_get("shown")? }))
    };
    Ok(ServerSettings(rows.iter().map(setting).collect::<Result<_, SourceError>>()?))
}

const NAMES: &[&str] = &[
    "idle_replication_slot_timeout",
    "logical_decoding_work_mem",
    "max_replication_slots",
    "max_slot_wal_keep_size",
    "max_wal_senders",
    "synchronized_standby_slots",
    "wal_level",
    "wal_sender_timeout",
];
