//! Connections, and only to addresses that may be connected to: checked here, where sockets are made,
//! for what a name resolves to and for an address in place of a name.

use std::io::Error;
use std::iter;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
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
        tokio::time::timeout(timeout, self.open_any(key)).await.unwrap_or(Err(ConnectError::Timeout(timeout)))
    }

    async fn open_any(&self, key: &Key) -> Result<Connected, ConnectError> {
        let (host, port) = (key.host.as_str(), key.port);
        let mut http_proxy = None;
        let stream = match &self.proxy {
            None => connect(host, port, |address| self.egress.check(address)).await?,
            Some(proxy) => {
                // A name is resolved by the proxy; an address can be checked here.
                host.parse().map_or(Ok(()), |address| self.egress.check(address))?;
                let (proxy_host, proxy_port) = proxy.address();
                let mut stream = connect(proxy_host, proxy_port, |_| Ok(())).await?;
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

/// Connects to the address of a name that answers first, of those that `check` allows.
async fn connect(
    host: &str,
    port: u16,
    check: impl Fn(IpAddr) -> Result<(), Denied>,
) -> Result<TcpStream, ConnectError> {
    let dns = |why: String| ConnectError::Dns(host.to_owned(), why);
    let found = tokio::net::lookup_host((host, port)).await.map_err(|error| dns(error.to_string()))?;
    let (mut allowed, mut denied) = (Vec::new(), None);
    for address in found {
        match check(address.ip()) {
            Ok(()) => allowed.push(address),
            Err(why) => denied = Some(why),
        }
    }
    let stream = race(families_in_turn(allowed)).await;
    let stream =
        stream.unwrap_or_else(|| Err(denied.map_or_else(|| dns("no address".into()), Into::into)))?;
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// Connects to the first of the addresses that answers. The next one is tried beside those before it when
/// one of them has failed, or after [`NEXT_ADDRESS_AFTER`]. `None`: there are no addresses.
/// <https://www.rfc-editor.org/rfc/rfc8305#section-5>
async fn race(addresses: Vec<SocketAddr>) -> Option<Result<TcpStream, ConnectError>> {
    let mut addresses = addresses.into_iter();
    let connect = |address| async move {
        TcpStream::connect(address).await.map_err(|error| ConnectError::Io(address, error))
    };
    let mut attempts: FuturesUnordered<_> = addresses.next().map(connect).into_iter().collect();
    let mut failed = None;
    loop {
        tokio::select! {
            ended = attempts.next() => match ended {
                None => return failed,
                Some(Ok(stream)) => return Some(Ok(stream)),
                Some(Err(error)) => failed = Some(Err(error)),
            },
            () = tokio::time::sleep(NEXT_ADDRESS_AFTER), if addresses.len() > 0 => {}
        }
        attempts.extend(addresses.next().map(connect));
    }
}

/// The addresses in their order, those of IPv6 and IPv4 in turn, beginning with the family of the first.
/// <https://www.rfc-editor.org/rfc/rfc8305#section-4>
fn families_in_turn(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut second = second.into_iter();
    let mut in_turn: Vec<_> =
        first.into_iter().flat_map(|one| iter::once(one).chain(second.next())).collect();
    in_turn.extend(second);
    in_turn
}

const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_from_the_first_on() {
        let of = |text: &str| -> Vec<SocketAddr> {
            text.split(' ').map(|address| SocketAddr::new(address.parse().unwrap(), 1)).collect()
        };
        for (found, in_turn) in [
            ("::1 ::2 1.1.1.1 1.1.1.2", "::1 1.1.1.1 ::2 1.1.1.2"),
            ("1.1.1.1 ::1 ::2 ::3", "1.1.1.1 ::1 ::2 ::3"),
            ("1.1.1.1 1.1.1.2 1.1.1.3 ::1", "1.1.1.1 ::1 1.1.1.2 1.1.1.3"),
            ("1.1.1.1", "1.1.1.1"),
        ] {
            assert_eq!(families_in_turn(of(found)), of(in_turn), "{found}");
        }
        assert!(families_in_turn(Vec::new()).is_empty());
    }

    /// A listener whose queue is full: packets to it are swallowed.
    fn swallows() -> (socket2::Socket, Vec<std::net::TcpStream>, SocketAddr) {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let connect = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
        let queued: Vec<_> = iter::from_fn(connect).take(100).collect();
        assert!(queued.len() < 100, "the queue has an end");
        (socket, queued, address)
    }

    #[tokio::test]
    async fn an_address_that_swallows_packets_does_not_hold_up_the_next() {
        let (_listener, _queued, silent) = swallows();
        let open = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = open.local_addr().unwrap();
        let refusing = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        for addresses in [vec![silent, good], vec![silent, refusing, good], vec![refusing, good]] {
            // Long before the system gives up on a silent address.
            let stream = tokio::time::timeout(Duration::from_secs(20), race(addresses)).await;
            assert_eq!(stream.unwrap().unwrap().unwrap().peer_addr().unwrap(), good);
        }
        let error = race(vec![refusing, refusing]).await.unwrap().unwrap_err();
        assert!(matches!(error, ConnectError::Io(address, _) if address == refusing));
        assert!(race(Vec::new()).await.is_none());
    }
}
