//! A connection to the server that has been let in, over TCP, TLS or a Unix socket.

use std::fmt;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::conninfo::{Conninfo, Host, SslMode};
use super::error::SourceError;
use super::frame::message_length;
use super::handshake::{Channel, Handshake, Next, server_error};
use super::{passfile, tls};
use crate::position::Lsn;

/// A connection that waits for a command.
pub(super) struct Admitted {
    pub(super) socket: Socket,
    /// What came behind the greeting.
    pub(super) inbound: BytesMut,
    /// What the server said of itself, from AuthenticationOk to ReadyForQuery.
    pub(super) greeting: BytesMut,
    pub(super) server_version: Option<String>,
}

/// Tries the hosts in turn; each may take `connect_timeout`, from the first packet to the last word
/// of the handshake.
pub(super) async fn admit(conninfo: &Conninfo, replication: bool) -> Result<Admitted, SourceError> {
    let config = tls::client_config(conninfo).map_err(|error| SourceError::Refused(format!("{error:#}")))?;
    let mut last = SourceError::Unreachable("no host is given".into());
    for (host, port) in &conninfo.hosts {
        let trying = admit_to(conninfo, host, *port, config.clone(), replication);
        last = match tokio::time::timeout(conninfo.connect_timeout, trying).await {
            Ok(Err(SourceError::Unreachable(why))) => SourceError::unreachable(host, *port, why),
            Ok(done) => return done,
            Err(_) => {
                let why = format_args!("no answer within {:?}", conninfo.connect_timeout);
                SourceError::unreachable(host, *port, why)
            }
        };
    }
    Err(last)
}

async fn admit_to(
    conninfo: &Conninfo,
    host: &Host,
    port: u16,
    config: Option<Arc<ClientConfig>>,
    replication: bool,
) -> Result<Admitted, SourceError> {
    let (mut socket, channel) = open(conninfo, host, port, config).await?;
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
    let mut handshake =
        Handshake::new(&conninfo.user, password, channel, conninfo.channel_binding, parameters)?;
    let mut inbound = BytesMut::with_capacity(8 * 1024);
    loop {
        match handshake.advance(&mut inbound)? {
            Next::Ready => break,
            Next::Read => {
                if socket.read_buf(&mut inbound).await.map_err(broken)? == 0 {
                    return Err(SourceError::Unreachable(
                        "the server closed the connection during the handshake".into(),
                    ));
                }
            }
            Next::Send(bytes) => send(&mut socket, bytes).await.map_err(broken)?,
        }
    }
    if conninfo.primary_only && handshake.standby {
        return Err(SourceError::Unreachable(
            "it is a standby, and `target_session_attrs` wants another".into(),
        ));
    }
    if handshake.server_encoding.as_deref() == Some("SQL_ASCII") {
        take_raw_texts(&mut socket, &mut inbound).await?;
    }
    let server_version = handshake.server_version.take();
    Ok(Admitted { socket, inbound, greeting: handshake.into_greeting(), server_version })
}

/// Of texts in SQL_ASCII the server does not know the encoding. It would only refuse those that are not
/// UTF-8; whether they must be is known here.
async fn take_raw_texts(socket: &mut Socket, inbound: &mut BytesMut) -> Result<(), SourceError> {
    let mut out = BytesMut::new();
    frontend::query("SET client_encoding = 'SQL_ASCII'", &mut out).map_err(broken)?;
    send(socket, out.freeze()).await.map_err(broken)?;
    loop {
        let length = message_length(inbound).map_err(|error| malformed(Lsn(0), error))?;
        let Some((kind, length)) = length.filter(|(_, length)| inbound.len() >= *length) else {
            if socket.read_buf(inbound).await.map_err(broken)? == 0 {
                return Err(SourceError::Closed("by the server".into()));
            }
            continue;
        };
        let mut message = inbound.split_to(length);
        match kind {
            b'E' => match Message::parse(&mut message) {
                Ok(Some(Message::ErrorResponse(body))) => return Err(server_error(&body).into()),
                _ => return Err(malformed(Lsn(0), "an ErrorResponse")),
            },
            b'Z' => return Ok(()),
            _ => {}
        }
    }
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
    let mut tcp = TcpStream::connect((name.as_str(), port)).await.map_err(broken)?;
    keep_alive(&tcp).map_err(broken)?;
    let Some(config) = config else { return Ok((Socket::Tcp(tcp), Channel::Plain)) };
    tcp.write_all(SSL_REQUEST).await.map_err(broken)?;
    // Exactly one byte is read: what else came before TLS would come from somebody in between.
    match tcp.read_u8().await.map_err(broken)? {
        b'S' => {}
        b'N' if conninfo.sslmode == SslMode::Prefer => return Ok((Socket::Tcp(tcp), Channel::Plain)),
        b'N' => return Err(SourceError::Refused("the server has no TLS, and `sslmode` asks for it".into())),
        // An error before TLS: the server could not even start a session for us.
        b'E' => return Err(SourceError::Unreachable("the server has an error for an answer".into())),
        other => {
            let what = format!("{:?} in answer to an SSLRequest", char::from(other));
            return Err(SourceError::Malformed { lsn: Lsn(0), what });
        }
    }
    let server_name = ServerName::try_from(name.clone())
        .map_err(|_| SourceError::Refused(format!("`{name}` is no name that a certificate can bear")))?;
    let connector = tokio_rustls::TlsConnector::from(config);
    let stream = connector.connect(server_name, tcp).await.map_err(broken)?;
    let certificates = stream.get_ref().1.peer_certificates();
    let end_point = certificates.and_then(|chain| chain.first()).and_then(tls::server_end_point);
    Ok((Socket::Tls(Box::new(stream)), Channel::Tls { end_point }))
}

async fn unix(folder: &Path, port: u16) -> Result<UnixStream, SourceError> {
    let path = folder.join(format!(".s.PGSQL.{port}"));
    UnixStream::connect(&path).await.map_err(broken)
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

/// What a failing socket means before we are let in.
fn broken(error: io::Error) -> SourceError {
    match error.kind() {
        // What TLS finds wrong, with a certificate say, will be wrong again; with TLS 1.3 the server
        // tells only now what it finds wrong with ours.
        io::ErrorKind::InvalidData => SourceError::Refused(format!("TLS: {error}")),
        _ => SourceError::Unreachable(error.to_string()),
    }
}

pub(super) fn malformed(lsn: Lsn, what: impl fmt::Display) -> SourceError {
    SourceError::Malformed { lsn, what: what.to_string() }
}

pub(super) fn closed(error: io::Error) -> SourceError {
    SourceError::Closed(error.to_string())
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
/// session of ours is ended by a timeout, or kept from writing or made to wait by a default of
/// transactions, that was meant for the application's.
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
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "off"),
    ("default_transaction_deferrable", "off"),
];

/// <https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-SSLREQUEST>
const SSL_REQUEST: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x2f";
