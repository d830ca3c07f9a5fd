//! Why the source cannot be read, and what the server's errors mean where they come. Pure.

use std::fmt;
use std::time::Duration;

use super::handshake::{HandshakeError, ServerError};
use super::sqlstate::{Outlook, outlook};
use crate::position::Lsn;
use crate::source::conninfo::Host;

/// Why the source cannot be read. What follows differs by kind.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SourceError {
    /// The connection ended.
    #[error("the connection to Postgres ended: {0}")]
    Closed(String),
    /// The stream holds what cannot be understood. Nothing behind it was read.
    #[error("malformed bytes after {lsn}: {what}")]
    Malformed {
        /// The last place that was understood.
        lsn: Lsn,
        /// What is wrong.
        what: String,
    },
    /// Settings or the server's must be changed first.
    #[error("Postgres refuses: {0}")]
    Refused(String),
    /// An error of the server that passes, or may pass, by itself.
    #[error("Postgres says: {0}")]
    Server(ServerError),
    /// It did not answer a question for so long: it works on something large, or is gone.
    #[error("Postgres has not answered for {} s, though the connection stands", timeout.as_secs())]
    Silent {
        /// For how long it was waited.
        timeout: Duration,
    },
    /// Another process reads from the slot.
    #[error("{0}")]
    SlotActive(ServerError),
    /// There is no such slot.
    #[error("{0}")]
    SlotMissing(ServerError),
    /// The slot cannot be read: ask `pg_replication_slots` why.
    #[error("{0}")]
    SlotUnusable(ServerError),
    /// Nobody answers.
    #[error("Postgres cannot be reached: {0}")]
    Unreachable(String),
    /// The server cannot read what lies in the table or in its log, now or later.
    #[error("Postgres cannot read {}: {what}", AtLsn(*lsn))]
    Unreadable {
        /// The last place of the log before it; `None` where the table was read.
        lsn: Option<Lsn>,
        /// What it says, and what to do.
        what: String,
    },
}

impl SourceError {
    /// What an answer to START_REPLICATION says of the slot. Elsewhere the same codes speak of other
    /// things: a missing publication, a setting that the server does not know.
    pub(in crate::source) fn of_slot(error: ServerError) -> Self {
        match error.sqlstate.as_str() {
            "42704" => Self::SlotMissing(error),
            "55000" => Self::SlotUnusable(error),
            "55006" => Self::SlotActive(error),
            _ => error.into(),
        }
    }

    /// What an error in the midst of the stream says, behind `lsn`.
    pub(in crate::source) fn of_stream(error: ServerError, lsn: Lsn) -> Self {
        match error.into() {
            Self::Unreadable { what, .. } => Self::Unreadable { lsn: Some(lsn), what },
            other => other,
        }
    }

    /// What an answer to the start-up message says.
    fn of_admission(error: ServerError) -> Self {
        match error.sqlstate.as_str() {
            // A wrong value for a setting in `options`; a database that takes no connections.
            "22023" | "55000" => Self::Refused(error.to_string()),
            _ => error.into(),
        }
    }

    /// The same, where another of several hosts may answer better: with its name.
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
            Outlook::NeedsCure(cure) => Self::Refused(format!("{error}; {cure}")),
            // Starting up, shutting down, too many connections.
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
            HandshakeError::Refused(error) => Self::of_admission(error),
            HandshakeError::Policy(sentence) => Self::Refused(sentence.to_owned()),
            HandshakeError::Malformed(what) => Self::Malformed { lsn: Lsn(0), what },
        }
    }
}

/// Where the server was reading.
struct AtLsn(Option<Lsn>);

impl fmt::Display for AtLsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(lsn) => write!(f, "its log after {lsn}"),
            None => f.write_str("the table"),
        }
    }
}
