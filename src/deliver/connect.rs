//! Sockets, and only to addresses that may be connected to: checked here, where they are made, for
//! what a name resolves to and for an address in place of a name.

use std::future::Future;
use std::io::{Error, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper::rt::ReadBufCursor;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use super::egress::{Denied, Egress};
use super::proxy::{NoTunnel, Proxy};

/// Makes sockets.
#[derive(Clone)]
pub(super) struct Guarded {
    pub(super) egress: Arc<Egress>,
    pub(super) proxy: Option<Arc<Proxy>>,
    /// To have a socket, over all addresses of a name.
    pub(super) timeout: Duration,
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoSocket {
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("resolve `{0}`: {1}")]
    Dns(String, String),
    #[error("connect to {0}: {1}")]
    Io(SocketAddr, Error),
    #[error(transparent)]
    Proxy(#[from] NoTunnel),
    #[error("connect: no answer within {0:?}")]
    Timeout(Duration),
}

/// Whether a connection has served before; travels with the answers that it brings.
#[derive(Clone, Debug, Default)]
pub(super) struct Served(Arc<AtomicBool>);

impl Served {
    /// It serves; says whether it did before.
    pub(super) fn again(&self) -> bool {
        self.0.swap(true, Ordering::Relaxed)
    }
}

impl Guarded {
    async fn connect(self, uri: Uri) -> Result<Plain, NoSocket> {
        let timeout = self.timeout;
        tokio::time::timeout(timeout, self.connect_for(&uri)).await.unwrap_or(Err(NoSocket::Timeout(timeout)))
    }

    async fn connect_for(&self, uri: &Uri) -> Result<Plain, NoSocket> {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let stream = match &self.proxy {
            None => self.connect_any(host, port, |address| self.egress.check(address)).await?,
            Some(proxy) => {
                // What a name means is the proxy's to say; an address can be told here.
                host.parse().map_or(Ok(()), |address| self.egress.check(address))?;
                let (proxy_host, proxy_port) = proxy.address();
                let mut stream = self.connect_any(proxy_host, proxy_port, |_| Ok(())).await?;
                proxy.tunnel(&mut stream, host, port).await?;
                stream
            }
        };
        Ok(Plain { io: TokioIo::new(stream), served: Served::default() })
    }

    /// Tries the addresses of a name, each with its share of the time.
    async fn connect_any(
        &self,
        host: &str,
        port: u16,
        check: impl Fn(IpAddr) -> Result<(), Denied>,
    ) -> Result<TcpStream, NoSocket> {
        let dns = |why: String| NoSocket::Dns(host.to_owned(), why);
        let found = tokio::net::lookup_host((host, port)).await.map_err(|error| dns(error.to_string()))?;
        let addresses: Vec<SocketAddr> = found.collect();
        let share = self.timeout / u32::try_from(addresses.len()).unwrap_or(1).max(1);
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
                Ok(Err(error)) => last = NoSocket::Io(address, error),
                Err(_) => last = NoSocket::Timeout(share),
            }
        }
        Err(last)
    }
}

impl Service<Uri> for Guarded {
    type Response = Plain;
    type Error = NoSocket;
    type Future = Pin<Box<dyn Future<Output = Result<Plain, NoSocket>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NoSocket>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// A connection, before TLS.
pub(super) struct Plain {
    io: TokioIo<TcpStream>,
    served: Served,
}

impl Connection for Plain {
    fn connected(&self) -> Connected {
        self.io.inner().connected().extra(self.served.clone())
    }
}

impl hyper::rt::Read for Plain {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.get_mut().io).poll_read(cx, buf)
    }
}

impl hyper::rt::Write for Plain {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize, Error>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize, Error>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, bufs)
    }
}
