//! Ordinary SQL sessions, over the same sockets, TLS, authentication and settings as the stream.
//!
//! tokio-postgres does a handshake of its own. By then ours, which is stricter, has finished, so the
//! server's messages are replayed to it, and its start-up message is discarded.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Client, Config, NoTls};

use super::error::SourceError;
use super::handshake::{ServerError, detail};
use super::socket::{AuthenticatedConnection, Socket, connect};
use crate::source::conninfo::Conninfo;

/// Opens a session. A task of its own drives the connection and ends with the client.
pub async fn connect_sql(conninfo: &Conninfo) -> Result<Client, SourceError> {
    let AuthenticatedConnection { socket, inbound, mut greeting, .. } = connect(conninfo, false).await?;
    greeting.unsplit(inbound);
    let mut config = Config::new();
    // The role is in our own start-up message.
    config.user("").ssl_mode(tokio_postgres::config::SslMode::Disable);
    let admitted = AuthenticatedSocket { socket, greeting, startup: StartupFilter::default() };
    let (client, connection) = config.connect_raw(admitted, NoTls).await.map_err(SourceError::from)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!("a session with Postgres ended: {error}");
        }
    });
    Ok(client)
}

impl From<tokio_postgres::Error> for SourceError {
    /// The kind of a session's error.
    fn from(error: tokio_postgres::Error) -> Self {
        source_error(&error)
    }
}

fn source_error(error: &tokio_postgres::Error) -> SourceError {
    match error.as_db_error() {
        Some(db) => ServerError {
            sqlstate: db.code().code().to_owned(),
            message: db.message().to_owned(),
            detail: detail(db.detail(), db.table(), db.column(), db.where_()),
            hint: db.hint().map(str::to_owned),
        }
        .into(),
        None if error.is_closed() => SourceError::Closed(error.to_string()),
        None if is_no_utf8(error) => SourceError::Unreadable {
            lsn: None,
            what: "a name or a text in the catalog is not UTF-8: rename the object".to_owned(),
        },
        None => {
            let cause =
                std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
            SourceError::Unreachable(format!("{error}{cause}"))
        }
    }
}

/// A SQL_ASCII database may hold any bytes.
fn is_no_utf8(error: &tokio_postgres::Error) -> bool {
    std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<std::str::Utf8Error>)
}

/// The bytes of a text, not checked to be UTF-8.
pub(in crate::source) struct Bytes<'a>(pub(in crate::source) &'a [u8]);

impl<'a> FromSql<'a> for Bytes<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::TEXT
    }
}

/// An authenticated socket, for a client that does a handshake of its own.
struct AuthenticatedSocket {
    socket: Socket,
    /// Read before the socket.
    greeting: BytesMut,
    startup: StartupFilter,
}

/// Discards one message that is written, with its length in its first four bytes.
/// <https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-STARTUPMESSAGE>
#[derive(Default)]
struct StartupFilter {
    length: [u8; 4],
    seen: usize,
}

impl StartupFilter {
    /// How many of `bytes` belong to the message.
    fn skip(&mut self, bytes: &[u8]) -> usize {
        let before = self.seen;
        for byte in bytes {
            if let Some(place) = self.length.get_mut(self.seen) {
                *place = *byte;
            } else if self.seen >= u32::from_be_bytes(self.length) as usize {
                break;
            }
            self.seen += 1;
        }
        self.seen - before
    }
}

impl AsyncRead for AuthenticatedSocket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.greeting.has_remaining() {
            return Pin::new(&mut this.socket).poll_read(cx, buf);
        }
        let length = this.greeting.len().min(buf.remaining());
        buf.put_slice(&this.greeting.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for AuthenticatedSocket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match this.startup.skip(buf) {
            0 => Pin::new(&mut this.socket).poll_write(cx, buf),
            skipped => Poll::Ready(Ok(skipped)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_startup_message_is_swallowed_and_nothing_behind_it() {
        for cut in 0..=8 {
            let (mut startup, all) = (StartupFilter::default(), b"\0\0\0\x08bodyQuery");
            let first = startup.skip(&all[..cut]);
            assert_eq!(first + startup.skip(&all[cut..]), 8);
            assert_eq!(startup.skip(b"Query"), 0);
        }
    }
}
