//! The options of a connection, as values.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything that opening a connection needs. Its password is never shown.
#[derive(Clone, Eq, PartialEq)]
pub struct Conninfo {
    /// Tried in this order.
    pub endpoints: Vec<Endpoint>,
    /// The role.
    pub user: String,
    /// From the string or the setting; `.pgpass` is read where there is none.
    pub password: Option<String>,
    /// Where that is read anew at each connection, as it may be another by then.
    pub secret_file: Option<SecretFile>,
    /// The database.
    pub dbname: String,
    /// How much TLS.
    pub sslmode: SslMode,
    /// Whom to trust; the system's roots where there is none.
    pub sslrootcert: Option<PathBuf>,
    /// Who we are, PEM.
    pub sslcert: Option<PathBuf>,
    /// The key of it, PEM.
    pub sslkey: Option<PathBuf>,
    /// How TLS begins.
    pub negotiation: Negotiation,
    /// Whether TLS 1.2 and 1.3 may be spoken.
    pub tls_versions: (bool, bool),
    /// Whether the host's name is said before TLS, where a proxy may look for it.
    pub sni: bool,
    /// Whether SCRAM is bound to the TLS channel.
    pub channel_binding: ChannelBinding,
    /// The ways in which the server may let us in.
    pub require_auth: RequireAuth,
    /// Command-line options for the server's session.
    pub options: Option<String>,
    /// A standby is skipped, and the next host tried.
    pub primary_only: bool,
    /// Shown in `pg_stat_activity`.
    pub application_name: String,
    /// Over the whole handshake with one address.
    pub connect_timeout: Duration,
    /// How a peer that is gone without a word is found out.
    pub keep_alive: KeepAlive,
    /// Where passwords are; `~/.pgpass` where there is none.
    pub passfile: Option<PathBuf>,
}

/// A file that holds a password.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SecretFile {
    /// And nothing else.
    Password(PathBuf),
    /// In a URL or `key=value` string.
    Url(PathBuf),
}

/// One place to look for the server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// What certificates and the password file call it.
    pub host: Host,
    /// Where it is, without a question to DNS.
    pub address: Option<IpAddr>,
    /// Its port, also in the name of a Unix socket.
    pub port: u16,
}

/// What an endpoint is called.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Host {
    /// A name or address.
    Tcp(String),
    /// The folder of a Unix socket.
    Unix(PathBuf),
}

/// How much TLS. <https://www.postgresql.org/docs/current/libpq-ssl.html>
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SslMode {
    /// None.
    Disable,
    /// Where the server has it; without a check of its certificate.
    Prefer,
    /// Always; without a check, but where `sslrootcert` is given.
    Require,
    /// Always; the certificate must come from whom we trust.
    VerifyCa,
    /// Always; and bear the host's name.
    VerifyFull,
}

/// Whether the password's proof is tied to the very TLS channel it travels through.
/// <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-CHANNEL-BINDING>
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChannelBinding {
    /// Never: something that is trusted stands between and has its own certificate.
    Disable,
    /// Where both can.
    Prefer,
    /// Always; a server that cannot is refused.
    Require,
}

/// How TLS begins.
/// <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-SSLNEGOTIATION>
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Negotiation {
    /// With a question of Postgres's own.
    Postgres,
    /// At once (17+).
    Direct,
}

/// The ways in which the server may let us in: each that is not here is refused.
/// <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-REQUIRE-AUTH>
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each may be forbidden by itself")]
pub struct RequireAuth {
    /// A password in clear text.
    pub password: bool,
    /// A hashed one.
    pub md5: bool,
    /// SCRAM.
    pub scram: bool,
    /// Without a question: trust, peer, or a certificate.
    pub none: bool,
}

impl Default for RequireAuth {
    fn default() -> Self {
        Self { password: true, md5: true, scram: true, none: true }
    }
}

/// TCP keepalive. `None`: the kernel's default.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeepAlive {
    /// Whether keepalive is on.
    pub on: bool,
    /// After so long a silence.
    pub idle: Option<Duration>,
    /// Again after so long.
    pub interval: Option<Duration>,
    /// So often, before the peer is taken for gone.
    pub count: Option<u32>,
    /// What was sent is answered within so long, or the peer is taken for gone.
    pub user_timeout: Option<Duration>,
}

/// A connection string cannot be used. It never repeats what may be a part of a password.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct BadConninfo(String);

impl Conninfo {
    /// Where it leads, without a password: for people.
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
