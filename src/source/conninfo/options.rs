//! The options of a connection, as values.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::secret::Secret;

/// Everything needed to open a connection. The password is never shown.
#[derive(Clone, Eq, PartialEq)]
pub struct Conninfo {
    /// Tried in this order.
    pub endpoints: Vec<Endpoint>,
    /// The role.
    pub user: String,
    /// From the string or the setting; `None` means that `.pgpass` is searched.
    pub password: Option<Secret>,
    /// Where the password is, asked again at each connection since it may change.
    pub password_source: Option<PasswordSource>,
    /// The database.
    pub dbname: String,
    /// The TLS mode.
    pub sslmode: SslMode,
    /// The root certificates to trust; `None` means the system's.
    pub sslrootcert: Option<PathBuf>,
    /// The client certificate, PEM.
    pub sslcert: Option<PathBuf>,
    /// The key of the client certificate, PEM.
    pub sslkey: Option<PathBuf>,
    /// How TLS is negotiated.
    pub negotiation: Negotiation,
    /// Whether TLS 1.2 and 1.3 are allowed.
    pub tls_versions: (bool, bool),
    /// Whether the host's name is sent in the TLS handshake (SNI), which proxies may use for routing.
    pub sni: bool,
    /// Whether SCRAM is bound to the TLS channel.
    pub channel_binding: ChannelBinding,
    /// The accepted authentication methods.
    pub require_auth: RequireAuth,
    /// Command-line options for the server process of the session.
    pub options: Option<String>,
    /// Whether a standby is skipped and the next host tried.
    pub primary_only: bool,
    /// Shown in `pg_stat_activity`.
    pub application_name: String,
    /// Limit for the whole handshake with one address.
    pub connect_timeout: Duration,
    /// How a dead peer is detected.
    pub keep_alive: KeepAlive,
    /// The password file; `None` means `~/.pgpass`.
    pub passfile: Option<PathBuf>,
}

/// Where a password is that may change.
#[derive(Clone, Eq, PartialEq)]
pub enum PasswordSource {
    /// A program and its arguments, which prints the password.
    Command(Vec<String>),
    /// A file that holds the password only.
    File(PathBuf),
    /// A file that holds a URL or `key=value` string with the password in it.
    UrlFile(PathBuf),
}

impl fmt::Debug for PasswordSource {
    /// Arguments may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command) => write!(f, "Command({:?}, …)", command.first()),
            Self::File(path) => write!(f, "File({})", path.display()),
            Self::UrlFile(path) => write!(f, "UrlFile({})", path.display()),
        }
    }
}

/// One address of the server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// The name for certificates and the password file.
    pub host: Host,
    /// The IP address, if given (`hostaddr`): DNS is not queried.
    pub address: Option<IpAddr>,
    /// The port, which is also in the name of a Unix socket.
    pub port: u16,
}

/// The name of an endpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Host {
    /// A name or address.
    Tcp(String),
    /// The directory of a Unix socket.
    Unix(PathBuf),
}

/// The TLS mode. <https://www.postgresql.org/docs/current/libpq-ssl.html>
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// TLS if the server supports it, without verifying its certificate.
    Prefer,
    /// Always TLS. The certificate is verified only if `sslrootcert` is given.
    Require,
    /// Always TLS, with a certificate from a trusted authority.
    VerifyCa,
    /// Always TLS, with a certificate from a trusted authority for the host's name.
    VerifyFull,
}

/// Whether SCRAM authentication is bound to the TLS channel.
/// <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-CHANNEL-BINDING>
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChannelBinding {
    /// Never, for a trusted proxy that terminates TLS with its own certificate.
    Disable,
    /// If both sides support it.
    Prefer,
    /// Always; a server without it is rejected.
    Require,
}

/// How TLS is negotiated.
/// <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-SSLNEGOTIATION>
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Negotiation {
    /// After Postgres's own SSLRequest message.
    Postgres,
    /// Directly, without SSLRequest (17+).
    Direct,
}

/// The accepted authentication methods; the connection fails if the server requests another one.
/// <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-REQUIRE-AUTH>
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each may be forbidden by itself")]
pub struct RequireAuth {
    /// Password in clear text.
    pub password: bool,
    /// Password hashed with MD5.
    pub md5: bool,
    /// SCRAM.
    pub scram: bool,
    /// No authentication exchange: trust, peer, or a client certificate.
    pub none: bool,
}

impl Default for RequireAuth {
    fn default() -> Self {
        Self { password: true, md5: true, scram: true, none: true }
    }
}

/// TCP keepalive. `None` means the kernel's default.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeepAlive {
    /// Whether keepalive is on.
    pub on: bool,
    /// Idle time before the first probe.
    pub idle: Option<Duration>,
    /// Time between probes.
    pub interval: Option<Duration>,
    /// Number of probes before the connection is dropped.
    pub count: Option<u32>,
    /// How long sent data may stay unacknowledged before the connection is dropped.
    pub user_timeout: Option<Duration>,
}

/// A connection string that cannot be used. The text never repeats what may be part of a password.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct BadConninfo(String);

impl Conninfo {
    /// The URL without the password, for messages.
    pub fn redacted(&self) -> String {
        let hosts: Vec<String> = self
            .endpoints
            .iter()
            .map(|endpoint| match &endpoint.host {
                Host::Tcp(name) => format!("{name}:{}", endpoint.port),
                Host::Unix(folder) => format!("{}:{}", folder.display(), endpoint.port),
            })
            .collect();
        format!("{}@{}/{}", self.user, hosts.join(","), self.dbname)
    }
}

impl fmt::Debug for Conninfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Conninfo").field(&self.redacted()).field(&self.sslmode).finish()
    }
}

pub(super) fn bad(sentence: String) -> BadConninfo {
    BadConninfo(sentence)
}

pub(super) const ENCODE: &str =
    "in a URL, `/`, `?`, `@`, `:` and `%` of a password are written %2F, %3F, %40, %3A and %25";
