//! A connection to the server that has been let in, over TCP, TLS or a Unix socket.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::conninfo::{Conninfo, Host, SslMode};
use super::handshake::{Channel, Handshake, HandshakeError, Next, ServerError};
use super::{passfile, tls};
use crate::position::Lsn;

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
    /// An error of the server with no meaning of its own here.
    #[error("Postgres says: {0}")]
    Server(ServerError),
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
}

impl From<ServerError> for SourceError {
    /// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
    fn from(error: ServerError) -> Self {
        match error.sqlstate.as_str() {
            "55006" => Self::SlotActive(error),
            "42704" => Self::SlotMissing(error),
            "55000" => Self::SlotUnusable(error),
            // Starting up, shutting down, too many connections.
            "57P03" | "57P01" | "57P02" | "53300" => Self::Unreachable(error.to_string()),
            // Wrong password or role, no privilege, no such database.
            "28000" | "28P01" | "42501" | "3D000" => Self::Refused(error.to_string()),
            _ => Self::Server(error),
        }
    }
}

impl From<HandshakeError> for SourceError {
    fn from(error: HandshakeError) -> Self {
        match error {
            HandshakeError::Refused(error) => error.into(),
            HandshakeError::Policy(sentence) => Self::Refused(sentence.to_owned()),
            HandshakeError::Malformed(what) => Self::Malformed { lsn: Lsn(0), what },
        }
    }
}

/// A connection that waits for a command.
pub(super) struct Admitted {
    pub(super) socket: Socket,
    pub(super) inbound: BytesMut,
    pub(super) server_version: Option<String>,
}

/// Tries the hosts in turn; the whole of it takes `connect_timeout` a host at most.
pub(super) async fn admit(conninfo: &Conninfo, replication: bool) -> Result<Admitted, SourceError> {
    let mut last = SourceError::Unreachable("no host is given".into());
    for (host, port) in &conninfo.hosts {
        let tried =
            tokio::time::timeout(conninfo.connect_timeout, admit_to(conninfo, host, *port, replication));
        last = match tried.await {
            Ok(Err(SourceError::Unreachable(why))) => SourceError::Unreachable(why),
            Ok(done) => return done,
            Err(_) => SourceError::Unreachable(format!("no answer within {:?}", conninfo.connect_timeout)),
        };
    }
    Err(last)
}

pub(super) async fn admit_to(
    conninfo: &Conninfo,
    host: &Host,
    port: u16,
    replication: bool,
) -> Result<Admitted, SourceError> {
    let (mut socket, channel) = open_configured(conninfo, host, port).await?;
    let mut parameters = vec![
        ("user", conninfo.user.as_str()),
        ("database", &conninfo.dbname),
        ("application_name", &conninfo.application_name),
    ];
    parameters.extend_from_slice(SESSION);
    if replication {
        parameters.push(("replication", "database"));
    }
    parameters.extend(conninfo.options.as_deref().map(|options| ("options", options)));
    let password = passfile::password(conninfo, host, port);
    let mut handshake = Handshake::new(&conninfo.user, password, channel, parameters)?;
    let mut inbound = BytesMut::with_capacity(8 * 1024);
    loop {
        match handshake.advance(&mut inbound)? {
            Next::Ready => break,
            Next::Read => {
                if socket.read_buf(&mut inbound).await.map_err(unreachable)? == 0 {
                    return Err(SourceError::Unreachable(
                        "the server closed the connection during the handshake".into(),
                    ));
                }
            }
            Next::Send(bytes) => send(&mut socket, bytes).await.map_err(unreachable)?,
        }
    }
    Ok(Admitted { socket, inbound, server_version: handshake.server_version })
}

/// Opens the socket, and TLS over it as the settings say.
pub(super) async fn open_configured(
    conninfo: &Conninfo,
    host: &Host,
    port: u16,
) -> Result<(Socket, Channel), SourceError> {
    let config = tls::client_config(conninfo).map_err(|error| SourceError::Refused(format!("{error:#}")))?;
    open(conninfo, host, port, config).await
}

/// Opens the socket and, where `config` says so, TLS over it.
async fn open(
    conninfo: &Conninfo,
    host: &Host,
    port: u16,
    config: Option<Arc<ClientConfig>>,
) -> Result<(Socket, Channel), SourceError> {
    let name = match host {
        Host::Unix(folder) => return Ok((Socket::Unix(unix(folder, port).await?), Channel::Plain)),
        Host::Tcp(name) => name,
    };
    let mut tcp = TcpStream::connect((name.as_str(), port))
        .await
        .map_err(|error| SourceError::Unreachable(format!("{name}:{port}: {error}")))?;
    keep_alive(&tcp).map_err(unreachable)?;
    let Some(config) = config else { return Ok((Socket::Tcp(tcp), Channel::Plain)) };
    tcp.write_all(SSL_REQUEST).await.map_err(unreachable)?;
    match tcp.read_u8().await.map_err(unreachable)? {
        b'S' => {}
        b'N' if conninfo.sslmode == SslMode::Prefer => return Ok((Socket::Tcp(tcp), Channel::Plain)),
        b'N' => return Err(SourceError::Refused("the server has no TLS, and `sslmode` asks for it".into())),
        other => {
            let what = format!("{:?} in answer to an SSLRequest", char::from(other));
            return Err(SourceError::Malformed { lsn: Lsn(0), what });
        }
    }
    let server_name = ServerName::try_from(name.clone())
        .map_err(|_| SourceError::Refused(format!("`{name}` is no name that a certificate can bear")))?;
    let connector = tokio_rustls::TlsConnector::from(config);
    let stream = connector.connect(server_name, tcp).await.map_err(|error| match error.kind() {
        // What rustls finds wrong with a certificate will be wrong again.
        io::ErrorKind::InvalidData => SourceError::Refused(format!("TLS with {name}:{port}: {error}")),
        _ => SourceError::Unreachable(format!("TLS with {name}:{port}: {error}")),
    })?;
    let certificates = stream.get_ref().1.peer_certificates();
    let end_point = certificates.and_then(|chain| chain.first()).and_then(tls::server_end_point);
    let channel = Channel::Tls { end_point, binding_required: conninfo.channel_binding_required };
    Ok((Socket::Tls(Box::new(stream)), channel))
}

async fn unix(folder: &Path, port: u16) -> Result<UnixStream, SourceError> {
    let path = folder.join(format!(".s.PGSQL.{port}"));
    let opened = UnixStream::connect(&path).await;
    opened.map_err(|error| SourceError::Unreachable(format!("{}: {error}", path.display())))
}

/// A peer that is gone without a word is found out by the kernel too, not by the watchdog alone.
fn keep_alive(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10));
    let socket = socket2::SockRef::from(tcp);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(Duration::from_mins(1)))?;
    Ok(())
}

async fn send(socket: &mut Socket, bytes: Bytes) -> io::Result<()> {
    socket.write_all(&bytes).await?;
    socket.flush().await
}

fn unreachable(error: io::Error) -> SourceError {
    SourceError::Unreachable(error.to_string())
}

/// One of three ways to the same bytes.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
    Unix(UnixStream),
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// A value's text, and so its fingerprint, is the same wherever and whenever it is read; and no
/// session of ours is ended by a timeout that was meant for the application's.
pub(super) const SESSION: &[(&str, &str)] = &[
    ("client_encoding", "UTF8"),
    ("TimeZone", "UTC"),
    ("DateStyle", "ISO"),
    ("IntervalStyle", "postgres"),
    ("extra_float_digits", "1"),
    ("bytea_output", "hex"),
    ("lc_monetary", "C"),
    ("search_path", "pg_catalog"),
    ("statement_timeout", "0"),
    ("lock_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
];

/// <https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-SSLREQUEST>
const SSL_REQUEST: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x2f";
