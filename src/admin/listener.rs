//! The listener of the admin port, with TLS or without.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::tls::ReloadableTls;

/// Accepts connections.
pub struct AdminListener {
    tcp: TcpListener,
    tls: Option<ReloadableTls>,
    handshakes: JoinSet<Option<(Box<dyn Connection>, SocketAddr)>>,
}

/// A connection.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// The connection is encrypted.
    pub is_tls: bool,
}

impl AdminListener {
    /// With the files of a certificate and its key, the connections are encrypted.
    pub fn new(tcp: TcpListener, tls: Option<(PathBuf, PathBuf)>) -> anyhow::Result<Self> {
        let tls = tls.map(|(certificate, key)| ReloadableTls::read(certificate, key)).transpose()?;
        Ok(Self { tcp, tls, handshakes: JoinSet::new() })
    }

    /// The address that it listens on.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

impl Listener for AdminListener {
    type Io = Box<dyn Connection>;
    type Addr = Peer;

    async fn accept(&mut self) -> (Self::Io, Peer) {
        loop {
            tokio::select! {
                accepted = self.tcp.accept(), if self.handshakes.len() < HANDSHAKES_MAX => match accepted {
                    Ok((stream, address)) => match &mut self.tls {
                        None => return (Box::new(stream), Peer { address, is_tls: false }),
                        Some(tls) => {
                            self.handshakes.spawn(handshake(tls.acceptor(), stream, address));
                        }
                    },
                    // No descriptor is left: others end meanwhile.
                    Err(_) => tokio::time::sleep(ACCEPT_AGAIN_AFTER).await,
                },
                Some(ended) = self.handshakes.join_next() => {
                    if let Ok(Some((stream, address))) = ended {
                        return (stream, Peer { address, is_tls: true });
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer { address: self.address()?, is_tls: self.tls.is_some() })
    }
}

async fn handshake(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    address: SocketAddr,
) -> Option<(Box<dyn Connection>, SocketAddr)> {
    let shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await;
    let stream: Box<dyn Connection> = Box::new(shaken.ok()?.ok()?);
    Some((stream, address))
}

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const HANDSHAKES_MAX: usize = 256;
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(500);
