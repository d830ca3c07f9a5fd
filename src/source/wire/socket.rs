//! An authenticated connection to the server, over TCP, TLS or a Unix socket.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::TcpKeepalive;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::error::SourceError;
use super::frame::message_length;
use super::handshake::{Action, Channel, Handshake, Policy, server_error};
use super::tls;
use super::transport::Transport;
use crate::position::Lsn;
use crate::source::conninfo::{Conninfo, Endpoint, Host, KeepAlive, Negotiation, SslMode, command, passfile};

/// A connection that is ready for a command.
pub(in crate::source) struct AuthenticatedConnection {
    pub(in crate::source) socket: Socket,
    /// Bytes received after ReadyForQuery.
    pub(in crate::source) inbound: BytesMut,
    /// The server's messages from AuthenticationOk to ReadyForQuery.
    pub(in crate::source) greeting: BytesMut,
    pub(in crate::source) server_version: Option<String>,
}

/// Tries the endpoints in turn, and all addresses of each. Each address may take `connect_timeout` until
/// the end of the handshake.
pub(in crate::source) async fn connect(
    conninfo: &Conninfo,
    replication: bool,
) -> Result<AuthenticatedConnection, SourceError> {
    let config = tls::client_config(conninfo).map_err(|error| SourceError::Refused(format!("{error:#}")))?;
    let conninfo = &*command::with_password(conninfo).await.map_err(SourceError::Unreachable)?;
    let mut last = SourceError::Unreachable("no host is given".into());
    for endpoint in &conninfo.endpoints {
        let found = tokio::time::timeout(conninfo.connect_timeout, addresses(endpoint)).await;
        let found = found.map_err(|_| timeout_message(conninfo));
        let addresses = match found.and_then(|found| found.map_err(|error| error.to_string())) {
            Ok(addresses) => addresses,
            Err(why) => {
                last = SourceError::unreachable(&endpoint.host, endpoint.port, why);
                continue;
            }
        };
        match connect_endpoint(conninfo, endpoint, &addresses, config.as_ref(), replication).await {
            Err(error @ SourceError::Unreachable(_)) => last = error,
            done => return done,
        }
    }
    Err(last)
}

/// Tries the addresses of an endpoint in turn.
async fn connect_endpoint(
    conninfo: &Conninfo,
    endpoint: &Endpoint,
    addresses: &[Address],
    config: Option<&Arc<ClientConfig>>,
    replication: bool,
) -> Result<AuthenticatedConnection, SourceError> {
    let unreachable = |why: String| SourceError::unreachable(&endpoint.host, endpoint.port, why);
    let mut last = unreachable("the name has no address".into());
    for address in addresses {
        let trying = connect_address(conninfo, endpoint, address, config.cloned(), replication);
        last = match tokio::time::timeout(conninfo.connect_timeout, trying).await {
            Ok(Err(SourceError::Unreachable(why))) => unreachable(why),
            Ok(done) => return done,
            Err(_) => unreachable(timeout_message(conninfo)),
        };
    }
    Err(last)
}

fn timeout_message(conninfo: &Conninfo) -> String {
    format!("no answer within {:?}", conninfo.connect_timeout)
}

/// The address of a connection attempt.
enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

async fn addresses(endpoint: &Endpoint) -> io::Result<Vec<Address>> {
    match (&endpoint.host, endpoint.address) {
        (Host::Unix(folder), _) => {
            Ok(vec![Address::Unix(folder.join(format!(".s.PGSQL.{}", endpoint.port)))])
        }
        (Host::Tcp(_), Some(address)) => Ok(vec![Address::Tcp(SocketAddr::new(address, endpoint.port))]),
        (Host::Tcp(name), None) => {
            let found = tokio::net::lookup_host((name.as_str(), endpoint.port)).await?;
            Ok(found.map(Address::Tcp).collect())
        }
    }
}

async fn connect_address(
    conninfo: &Conninfo,
    endpoint: &Endpoint,
    address: &Address,
    config: Option<Arc<ClientConfig>>,
    replication: bool,
) -> Result<AuthenticatedConnection, SourceError> {
    let (mut socket, channel) = open(conninfo, endpoint, address, config).await?;
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
    let password = passfile::password(conninfo, &endpoint.host, endpoint.port)?;
    let policy = Policy { binding: conninfo.channel_binding, methods: conninfo.require_auth };
    let mut handshake = Handshake::new(&conninfo.user, password, channel, policy, parameters)?;
    let mut inbound = BytesMut::with_capacity(8 * 1024);
    loop {
        match handshake.advance(&mut inbound)? {
            Action::Ready => break,
            Action::Read => {
                if socket.read_buf(&mut inbound).await.map_err(socket_error)? == 0 {
                    return Err(SourceError::Unreachable(
                        "the server closed the connection during the handshake".into(),
                    ));
                }
            }
            Action::Send(bytes) => send(&mut socket, bytes).await.map_err(socket_error)?,
        }
    }
    if conninfo.primary_only && handshake.standby {
        return Err(SourceError::Unreachable(
            "it is a standby, and `target_session_attrs` wants another".into(),
        ));
    }
    let server_version = handshake.server_version.take();
    if let Some(settings) = later_settings(server_version.as_deref(), handshake.server_encoding.as_deref()) {
        set(&mut socket, &mut inbound, &settings).await?;
    }
    Ok(AuthenticatedConnection { socket, inbound, greeting: handshake.into_greeting(), server_version })
}

/// Session settings that depend on the server's version and encoding: an unknown one in the start-up
/// message would fail the connection. Pure.
fn later_settings(version: Option<&str>, encoding: Option<&str>) -> Option<String> {
    let digits = version.unwrap_or_default().split(|c: char| !c.is_ascii_digit()).next();
    let major: u32 = digits.and_then(|digits| digits.parse().ok()).unwrap_or(0);
    let mut settings = Vec::new();
    // In a SQL_ASCII database the server does not know the encoding of texts, and could only reject those
    // that are not UTF-8. Only the sidecar knows which columns must be UTF-8.
    if encoding == Some("SQL_ASCII") {
        settings.push("SET client_encoding = 'SQL_ASCII'");
    }
    if major >= 14 {
        settings.push("SET idle_session_timeout = 0");
    }
    if major >= 17 {
        settings.push("SET transaction_timeout = 0");
    }
    (!settings.is_empty()).then(|| settings.join("; "))
}

async fn set(socket: &mut Socket, inbound: &mut BytesMut, settings: &str) -> Result<(), SourceError> {
    let mut out = BytesMut::new();
    frontend::query(settings, &mut out).map_err(socket_error)?;
    send(socket, out.freeze()).await.map_err(socket_error)?;
    loop {
        let length = message_length(inbound).map_err(|error| malformed(Lsn(0), error))?;
        let Some((kind, length)) = length.filter(|(_, length)| inbound.len() >= *length) else {
            if socket.read_buf(inbound).await.map_err(socket_error)? == 0 {
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

/// Opens the socket and, if `config` requires it, TLS over it.
async fn open(
    conninfo: &Conninfo,
    endpoint: &Endpoint,
    address: &Address,
    config: Option<Arc<ClientConfig>>,
) -> Result<(Socket, Channel), SourceError> {
    let address = match address {
        Address::Tcp(address) => *address,
        Address::Unix(path) => {
            let socket = UnixStream::connect(path).await.map_err(socket_error)?;
            return Ok((Socket::Plain(Transport::Unix(socket)), Channel::Plain));
        }
    };
    let mut tcp = TcpStream::connect(address).await.map_err(socket_error)?;
    keep_alive(&tcp, conninfo.keep_alive).map_err(socket_error)?;
    let Some(config) = config else { return Ok((Socket::Plain(Transport::Tcp(tcp)), Channel::Plain)) };
    if conninfo.negotiation == Negotiation::Postgres && !request_tls(&mut tcp, conninfo.sslmode).await? {
        return Ok((Socket::Plain(Transport::Tcp(tcp)), Channel::Plain));
    }
    let name = match &endpoint.host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(_) => address.ip().to_string(),
    };
    let server_name = ServerName::try_from(name.clone())
        .map_err(|_| SourceError::Refused(format!("`{name}` is not a name that a certificate can have")))?;
    let connector = tokio_rustls::TlsConnector::from(config);
    let stream = connector.connect(server_name, Transport::Tcp(tcp)).await.map_err(socket_error)?;
    let certificates = stream.get_ref().1.peer_certificates();
    let end_point = certificates.and_then(|chain| chain.first()).and_then(tls::server_end_point);
    Ok((Socket::Tls(Box::new(stream)), Channel::Tls { end_point }))
}

/// Sends SSLRequest. Returns whether the server supports TLS; an error if it must and does not.
async fn request_tls(tcp: &mut TcpStream, mode: SslMode) -> Result<bool, SourceError> {
    tcp.write_all(SSL_REQUEST).await.map_err(socket_error)?;
    // Read exactly one byte: anything else sent before TLS would come from a man in the middle
    // (CVE-2021-23222).
    match tcp.read_u8().await.map_err(socket_error)? {
        b'S' => Ok(true),
        b'N' if mode == SslMode::Prefer => Ok(false),
        b'N' => Err(SourceError::Refused("the server has no TLS, and `sslmode` requires it".into())),
        // An error before TLS: the server could not start a session.
        b'E' => Err(SourceError::Unreachable("the server answered SSLRequest with an error".into())),
        other => {
            let what = format!("{:?} in answer to an SSLRequest", char::from(other));
            Err(SourceError::Malformed { lsn: Lsn(0), what })
        }
    }
}

/// Lets the kernel detect a dead peer, within about a minute. A live peer that sends nothing is left to
/// `Progress`, with its longer timeout.
fn keep_alive(tcp: &TcpStream, how: KeepAlive) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let socket = socket2::SockRef::from(tcp);
    if how.on {
        let mut keepalive = TcpKeepalive::new();
        if let Some(idle) = how.idle {
            keepalive = keepalive.with_time(idle);
        }
        if let Some(interval) = how.interval {
            keepalive = keepalive.with_interval(interval);
        }
        if let Some(count) = how.count {
            keepalive = keepalive.with_retries(count);
        }
        socket.set_tcp_keepalive(&keepalive)?;
    }
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(how.user_timeout)?;
    Ok(())
}

async fn send(socket: &mut Socket, bytes: Bytes) -> io::Result<()> {
    socket.write_all(&bytes).await?;
    socket.flush().await
}

/// The meaning of a socket error before authentication.
fn socket_error(error: io::Error) -> SourceError {
    match error.kind() {
        // A TLS error, such as a bad certificate, is permanent. With TLS 1.3, the server's rejection of our
        // certificate arrives only now.
        io::ErrorKind::InvalidData => SourceError::Refused(format!("TLS: {error}")),
        _ => SourceError::Unreachable(error.to_string()),
    }
}

pub(in crate::source) fn malformed(lsn: Lsn, what: impl fmt::Display) -> SourceError {
    SourceError::Malformed { lsn, what: what.to_string() }
}

pub(in crate::source) fn closed(error: io::Error) -> SourceError {
    SourceError::Closed(error.to_string())
}

/// A transport, with or without TLS.
#[derive(Debug)]
pub(in crate::source) enum Socket {
    Plain(Transport),
    Tls(Box<tokio_rustls::client::TlsStream<Transport>>),
}

impl Socket {
    /// What arrives wakes nobody, until the next read or write.
    pub(in crate::source) fn rest(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(transport) => transport.rest(),
            Self::Tls(stream) => stream.get_mut().0.rest(),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// Settings of every session: a value must have the same text, and so the same fingerprint, wherever and
/// whenever it is read; and the application's defaults for timeouts, read-only and deferrable transactions
/// must not end or block our sessions.
pub(in crate::source) const SESSION: &[(&str, &str)] = &[
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_does_not_answer_costs_the_connect_timeout_and_the_next_is_tried() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closing = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = [&silent, &closing].map(|listener| Address::Tcp(listener.local_addr().unwrap()));
        let conninfo = Conninfo::parse("host=db user=u sslmode=disable connect_timeout=1", None).unwrap();
        let closed = tokio::spawn(async move { closing.accept().await.map(drop) });
        let tried = connect_endpoint(&conninfo, &conninfo.endpoints[0], &addresses, None, false).await;
        closed.await.unwrap().unwrap();
        match tried.map(|_| ()) {
            // The error of the last address.
            Err(SourceError::Unreachable(why)) => assert!(!why.contains("no answer"), "{why}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_a_server_does_not_know_is_not_set() {
        let set = |version: &str, encoding: &str| later_settings(Some(version), Some(encoding));
        assert_eq!(later_settings(None, None), None);
        assert_eq!(set("13.14", "UTF8"), None);
        assert_eq!(set("14beta2", "LATIN1").as_deref(), Some("SET idle_session_timeout = 0"));
        let all =
            "SET client_encoding = 'SQL_ASCII'; SET idle_session_timeout = 0; SET transaction_timeout = 0";
        assert_eq!(set("18.6 (Debian 18.6-1)", "SQL_ASCII").as_deref(), Some(all));
    }
}
