//! Ordinary sessions, over the same sockets, TLS, passwords and settings as the stream.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_postgres::{Client, Config};

use super::conninfo::{Conninfo, Host};
use super::handshake::{Channel, ServerError};
use super::socket::{SESSION, Socket, SourceError};
use super::{passfile, socket};

/// Opens a session. Its connection is driven by a task of its own, which ends with the client.
pub async fn connect_sql(conninfo: &Conninfo) -> Result<Client, SourceError> {
    let mut last = SourceError::Unreachable("no host is given".into());
    for (host, port) in &conninfo.hosts {
        let tried = tokio::time::timeout(conninfo.connect_timeout, connect_to(conninfo, host, *port));
        last = match tried.await {
            Ok(Err(SourceError::Unreachable(why))) => SourceError::Unreachable(why),
            Ok(done) => return done,
            Err(_) => SourceError::Unreachable(format!("no answer within {:?}", conninfo.connect_timeout)),
        };
    }
    Err(last)
}

async fn connect_to(conninfo: &Conninfo, host: &Host, port: u16) -> Result<Client, SourceError> {
    let (socket, channel) = socket::open_configured(conninfo, host, port).await?;
    let mut config = Config::new();
    config.user(&conninfo.user).dbname(&conninfo.dbname).application_name(&conninfo.application_name);
    if let Some(password) = passfile::password(conninfo, host, port) {
        config.password(password);
    }
    let session = SESSION.iter().map(|(name, value)| format!("-c {name}={value}"));
    config.options(session.chain(conninfo.options.clone()).collect::<Vec<_>>().join(" "));
    let end_point = match channel {
        Channel::Plain => {
            // This client would send a password in clear text where it is asked to. Ours does not:
            // it goes first, and says so.
            drop(socket::admit_to(conninfo, host, port, false).await?);
            config.ssl_mode(tokio_postgres::config::SslMode::Disable);
            None
        }
        Channel::Tls { end_point, binding_required } => {
            // TLS is there already. `Direct` is the way to say that there is nothing to negotiate.
            config.ssl_mode(tokio_postgres::config::SslMode::Require);
            config.ssl_negotiation(tokio_postgres::config::SslNegotiation::Direct);
            if binding_required {
                config.channel_binding(tokio_postgres::config::ChannelBinding::Require);
            }
            end_point
        }
    };
    let (client, connection) =
        config.connect_raw(socket, Already { end_point }).await.map_err(SourceError::from)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!("a session with Postgres ended: {error}");
        }
    });
    Ok(client)
}

impl From<tokio_postgres::Error> for SourceError {
    /// What a session's error means to its caller.
    fn from(error: tokio_postgres::Error) -> Self {
        told(&error)
    }
}

fn told(error: &tokio_postgres::Error) -> SourceError {
    match error.as_db_error() {
        Some(db) => ServerError {
            sqlstate: db.code().code().to_owned(),
            message: db.message().to_owned(),
            detail: db.detail().map(str::to_owned),
            hint: db.hint().map(str::to_owned),
        }
        .into(),
        None if error.is_closed() => SourceError::Closed(error.to_string()),
        None => {
            let cause =
                std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
            SourceError::Unreachable(format!("{error}{cause}"))
        }
    }
}

/// A socket that speaks TLS already, for a client that wants to begin it.
struct Already {
    end_point: Option<Vec<u8>>,
}

/// The same socket, and what binds a password to it.
struct Encrypted {
    socket: Socket,
    end_point: Option<Vec<u8>>,
}

impl TlsConnect<Socket> for Already {
    type Stream = Encrypted;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Encrypted, Infallible>>;

    fn connect(self, socket: Socket) -> Self::Future {
        std::future::ready(Ok(Encrypted { socket, end_point: self.end_point }))
    }
}

impl TlsStream for Encrypted {
    fn channel_binding(&self) -> ChannelBinding {
        self.end_point.clone().map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_read(cx, buf)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}
