//! Connections, and only to addresses that may be connected to: checked here, where sockets are made,
//! for what a name resolves to and for an address in place of a name.

use std::io::Error;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::clock::Clock;
use crate::deliver::http::egress::{Denied, Egress};
use crate::deliver::http::proxy::{HttpProxy, Proxy, ProxyKind, TunnelError, Via};
use crate::deliver::http::race::race;
use crate::deliver::http::target::Key;
use crate::deliver::http::tls_files::BadTlsFile;
use crate::deliver::http::trust::TlsConfigs;

/// Makes connections.
pub(in crate::deliver) struct Connector {
    pub(in crate::deliver) egress: Egress,
    pub(in crate::deliver) proxy: Option<Proxy>,
    pub(in crate::deliver) tls: TlsConfigs,
}

/// The transport of HTTP.
pub(in crate::deliver) type Socket = Box<dyn ByteStream>;

/// Bytes both ways.
pub(in crate::deliver) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// A connection and its protocol.
pub(in crate::deliver) struct Connected {
    pub(in crate::deliver) socket: Socket,
    pub(in crate::deliver) http2: bool,
    /// It ends at a proxy, whose requests have an absolute target.
    pub(in crate::deliver) http_proxy: Option<HttpProxy>,
}

/// How far connecting has come: how long each step took that has ended, and the peer.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::deliver) struct ConnectSteps {
    pub(in crate::deliver) dns: Option<Duration>,
    /// To the receiver, or to the proxy and through it.
    pub(in crate::deliver) connect: Option<Duration>,
    pub(in crate::deliver) tls: Option<Duration>,
    pub(in crate::deliver) peer: Peer,
}

/// What is at the other end of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::deliver) struct Peer {
    pub(in crate::deliver) address: Option<SocketAddr>,
    pub(in crate::deliver) is_proxy: bool,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(in crate::deliver) enum ConnectError {
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("resolve `{0}`: {1}")]
    Dns(String, String),
    #[error("connect to {0}: {1}")]
    Io(SocketAddr, Error),
    #[error(transparent)]
    Proxy(#[from] TunnelError),
    #[error("connect: no answer within {0:?}")]
    Timeout(Duration),
    #[error("begin TLS: {0}")]
    Tls(String),
    #[error("`{setting}` {file}", setting = .0.setting, file = .0)]
    TlsFile(#[from] BadTlsFile),
}

impl Connector {
    /// Connects within `timeout`: over all addresses of a name, the proxy and TLS.
    pub(in crate::deliver) async fn open(
        &self,
        key: &Key,
        timeout: Duration,
        steps: &mut ConnectSteps,
    ) -> Result<Connected, ConnectError> {
        let opened = tokio::time::timeout(timeout, self.open_any(key, steps)).await;
        opened.unwrap_or(Err(ConnectError::Timeout(timeout)))
    }

    async fn open_any(&self, key: &Key, steps: &mut ConnectSteps) -> Result<Connected, ConnectError> {
        let mut http_proxy = None;
        let stream = match self.proxy.as_ref().and_then(|proxy| proxy.intercept(key)) {
            None => {
                let addresses = self.resolve_and_check(key, steps).await?;
                connect(&key.host, addresses, steps).await?
            }
            Some(via) => {
                let stream = self.through(&via, key, steps).await?;
                http_proxy = (via.kind == ProxyKind::Http && !key.https).then(|| via.http_proxy());
                stream
            }
        };
        if !key.https {
            return Ok(Connected { socket: Box::new(stream), http2: false, http_proxy });
        }
        let name = ServerName::try_from(key.host.clone());
        let name = name.map_err(|error| ConnectError::Tls(error.to_string()))?;
        let began = Clock::runtime();
        let stream = TlsConnector::from(self.tls.get(key.tls.as_ref())?)
            .connect(name, stream)
            .await
            .map_err(|error| ConnectError::Tls(error.to_string()))?;
        steps.tls = Some(since(began));
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(Connected { socket: Box::new(stream), http2, http_proxy })
    }

    /// Connects through a proxy, up to where TLS or the request begins.
    async fn through(
        &self,
        via: &Via,
        key: &Key,
        steps: &mut ConnectSteps,
    ) -> Result<TcpStream, ConnectError> {
        if via.kind == ProxyKind::Socks5 {
            // The proxy gets addresses, each of them checked.
            let mut failed = None;
            for address in self.resolve_and_check(key, steps).await? {
                let stream = connect_to_proxy(via, steps).await?;
                match via.socks(stream, &address.ip().to_string(), key.port).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => failed = Some(error),
                }
            }
            return Err(failed.map_or_else(|| no_address(&key.host), Into::into));
        }
        self.egress.check_unresolved(&key.target())?;
        let mut stream = connect_to_proxy(via, steps).await?;
        match via.kind {
            ProxyKind::Http if key.https => via.tunnel(&mut stream, &key.host, key.port).await?,
            ProxyKind::Http => {}
            ProxyKind::Socks5 | ProxyKind::Socks5h => {
                stream = via.socks(stream, &key.host, key.port).await?;
            }
        }
        Ok(stream)
    }

    /// The addresses of a host that may be connected to: at least one.
    async fn resolve_and_check(
        &self,
        key: &Key,
        steps: &mut ConnectSteps,
    ) -> Result<Vec<SocketAddr>, ConnectError> {
        let target = key.target();
        self.egress.check_host(&target)?;
        let (mut allowed, mut denied) = (Vec::new(), None);
        for address in resolve(&key.host, key.port, steps).await? {
            match self.egress.check(&target, address.ip()) {
                Ok(()) => allowed.push(address),
                Err(why) => denied = Some(why),
            }
        }
        match denied {
            Some(why) if allowed.is_empty() => Err(why.into()),
            _ => Ok(allowed),
        }
    }
}

async fn connect_to_proxy(via: &Via, steps: &mut ConnectSteps) -> Result<TcpStream, ConnectError> {
    steps.peer.is_proxy = true;
    let addresses = resolve(&via.host, via.port, steps).await?;
    connect(&via.host, addresses, steps).await
}

/// The addresses of a host: at least one.
async fn resolve(host: &str, port: u16, steps: &mut ConnectSteps) -> Result<Vec<SocketAddr>, ConnectError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let began = Clock::runtime();
    let found = tokio::net::lookup_host((host, port)).await;
    let found: Vec<_> =
        found.map_err(|error| ConnectError::Dns(host.to_owned(), error.to_string()))?.collect();
    *steps.dns.get_or_insert_default() += since(began);
    if found.is_empty() { Err(no_address(host)) } else { Ok(found) }
}

async fn connect(
    host: &str,
    addresses: Vec<SocketAddr>,
    steps: &mut ConnectSteps,
) -> Result<TcpStream, ConnectError> {
    let began = Clock::runtime();
    let connected = race(addresses).await.ok_or_else(|| no_address(host))?;
    let stream = connected.map_err(|(address, error)| ConnectError::Io(address, error))?;
    *steps.connect.get_or_insert_default() += since(began);
    steps.peer.address = stream.peer_addr().ok();
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

fn since(began: Instant) -> Duration {
    Clock::runtime().saturating_duration_since(began)
}

fn no_address(host: &str) -> ConnectError {
    ConnectError::Dns(host.to_owned(), "no address".into())
}
