//! Why the source cannot be read, by the server's error and where it occurs. Pure.

use std::fmt;
use std::time::Duration;

use super::handshake::{HandshakeError, ServerError};
use super::sqlstate::{Outlook, outlook};
use crate::position::Lsn;
use crate::source::conninfo::Host;

/// Why the source cannot be read. Each kind is handled differently.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SourceError {
    /// The connection ended.
    #[error("the connection to Postgres ended: {0}")]
    Closed(String),
    /// The stream contains bytes that cannot be parsed. Nothing after them was read.
    #[error("malformed bytes after {lsn}: {what}")]
    Malformed {
        /// The last LSN before them.
        lsn: Lsn,
        /// What is wrong.
        what: String,
    },
    /// The settings, or those of the server, must be changed first.
    #[error("Postgres refuses: {0}")]
    Refused(String),
    /// An error of the server that is transient, or may be.
    #[error("Postgres reports: {0}")]
    Server(ServerError),
    /// The server did not answer a requested reply in time: it is busy with a large transaction, or dead.
    #[error("Postgres has not answered for {} s, although the connection is open", timeout.as_secs())]
    Silent {
        /// The timeout.
        timeout: Duration,
    },
    /// Another process reads from the slot.
    #[error("{0}")]
    SlotActive(ServerError),
    /// The slot does not exist.
    #[error("{0}")]
    SlotMissing(ServerError),
    /// The slot cannot be read; `pg_replication_slots` has the reason.
    #[error("{0}")]
    SlotUnusable(ServerError),
    /// The server cannot be reached.
    #[error("Postgres cannot be reached: {0}")]
    Unreachable(String),
    /// The server cannot read the table or its WAL, and a retry will not help.
    #[error("Postgres cannot read {}: {what}", AtLsn(*lsn))]
    Unreadable {
        /// The last LSN before the problem; `None` if the table was read.
        lsn: Option<Lsn>,
        /// The server's message, and what to do.
        what: String,
    },
}

impl SourceError {
    /// An error in answer to START_REPLICATION, where these codes are about the slot. Elsewhere they have
    /// other causes: a missing publication, or an unknown setting.
    pub(in crate::source) fn of_slot(error: ServerError) -> Self {
        match error.sqlstate.as_str() {
            "42704" => Self::SlotMissing(error),
            "55000" => Self::SlotUnusable(error),
            "55006" => Self::SlotActive(error),
            _ => error.into(),
        }
    }

    /// An error within the stream, after `lsn`.
    pub(in crate::source) fn of_stream(error: ServerError, lsn: Lsn) -> Self {
        match error.into() {
            Self::Unreadable { what, .. } => Self::Unreadable { lsn: Some(lsn), what },
            other => other,
        }
    }

    /// An error in answer to the start-up message.
    fn of_startup(error: ServerError) -> Self {
        match error.sqlstate.as_str() {
            // A wrong value for a setting in `options`, or a database that accepts no connections.
            "22023" | "55000" => Self::Refused(error.to_string()),
            _ => error.into(),
        }
    }

    /// A failed attempt with one of several hosts. The error names the host, since another one may succeed.
    pub(in crate::source) fn unreachable(host: &Host, port: u16, why: impl fmt::Display) -> Self {
        match host {
            Host::Tcp(name) => Self::Unreachable(format!("{name}:{port}: {why}")),
            Host::Unix(folder) => Self::Unreachable(format!("{}:{port}: {why}", folder.display())),
        }
    }
}

impl From<ServerError> for SourceError {
    fn from(error: ServerError) -> Self {
        match outlook(&error.sqlstate) {
            Outlook::NeedsFix(cure) => Self::Refused(format!("{error}; {cure}")),
            // Starting up, shutting down, or too many connections.
            Outlook::Passes if matches!(error.sqlstate.as_str(), "53300" | "57P01" | "57P02" | "57P03") => {
                Self::Unreachable(error.to_string())
            }
            Outlook::Passes | Outlook::Unclear => Self::Server(error),
            Outlook::Unreadable(cure) => Self::Unreadable { lsn: None, what: format!("{error}; {cure}") },
        }
    }
}

impl From<HandshakeError> for SourceError {
    fn from(error: HandshakeError) -> Self {
        match error {
            HandshakeError::Refused(error) => Self::of_startup(error),
            HandshakeError::Policy(sentence) => Self::Refused(sentence.to_owned()),
            HandshakeError::Malformed(what) => Self::Malformed { lsn: Lsn(0), what },
        }
    }
}

/// The place at which the server was reading, for messages.
struct AtLsn(Option<Lsn>);

impl fmt::Display for AtLsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(lsn) => write!(f, "its WAL after {lsn}"),
            None => f.write_str("the table"),
        }
    }
}
