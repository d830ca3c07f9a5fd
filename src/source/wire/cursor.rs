//! The rows of a cursor, read in large blocks on the thread that handles them.
//!
//! tokio-postgres hands rows over in blocks of 8 KiB, and each wakes that thread. A whole table is read here instead.
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SIMPLE-QUERY>

use std::fmt;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, BytesMut};
use futures_util::FutureExt as _;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::connection::Connection;
use super::error::SourceError;
use super::frame::message_length;
use super::handshake::server_error;
use super::socket::closed;
use crate::source::conninfo::Conninfo;

/// A session that reads cursors.
pub(in crate::source) struct CursorReader {
    connection: Connection,
    /// What is not sent yet of the commands: a future that is dropped meanwhile leaves it to the next call.
    outbound: BytesMut,
    /// Commands whose ReadyForQuery has not come.
    unanswered: usize,
}

/// A row: its values in the text format, in the order of the columns.
#[derive(Clone, Copy, Debug)]
pub(in crate::source) struct DataRow<'a>(&'a [u8]);

impl CursorReader {
    /// Opens an ordinary session.
    pub(in crate::source) async fn open(conninfo: &Conninfo) -> Result<Self, SourceError> {
        let connection = Connection::open_sql(conninfo).await?;
        Ok(Self { connection, outbound: BytesMut::new(), unanswered: 0 })
    }

    /// Runs SQL without parameters.
    pub(in crate::source) async fn execute(&mut self, sql: &str) -> Result<(), SourceError> {
        self.discard_answers().await?;
        self.send(sql).await?;
        self.answer(&mut |_| Ok(())).await.map(drop)
    }

    /// Calls `each` for the rows of an open cursor, and returns their number. `fetch` rows are asked for at a time: the
    /// server sends the next ones while these are handled. Where the future is dropped or `each` fails, at most twice as
    /// many are still sent, and the next call discards them.
    pub(in crate::source) async fn rows<E: From<SourceError>>(
        &mut self,
        cursor: &str,
        fetch: usize,
        mut each: impl FnMut(DataRow<'_>) -> Result<(), E>,
    ) -> Result<u64, E> {
        self.discard_answers().await?;
        let command = format!("FETCH FORWARD {fetch} FROM {cursor}");
        self.send(&command).await?;
        let mut count = 0;
        loop {
            self.send(&command).await?;
            let mut fetched = 0;
            let mut counted = |row: DataRow<'_>| {
                fetched += 1;
                each(row)
            };
            let tag = self.answer(&mut counted).await?;
            if tag != format!("FETCH {fetched}") {
                return Err(malformed(format_args!("it has {fetched} rows and ends with {tag:?}")).into());
            }
            if fetched == 0 {
                self.discard_answers().await?;
                return Ok(count);
            }
            count += fetched;
        }
    }

    /// Ends the session.
    pub(in crate::source) async fn close(mut self) {
        let mut out = BytesMut::new();
        frontend::terminate(&mut out);
        let closing = async {
            self.connection.socket.write_all(&out).await?;
            self.connection.socket.flush().await
        };
        // The server ends the session of a lost connection as well.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, closing).await;
    }

    async fn send(&mut self, command: &str) -> Result<(), SourceError> {
        frontend::query(command, &mut self.outbound).map_err(closed)?;
        self.unanswered += 1;
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), SourceError> {
        let socket = &mut self.connection.socket;
        while self.outbound.has_remaining() {
            socket.write_buf(&mut self.outbound).await.map_err(closed)?;
        }
        socket.flush().await.map_err(closed)
    }

    /// Reads one answer. Returns the tag of its last command.
    async fn answer<E: From<SourceError>>(
        &mut self,
        each: &mut impl FnMut(DataRow<'_>) -> Result<(), E>,
    ) -> Result<String, E> {
        let mut tag = String::new();
        while !self.take_messages(each, &mut tag)? {
            self.read().await?;
        }
        Ok(tag)
    }

    /// Reads what an earlier call left unread.
    async fn discard_answers(&mut self) -> Result<(), SourceError> {
        self.flush().await?;
        while self.unanswered > 0 {
            // By any other error the transaction is aborted, and the next command reports that.
            if let Err(error @ SourceError::Closed(_)) = self.answer(&mut |_| Ok(())).await {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Handles the complete messages that were read, up to the end of one answer. Returns whether it ended.
    fn take_messages<E: From<SourceError>>(
        &mut self,
        each: &mut impl FnMut(DataRow<'_>) -> Result<(), E>,
        tag: &mut String,
    ) -> Result<bool, E> {
        let inbound = &mut self.connection.inbound;
        let mut taken = 0;
        let ended = loop {
            let rest = inbound.get(taken..).unwrap_or_default();
            let next = message_length(rest).map_err(malformed)?;
            let Some((kind, message)) = next.and_then(|(kind, length)| Some((kind, rest.get(..length)?)))
            else {
                break Ok(false);
            };
            taken += message.len();
            match kind {
                b'D' => {
                    if let Err(error) = each(DataRow(message.get(5..).unwrap_or_default())) {
                        break Err(error);
                    }
                }
                b'C' => {
                    let text = message.get(5..message.len() - 1).unwrap_or_default();
                    *tag = String::from_utf8_lossy(text).into_owned();
                }
                b'E' => {
                    break Err(match Message::parse(&mut BytesMut::from(message)) {
                        Ok(Some(Message::ErrorResponse(body))) => {
                            SourceError::from(server_error(&body)).into()
                        }
                        _ => malformed("an ErrorResponse").into(),
                    });
                }
                b'Z' => {
                    self.unanswered = self.unanswered.saturating_sub(1);
                    break Ok(true);
                }
                _ => {}
            }
        };
        inbound.advance(taken);
        ended
    }

    /// Reads what has arrived, and pauses where that is little.
    async fn read(&mut self) -> Result<(), SourceError> {
        let Connection { socket, inbound, .. } = &mut self.connection;
        let next = message_length(inbound).map_err(malformed)?;
        let missing = next.map_or(0, |(_, length)| length.saturating_sub(inbound.len()));
        let room = missing.max(READ_BYTES);
        inbound.reserve(room);
        let mut room = inbound.limit(room);
        let mut bytes = socket.read_buf(&mut room).await.map_err(closed)?;
        if bytes == 0 {
            return Err(SourceError::Closed("by the server".into()));
        }
        // A read may return less than has arrived: with TLS, one record.
        while room.has_remaining_mut()
            && let Some(Ok(more @ 1..)) = socket.read_buf(&mut room).now_or_never()
        {
            bytes += more;
        }
        if bytes < LARGE_READ_BYTES {
            socket.rest().map_err(closed)?;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}

/// Bytes that no server sends end the session, and another one may do better.
pub(in crate::source) fn malformed(what: impl fmt::Display) -> SourceError {
    SourceError::Closed(format!("malformed bytes in the answer to a FETCH: {what}"))
}

impl<'a> DataRow<'a> {
    /// Its values; `None` is NULL.
    pub(in crate::source) fn values(self) -> Result<Vec<Option<&'a [u8]>>, SourceError> {
        let truncated = || malformed("a DataRow ends early");
        let (count, mut rest) = self.0.split_first_chunk::<2>().ok_or_else(truncated)?;
        let mut values = Vec::with_capacity(u16::from_be_bytes(*count).into());
        for _ in 0..u16::from_be_bytes(*count) {
            let (length, after) = rest.split_first_chunk::<4>().ok_or_else(truncated)?;
            let length = i32::from_be_bytes(*length);
            let (value, after) = match usize::try_from(length) {
                Ok(length) => {
                    let (value, after) = after.split_at_checked(length).ok_or_else(truncated)?;
                    (Some(value), after)
                }
                Err(_) => (None, after),
            };
            values.push(value);
            rest = after;
        }
        Ok(values)
    }
}

/// The approximate limit of one read.
const READ_BYTES: usize = 256 * 1024;
/// A read of so many bytes is worth its wake-up.
const LARGE_READ_BYTES: usize = 64 * 1024;
/// How long more is gathered after a smaller one.
const PAUSE: Duration = Duration::from_millis(1);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn row(bytes: &[u8]) -> Result<Vec<Option<&[u8]>>, String> {
        DataRow(bytes).values().map_err(|error| error.to_string())
    }

    #[test]
    fn a_row_has_its_values_and_any_part_of_it_is_an_error() {
        let whole = b"\0\x03\0\0\0\x02ab\xff\xff\xff\xff\0\0\0\0";
        assert_eq!(row(whole), Ok(vec![Some(&b"ab"[..]), None, Some(&b""[..])]));
        assert_eq!(row(b"\0\0"), Ok(vec![]));
        for length in 0..whole.len() {
            assert!(row(&whole[..length]).is_err(), "{length}");
        }
        assert!(row(b"\xff\xff\x7f\xff\xff\xff").is_err());
    }
}
