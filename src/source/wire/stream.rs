//! The replication stream, in blocks of messages.
//!
//! The task that runs a [`Stream`] only reads, passes on what it read, and sends status updates. Neither
//! delivery nor the disk can delay a reply to the server.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use futures_util::FutureExt as _;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::error::SourceError;
use super::frame::{Frame, MalformedFrame, message_length, status_update};
use super::handshake::server_error;
use super::pace::ReadPace;
use super::progress::{KeepAliveAction, Progress};
use super::socket::{Socket, closed, malformed};
use crate::clock::Clock;
use crate::failpoint::{self, Side};
use crate::position::Lsn;
use crate::time::Uptime;

/// A running stream.
pub struct Stream {
    socket: Socket,
    inbound: BytesMut,
    from: Lsn,
    /// The last LSN that a message carried, to locate a malformed one.
    last_lsn: Lsn,
    timeout: Duration,
}

/// Complete CopyData messages, as many as were received together. Until it is dropped, a block counts
/// against the bytes in flight.
#[derive(Debug)]
pub struct FrameBlock {
    bytes: Bytes,
    _permit: Option<OwnedSemaphorePermit>,
}

/// How a stream ended without an error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StreamClosed {
    /// The server ended it: it is shutting down.
    ByServer,
    /// It was stopped by its caller.
    Stopped,
}

impl Stream {
    pub(in crate::source) fn new(socket: Socket, inbound: BytesMut, from: Lsn, timeout: Duration) -> Self {
        Self { socket, inbound, from, last_lsn: from, timeout }
    }

    /// Reads until `stop` is true, or its sender or that of `synced` is dropped, or the connection ends.
    /// `on_block` gets what was read, in order; `synced` holds the LSN that may be confirmed.
    pub async fn run(
        mut self,
        clock: Clock,
        mut on_block: impl FnMut(FrameBlock) + Send,
        mut synced: watch::Receiver<Lsn>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<StreamClosed, SourceError> {
        let budget = Arc::new(Semaphore::new(BLOCKS_BYTES_MAX as usize));
        let confirmed = self.from.max(*synced.borrow_and_update());
        let mut progress = Progress::new(confirmed, clock.uptime(), self.timeout);
        let mut pace = ReadPace::default();
        let mut permit: Option<OwnedSemaphorePermit> = None;
        // Messages that arrived together with the answer to START_REPLICATION.
        if let Some(ended) = self.take_messages(&mut progress, &mut permit, &mut on_block)? {
            return Ok(ended);
        }
        loop {
            let wake = self.send_status(&mut progress, clock).await?;
            if *stop.borrow_and_update() {
                break;
            }
            let missing = self.budget_missing(permit.as_ref());
            progress.backpressure(missing > 0);
            let now = clock.uptime();
            let pause = pace.pause(now);
            let reads = pause.is_zero();
            if !reads {
                self.socket.rest().map_err(closed)?;
            }
            let timeout = if reads { wake.since(now) } else { pause };
            let mut room = (&mut self.inbound).limit(READ_BYTES as usize);
            tokio::select! {
                read = self.socket.read_buf(&mut room), if missing == 0 && reads => {
                    let mut bytes = read.map_err(closed)?;
                    if bytes == 0 {
                        return Err(SourceError::Closed("by the server".into()));
                    }
                    // A read may return less than has arrived: with TLS, one record.
                    while room.has_remaining_mut() && let Some(Ok(more @ 1..)) = self.socket.read_buf(&mut room).now_or_never() {
                        bytes += more;
                    }
                    pace.received(bytes, clock.uptime());
                    progress.received();
                    if let Some(ended) = self.take_messages(&mut progress, &mut permit, &mut on_block)? {
                        return Ok(ended);
                    }
                }
                acquired = Arc::clone(&budget).acquire_many_owned(missing), if missing > 0 => {
                    let acquired = acquired.map_err(|_| SourceError::Closed("by us".into()))?;
                    match &mut permit {
                        Some(permit) => permit.merge(acquired),
                        None => permit = Some(acquired),
                    }
                }
                changed = synced.changed() => match changed {
                    Ok(()) => progress.synced(*synced.borrow_and_update()),
                    Err(_) => break,
                },
                changed = stop.changed() => if changed.is_err() { break },
                () = tokio::time::sleep(timeout) => {}
            }
        }
        let last = *synced.borrow();
        Ok(self.finish(last).await)
    }

    /// Sends the status update that is due. Returns when the next one is.
    async fn send_status(&mut self, progress: &mut Progress, clock: Clock) -> Result<Uptime, SourceError> {
        loop {
            match progress.poll(clock.uptime()) {
                KeepAliveAction::Wait(until) => return Ok(until),
                KeepAliveAction::TimedOut => return Err(SourceError::Silent { timeout: self.timeout }),
                KeepAliveAction::SendStatus { synced, reply_requested } => {
                    let update = status_update(synced, Clock::now(), reply_requested);
                    failpoint::reach("confirm", Side::Before);
                    self.socket.write_all(&update).await.map_err(closed)?;
                    self.socket.flush().await.map_err(closed)?;
                    failpoint::reach("confirm", Side::After);
                }
            }
        }
    }

    /// The bytes of the budget that must be acquired before more is read: those of one read, or of the
    /// whole message that has begun if it is larger. A message larger than the budget takes all of it, and
    /// is alone in flight.
    fn budget_missing(&self, permit: Option<&OwnedSemaphorePermit>) -> u32 {
        let message = message_length(&self.inbound).ok().flatten().map_or(0, |(_, length)| length);
        let required = u32::try_from(message).unwrap_or(u32::MAX).clamp(READ_BYTES, BLOCKS_BYTES_MAX);
        let held = permit.map_or(0, OwnedSemaphorePermit::num_permits);
        required.saturating_sub(u32::try_from(held).unwrap_or(u32::MAX))
    }

    /// Takes the complete messages off the input: CopyData goes on as one block, other messages are handled
    /// here. Returns how the stream ended, if it did.
    fn take_messages(
        &mut self,
        progress: &mut Progress,
        permit: &mut Option<OwnedSemaphorePermit>,
        on_block: &mut impl FnMut(FrameBlock),
    ) -> Result<Option<StreamClosed>, SourceError> {
        loop {
            let end = self.copy_data(progress);
            if end > 0 {
                let bytes = self.inbound.split_to(end).freeze();
                on_block(FrameBlock { bytes, _permit: permit.take() });
            }
            let next = message_length(&self.inbound).map_err(|error| malformed(self.last_lsn, error))?;
            match next {
                Some((kind, length)) if self.inbound.len() >= length => {
                    if let Some(ended) = self.other_message(kind, length)? {
                        return Ok(Some(ended));
                    }
                }
                _ => {
                    let missing = next.map_or(0, |(_, length)| length.saturating_sub(self.inbound.len()));
                    self.inbound.reserve(missing.max(READ_BYTES as usize));
                    return Ok(None);
                }
            }
        }
    }

    /// The length of the complete CopyData messages at the start of the input.
    fn copy_data(&mut self, progress: &mut Progress) -> usize {
        let mut end = 0;
        loop {
            let rest = self.inbound.get(end..).unwrap_or_default();
            // A malformed message is reported once no complete message is before it.
            let Ok(Some((b'd', length))) = message_length(rest) else { return end };
            let Some(message) = rest.get(..length) else { return end };
            match (message.get(5), message.get(6..14).and_then(|lsn| lsn.first_chunk::<8>())) {
                // A keepalive that requests a reply is answered here, however far behind the reader is.
                (Some(b'k'), _) if message.get(22) == Some(&1) => progress.requested(),
                (Some(b'w'), Some(lsn)) => self.last_lsn = self.last_lsn.max(Lsn(u64::from_be_bytes(*lsn))),
                _ => {}
            }
            end += length;
        }
    }

    fn other_message(&mut self, kind: u8, length: usize) -> Result<Option<StreamClosed>, SourceError> {
        let mut whole = self.inbound.split_to(length);
        match kind {
            // CopyDone, followed by CommandComplete: the server is shutting down.
            b'c' | b'C' | b'Z' => Ok(Some(StreamClosed::ByServer)),
            b'N' | b'S' => Ok(None),
            b'E' => match Message::parse(&mut whole) {
                Ok(Some(Message::ErrorResponse(body))) => {
                    Err(SourceError::of_stream(server_error(&body), self.last_lsn))
                }
                _ => Err(malformed(self.last_lsn, "an ErrorResponse")),
            },
            other => Err(malformed(
                self.last_lsn,
                format_args!("a message of kind {:?} in the stream", char::from(other)),
            )),
        }
    }

    /// Sends a last status update and CopyDone, and waits for the server to close: by then it has processed
    /// both, and the slot is free for the next start.
    async fn finish(mut self, synced: Lsn) -> StreamClosed {
        let mut out = BytesMut::new();
        out.put_slice(&status_update(synced.max(self.from), Clock::now(), false));
        frontend::copy_done(&mut out);
        frontend::terminate(&mut out);
        let closing = async {
            self.socket.write_all(&out).await?;
            self.socket.flush().await?;
            loop {
                self.inbound.clear();
                if self.socket.read_buf(&mut self.inbound).await? == 0 {
                    return std::io::Result::Ok(());
                }
            }
        };
        // While it decodes a large transaction, the server may not read for a long time. The LSN is then
        // confirmed at the next start.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, closing).await;
        StreamClosed::Stopped
    }
}

impl FrameBlock {
    /// A block that comes from no connection and counts against no limit.
    pub fn of(bytes: Bytes) -> Self {
        Self { bytes, _permit: None }
    }

    /// The frames, in order.
    pub fn frames(&self) -> impl Iterator<Item = Result<Frame<'_>, MalformedFrame>> {
        let mut rest = &self.bytes[..];
        std::iter::from_fn(move || {
            if !rest.has_remaining() {
                return None;
            }
            // The messages are complete, so their lengths are present.
            let (_, length) = message_length(rest).ok().flatten()?;
            let (message, after) = rest.split_at_checked(length)?;
            rest = after;
            message.get(5..).map(Frame::parse)
        })
    }
}

/// Limit of bytes that are read and not yet applied.
const BLOCKS_BYTES_MAX: u32 = 8 * 1024 * 1024;
/// The approximate limit of one read.
const READ_BYTES: u32 = 256 * 1024;
/// How long the server may take to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
