//! Connections, and only to addresses that may be connected to: checked here, where sockets are made,
//! for what a name resolves to and for an address in place of a name.

use std::io::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::header::HeaderValue;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::deliver::http::egress::{Denied, Egress};
use crate::deliver::http::proxy::{Proxy, TunnelError};

/// Makes connections.
pub(in crate::deliver) struct Connector {
    pub(in crate::deliver) egress: Egress,
    pub(in crate::deliver) proxy: Option<Proxy>,
    pub(in crate::deliver) tls: Arc<ClientConfig>,
}

/// The origin of a connection: scheme, host and port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::deliver) struct Key {
    pub(in crate::deliver) https: bool,
    pub(in crate::deliver) host: String,
    pub(in crate::deliver) port: u16,
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

/// A proxy for requests.
pub(in crate::deliver) struct HttpProxy {
    /// The value of `proxy-authorization`, if the proxy requires it.
    pub(in crate::deliver) authorization: Option<HeaderValue>,
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
}

impl Connector {
    /// Connects within `timeout`: over all addresses of a name, the proxy and TLS.
    pub(in crate::deliver) async fn open(
        &self,
        key: &Key,
        timeout: Duration,
    ) -> Result<Connected, ConnectError> {
        tokio::time::timeout(timeout, self.open_any(key, timeout))
            .await
            .unwrap_or(Err(ConnectError::Timeout(timeout)))
    }

    async fn open_any(&self, key: &Key, timeout: Duration) -> Result<Connected, ConnectError> {
        let (host, port) = (key.host.as_str(), key.port);
        let mut http_proxy = None;
        let stream = match &self.proxy {
            None => connect(host, port, timeout, |address| self.egress.check(address)).await?,
            Some(proxy) => {
                // A name is resolved by the proxy; an address can be checked here.
                host.parse().map_or(Ok(()), |address| self.egress.check(address))?;
                let (proxy_host, proxy_port) = proxy.address();
                let mut stream = connect(proxy_host, proxy_port, timeout, |_| Ok(())).await?;
                if key.https {
                    proxy.tunnel(&mut stream, host, port).await?;
                } else {
                    http_proxy = Some(HttpProxy { authorization: proxy.authorization() });
                }
                stream
            }
        };
        if !key.https {
            return Ok(Connected { socket: Box::new(stream), http2: false, http_proxy });
        }
        let name =
            ServerName::try_from(host.to_owned()).map_err(|error| ConnectError::Tls(error.to_string()))?;
        let stream = TlsConnector::from(Arc::clone(&self.tls))
            .connect(name, stream)
            .await
            .map_err(|error| ConnectError::Tls(error.to_string()))?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(Connected { socket: Box::new(stream), http2, http_proxy })
    }
}

/// Tries the addresses of a name, each with its share of the time.
async fn connect(
    host: &str,
    port: u16,
    timeout: Duration,
    check: impl Fn(IpAddr) -> Result<(), Denied>,
) -> Result<TcpStream, ConnectError> {
    let dns = |why: String| ConnectError::Dns(host.to_owned(), why);
    let found = tokio::net::lookup_host((host, port)).await.map_err(|error| dns(error.to_string()))?;
    let addresses: Vec<SocketAddr> = found.collect();
    let share = timeout / u32::try_from(addresses.len()).unwrap_or(1).max(1);
    let mut last = dns("no address".into());
    for address in addresses {
        if let Err(denied) = check(address.ip()) {
            last = denied.into();
            continue;
        }
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = ConnectError::Io(address, error),
            Err(_) => last = ConnectError::Timeout(share),
        }
    }
    Err(last)
}
