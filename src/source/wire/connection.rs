//! A connection for replication or SQL: its commands, and the start of a stream.
//! <https://www.postgresql.org/docs/current/protocol-replication.html>

use std::time::Duration;

use bytes::BytesMut;
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::error::SourceError;
use super::frame::message_length;
use super::handshake::server_error;
use super::socket::{AuthenticatedConnection, Socket, closed, connect, malformed};
use super::stream::Stream;
use crate::position::Lsn;
use crate::source::conninfo::Conninfo;

/// A connection for replication or SQL that is ready for a command.
pub struct Connection {
    pub(in crate::source) socket: Socket,
    pub(in crate::source) inbound: BytesMut,
    /// The server's version, as the server writes it.
    pub server_version: Option<String>,
}

/// The answer to `IDENTIFY_SYSTEM`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SystemIdentity {
    /// The cluster's identifier.
    pub system_id: String,
    /// The current timeline.
    pub timeline: u32,
    /// The end of the flushed WAL.
    pub flush: Lsn,
    /// The database.
    pub dbname: String,
}

/// The options of START_REPLICATION.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// The slot.
    pub slot: String,
    /// The publication.
    pub publication: String,
    /// Start here. If the slot's confirmed LSN is later, the server silently starts there.
    pub from: Lsn,
    /// How long the server may take to answer a requested reply.
    pub timeout: Duration,
}

impl Connection {
    /// Connects for replication.
    pub async fn open(conninfo: &Conninfo) -> Result<Self, SourceError> {
        Self::open_as(conninfo, true).await
    }

    /// Connects for SQL without parameters.
    pub(in crate::source) async fn open_sql(conninfo: &Conninfo) -> Result<Self, SourceError> {
        Self::open_as(conninfo, false).await
    }

    async fn open_as(conninfo: &Conninfo, replication: bool) -> Result<Self, SourceError> {
        let AuthenticatedConnection { socket, inbound, server_version, .. } =
            connect(conninfo, replication).await?;
        Ok(Self { socket, inbound, server_version })
    }

    /// Identifies the cluster. <https://www.postgresql.org/docs/current/protocol-replication.html>
    pub async fn identify_system(&mut self) -> Result<SystemIdentity, SourceError> {
        let rows = self.simple("IDENTIFY_SYSTEM").await?;
        let cell = |at: usize| rows.first().and_then(|row| row.get(at).cloned().flatten());
        let malformed = || malformed(Lsn(0), "the answer to IDENTIFY_SYSTEM");
        Ok(SystemIdentity {
            system_id: cell(0).ok_or_else(malformed)?,
            timeline: cell(1).and_then(|text| text.parse().ok()).ok_or_else(malformed)?,
            flush: cell(2).and_then(|text| text.parse().ok()).ok_or_else(malformed)?,
            dbname: cell(3).ok_or_else(malformed)?,
        })
    }

    /// The LSN at which `timeline` branched off its ancestor `ancestor`; `None` if it is not an ancestor.
    pub async fn switched_at(&mut self, timeline: u32, ancestor: u32) -> Result<Option<Lsn>, SourceError> {
        let rows = self.simple(&format!("TIMELINE_HISTORY {timeline}")).await?;
        let content =
            rows.into_iter().next().and_then(|row| row.into_iter().nth(1).flatten()).unwrap_or_default();
        Ok(switch_point(&content, ancestor))
    }

    /// Runs one replication command, or SQL without parameters, and returns its rows.
    pub async fn simple(&mut self, command: &str) -> Result<Vec<Vec<Option<String>>>, SourceError> {
        self.send_query(command).await?;
        let (mut rows, mut error) = (Vec::new(), None);
        loop {
            let message = match self.message().await {
                // A fatal error explains more than the closed connection that follows it.
                Err(SourceError::Closed(_)) if error.is_some() => break,
                message => message?,
            };
            match message {
                Message::DataRow(body) => {
                    let buffer = body.buffer();
                    let text = |range: Option<std::ops::Range<usize>>| {
                        let bytes = buffer.get(range?)?;
                        Some(String::from_utf8_lossy(bytes).into_owned())
                    };
                    let row = body.ranges().map(|range| Ok(text(range))).collect();
                    rows.push(row.map_err(|_| malformed(Lsn(0), "a row"))?);
                }
                Message::ErrorResponse(body) => error = Some(server_error(&body)),
                Message::ReadyForQuery(_) => break,
                _ => {}
            }
        }
        error.map_or(Ok(rows), |error| Err(error.into()))
    }

    /// Starts the stream, with pgoutput and protocol version 1.
    pub async fn start(mut self, options: &StreamOptions) -> Result<Stream, SourceError> {
        let StreamOptions { slot, publication, from, timeout } = options;
        let quoted = publication.replace('"', "\"\"").replace('\'', "''");
        self.send_query(&format!(
            "START_REPLICATION SLOT \"{}\" LOGICAL {} (proto_version '1', publication_names '\"{quoted}\"')",
            slot.replace('"', "\"\""),
            from,
        ))
        .await?;
        loop {
            match self.message().await? {
                Message::ErrorResponse(body) => return Err(SourceError::of_slot(server_error(&body))),
                Message::NoticeResponse(_) | Message::ParameterStatus(_) => {}
                Message::CopyInResponse(_) | Message::CopyOutResponse(_) => break,
                // The parser does not know CopyBothResponse; the error branch below handles it.
                _ => return Err(malformed(*from, "no CopyBothResponse to START_REPLICATION")),
            }
        }
        Ok(Stream::new(self.socket, self.inbound, *from, *timeout))
    }

    async fn send_query(&mut self, command: &str) -> Result<(), SourceError> {
        let mut out = BytesMut::new();
        frontend::query(command, &mut out).map_err(|error| SourceError::Refused(error.to_string()))?;
        self.socket.write_all(&out).await.map_err(closed)?;
        self.socket.flush().await.map_err(closed)
    }

    async fn message(&mut self) -> Result<Message, SourceError> {
        loop {
            let length = message_length(&self.inbound).map_err(|error| malformed(Lsn(0), error))?;
            if let Some((kind, length)) = length.filter(|(_, length)| self.inbound.len() >= *length) {
                if kind == b'W' {
                    // CopyBothResponse has the form of CopyOutResponse, so it is parsed as one.
                    if let Some(kind) = self.inbound.first_mut() {
                        *kind = b'H';
                    }
                }
                let mut whole = self.inbound.split_to(length);
                let message = Message::parse(&mut whole).map_err(|error| malformed(Lsn(0), error))?;
                return message.ok_or_else(|| malformed(Lsn(0), "a message"));
            }
            if self.socket.read_buf(&mut self.inbound).await.map_err(closed)? == 0 {
                return Err(SourceError::Closed("by the server".into()));
            }
        }
    }
}

/// The end of `ancestor`, in the text of a timeline history file: `1<tab>0/16B3748<tab>reason`.
fn switch_point(history: &str, ancestor: u32) -> Option<Lsn> {
    history.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        let timeline: u32 = fields.next()?.parse().ok()?;
        let left_at = fields.next()?.parse().ok()?;
        (timeline == ancestor).then_some(left_at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_tells_where_an_ancestor_was_left() {
        let history = "1\t0/3000000\tno recovery target specified\n\n2\t1/A0\tbefore 2000-01-01\n";
        assert_eq!(switch_point(history, 1), Some(Lsn(0x300_0000)));
        assert_eq!(switch_point(history, 2), Some(Lsn(0x1_0000_00A0)));
        assert_eq!(switch_point(history, 3), None);
    }
}
