//! The replication connection: commands, then the stream, in blocks.
//!
//! The task that runs a [`Stream`] does nothing else: it reads, hands over what it read, and tells
//! the server what is synced. Neither delivery nor the disk can hold up an answer to the server.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::conninfo::Conninfo;
use super::frame::{Frame, MalformedFrame, message_length, status_update};
use super::handshake::server_error;
use super::progress::{Next, Progress};
use super::socket::{Admitted, Socket, SourceError, admit};
use crate::clock::Clock;
use crate::moment::Running;
use crate::position::Lsn;

/// A replication connection that waits for a command.
pub struct Connection {
    socket: Socket,
    inbound: BytesMut,
    /// As the server writes it.
    pub server_version: Option<String>,
}

/// What `IDENTIFY_SYSTEM` says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SystemIdentity {
    /// The cluster's identifier.
    pub system_id: String,
    /// Its timeline.
    pub timeline: u32,
    /// The end of its log.
    pub flush: Lsn,
    /// The database.
    pub dbname: String,
}

/// What to stream.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// The slot.
    pub slot: String,
    /// The publication.
    pub publication: String,
    /// From here on. The server silently serves from the slot's own LSN where that lies later.
    pub from: Lsn,
}

/// A stream under way.
pub struct Stream {
    socket: Socket,
    inbound: BytesMut,
    from: Lsn,
}

/// Whole CopyData messages, as many as had come. While a block lives it counts against the bytes
/// that may be under way.
#[derive(Debug)]
pub struct Block {
    bytes: Bytes,
    _permit: Option<OwnedSemaphorePermit>,
}

/// How a stream ended that was not broken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// The server ended it: it shuts down.
    ByServer,
    /// It was told to.
    Stopped,
}

impl Connection {
    /// Connects for replication.
    pub async fn open(conninfo: &Conninfo) -> Result<Self, SourceError> {
        let Admitted { socket, inbound, server_version } = admit(conninfo, true).await?;
        Ok(Self { socket, inbound, server_version })
    }

    /// Which cluster this is. <https://www.postgresql.org/docs/current/protocol-replication.html>
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

    /// Where `timeline`'s ancestor `ancestor` was left; `None` where it is none.
    pub async fn switched_at(&mut self, timeline: u32, ancestor: u32) -> Result<Option<Lsn>, SourceError> {
        let rows = self.simple(&format!("TIMELINE_HISTORY {timeline}")).await?;
        let content =
            rows.into_iter().next().and_then(|row| row.into_iter().nth(1).flatten()).unwrap_or_default();
        Ok(switch_point(&content, ancestor))
    }

    /// Runs one command of the replication protocol, or SQL without parameters.
    pub async fn simple(&mut self, command: &str) -> Result<Vec<Vec<Option<String>>>, SourceError> {
        self.send_query(command).await?;
        let (mut rows, mut error) = (Vec::new(), None);
        loop {
            match self.message().await? {
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

    /// Starts the stream: pgoutput, protocol 1.
    pub async fn start(mut self, options: &StreamOptions) -> Result<Stream, SourceError> {
        let StreamOptions { slot, publication, from } = options;
        let quoted = publication.replace('"', "\"\"").replace('\'', "''");
        self.send_query(&format!(
            "START_REPLICATION SLOT \"{}\" LOGICAL {} (proto_version '1', publication_names '\"{quoted}\"')",
            slot.replace('"', "\"\""),
            from.slashed(),
        ))
        .await?;
        loop {
            match self.message().await? {
                Message::ErrorResponse(body) => return Err(server_error(&body).into()),
                Message::NoticeResponse(_) | Message::ParameterStatus(_) => {}
                Message::CopyInResponse(_) | Message::CopyOutResponse(_) => break,
                // The protocol's own CopyBothResponse is unknown to the parser and is met below.
                _ => return Err(malformed(*from, "no CopyBothResponse to START_REPLICATION")),
            }
        }
        Ok(Stream { socket: self.socket, inbound: self.inbound, from: *from })
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
                    // CopyBothResponse, which has the form of a CopyOutResponse.
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

impl Stream {
    /// Reads until `stop` is true or the connection ends. `hand_over` gets what was read, in order;
    /// `synced` says what may be confirmed.
    pub async fn run(
        mut self,
        clock: Clock,
        mut hand_over: impl FnMut(Block) + Send,
        mut synced: watch::Receiver<Lsn>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<Ended, SourceError> {
        let budget = Arc::new(Semaphore::new(BLOCKS_BYTES_MAX as usize));
        let mut progress = Progress::new(self.from.max(*synced.borrow_and_update()), clock.running());
        let mut permit: Option<OwnedSemaphorePermit> = None;
        loop {
            let wake = self.tell(&mut progress, clock).await?;
            let (stopped, told) = (*stop.borrow_and_update(), *synced.borrow());
            if stopped {
                return self.finish(&mut progress, told).await;
            }
            if permit.is_none() {
                permit = Arc::clone(&budget).try_acquire_many_owned(READ_BYTES).ok();
                progress.held_back(permit.is_none());
            }
            let patience = Duration::from_millis(wake.0.saturating_sub(clock.running().0));
            tokio::select! {
                read = self.socket.read_buf(&mut self.inbound), if permit.is_some() => {
                    if read.map_err(closed)? == 0 {
                        return Err(SourceError::Closed("by the server".into()));
                    }
                    progress.heard();
                    while let Some(whole) = self.whole_messages(&mut progress, &budget, &mut permit)? {
                        match whole {
                            Whole::Block(block) => hand_over(block),
                            Whole::End(ended) => return Ok(ended),
                        }
                    }
                }
                acquired = Arc::clone(&budget).acquire_many_owned(READ_BYTES), if permit.is_none() => {
                    permit = acquired.ok();
                    progress.held_back(false);
                }
                changed = synced.changed() => {
                    if changed.is_err() {
                        return self.finish(&mut progress, told).await;
                    }
                    progress.synced(*synced.borrow_and_update());
                }
                _ = stop.changed() => {}
                () = tokio::time::sleep(patience) => {}
            }
        }
    }

    /// Tells the server what is due. Says when to look again.
    async fn tell(&mut self, progress: &mut Progress, clock: Clock) -> Result<Running, SourceError> {
        loop {
            match progress.poll(clock.running()) {
                Next::Wait(until) => return Ok(until),
                Next::GiveUp => return Err(SourceError::Closed("no answer to a question for 30 s".into())),
                Next::Tell { synced, reply_requested } => {
                    let update = status_update(synced, Clock::now(), reply_requested);
                    self.socket.write_all(&update).await.map_err(closed)?;
                    self.socket.flush().await.map_err(closed)?;
                }
            }
        }
    }

    /// Takes the whole messages off what was read: CopyData goes on as a block; anything else ends
    /// the stream.
    fn whole_messages(
        &mut self,
        progress: &mut Progress,
        budget: &Arc<Semaphore>,
        permit: &mut Option<OwnedSemaphorePermit>,
    ) -> Result<Option<Whole>, SourceError> {
        let (mut end, mut missing) = (0, 0);
        loop {
            let rest = self.inbound.get(end..).unwrap_or_default();
            let length = message_length(rest).map_err(|error| malformed(self.from, error))?;
            let Some((kind, length)) = length else { break };
            if rest.len() < length {
                missing = length - rest.len();
                break;
            }
            if kind != b'd' {
                if end > 0 {
                    break;
                }
                match self.other_message(kind, length)? {
                    Some(ended) => return Ok(Some(Whole::End(ended))),
                    None => continue,
                }
            }
            // A keepalive that asks is answered from here, however far behind the reader is.
            if rest.get(5) == Some(&b'k') && rest.get(22) == Some(&1) {
                progress.asked();
            }
            end += length;
        }
        self.inbound.reserve(missing.max(READ_BYTES as usize));
        if end == 0 {
            return Ok(None);
        }
        let bytes = self.inbound.split_to(end).freeze();
        let mut held = permit.take();
        if let Some(held) = &mut held {
            // A message may be larger than one read, and than all that may be under way. It is here
            // already, so it goes on; what can be had of the budget goes with it.
            let more = u32::try_from(bytes.len())
                .unwrap_or(u32::MAX)
                .saturating_sub(READ_BYTES)
                .min(BLOCKS_BYTES_MAX);
            if let Ok(more) = Arc::clone(budget).try_acquire_many_owned(more) {
                held.merge(more);
            }
        }
        Ok(Some(Whole::Block(Block { bytes, _permit: held })))
    }

    fn other_message(&mut self, kind: u8, length: usize) -> Result<Option<Ended>, SourceError> {
        let mut whole = self.inbound.split_to(length);
        match kind {
            // CopyDone, and CommandComplete behind it: the server shuts down.
            b'c' | b'C' | b'Z' => Ok(Some(Ended::ByServer)),
            b'N' | b'S' => Ok(None),
            b'E' => match Message::parse(&mut whole) {
                Ok(Some(Message::ErrorResponse(body))) => Err(server_error(&body).into()),
                _ => Err(malformed(self.from, "an ErrorResponse")),
            },
            other => Err(malformed(
                self.from,
                format_args!("a message of kind {:?} in the stream", char::from(other)),
            )),
        }
    }

    /// The last word: what is synced, and that we go.
    async fn finish(mut self, progress: &mut Progress, synced: Lsn) -> Result<Ended, SourceError> {
        progress.synced(synced);
        let mut out = BytesMut::new();
        out.put_slice(&status_update(synced.max(self.from), Clock::now(), false));
        frontend::copy_done(&mut out);
        frontend::terminate(&mut out);
        let farewell = async {
            self.socket.write_all(&out).await?;
            self.socket.shutdown().await
        };
        // The server has what it needs for its peace; what it says to this is of no matter.
        let _ = tokio::time::timeout(Duration::from_secs(1), farewell).await;
        Ok(Ended::Stopped)
    }
}

enum Whole {
    Block(Block),
    End(Ended),
}

impl Block {
    /// Its frames, in order.
    pub fn frames(&self) -> impl Iterator<Item = Result<Frame<'_>, MalformedFrame>> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            if !rest.has_remaining() {
                return None;
            }
            // Whole messages were taken off, so their lengths are there.
            let (_, length) = message_length(rest).ok().flatten()?;
            let (message, after) = rest.split_at_checked(length)?;
            rest = after;
            message.get(5..).map(Frame::parse)
        })
    }
}

/// Where `ancestor` was left, in the text of a timeline history file: `1<tab>0/16B3748<tab>reason`.
fn switch_point(history: &str, ancestor: u32) -> Option<Lsn> {
    history.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        let timeline: u32 = fields.next()?.parse().ok()?;
        let left_at = fields.next()?.parse().ok()?;
        (timeline == ancestor).then_some(left_at)
    })
}

fn malformed(lsn: Lsn, what: impl std::fmt::Display) -> SourceError {
    SourceError::Malformed { lsn, what: what.to_string() }
}

fn closed(error: std::io::Error) -> SourceError {
    SourceError::Closed(error.to_string())
}

/// What may be read and not yet applied.
const BLOCKS_BYTES_MAX: u32 = 8 * 1024 * 1024;
/// What one read takes at most, about.
const READ_BYTES: u32 = 256 * 1024;

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
