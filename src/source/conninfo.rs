//! Where Postgres is and how to be let in: a URL or `key=value` string as libpq takes it.
//! <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING>

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::percent_decode_str;

/// Everything that opening a connection needs. Its password is never shown.
#[derive(Clone, Eq, PartialEq)]
pub struct Conninfo {
    /// Tried in this order.
    pub hosts: Vec<(Host, u16)>,
    /// The role.
    pub user: String,
    /// From the string or the setting; `.pgpass` is asked where there is none.
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
    /// Whether SCRAM is bound to the TLS channel.
    pub channel_binding: ChannelBinding,
    /// Command-line options for the server's session.
    pub options: Option<String>,
    /// A standby is passed over, and the next host asked.
    pub primary_only: bool,
    /// Shown in `pg_stat_activity`.
    pub application_name: String,
    /// Over the whole handshake.
    pub connect_timeout: Duration,
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

/// A connection string cannot be used. It never repeats what may be a part of a password.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct BadConninfo(String);

impl Conninfo {
    /// Reads a URL or a `key=value` string. `user` stands in for a missing role, as the operating
    /// system calls it.
    pub fn parse(text: &str, user: Option<&str>) -> Result<Self, BadConninfo> {
        let text = text.trim();
        let parameters = match text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://"))
        {
            Some(rest) => url_parameters(rest)?,
            None => key_values(text)?,
        };
        Self::from_parameters(&parameters, user)
    }

    fn from_parameters(parameters: &[(String, String)], user: Option<&str>) -> Result<Self, BadConninfo> {
        if let Some((unknown, _)) = parameters.iter().find(|(key, _)| !KNOWN.contains(&key.as_str())) {
            return Err(unknown_parameter(unknown));
        }
        let last = |wanted: &str| {
            let found = parameters.iter().rev().find(|(key, _)| key == wanted);
            found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
        };
        let path = |wanted: &str| last(wanted).map(PathBuf::from);
        without_gss(last("gssencmode"))?;
        let user = last("user").or(user).ok_or_else(|| bad("no `user` is given".into()))?;
        let sslrootcert = path("sslrootcert");
        let of_the_system = sslrootcert.as_deref() == Some(Path::new("system"));
        Ok(Self {
            hosts: hosts(last("hostaddr").or_else(|| last("host")), last("port"))?,
            user: user.to_owned(),
            password: last("password").map(str::to_owned),
            secret_file: None,
            dbname: last("dbname").unwrap_or(user).to_owned(),
            sslmode: sslmode(last("sslmode"), of_the_system)?,
            sslrootcert,
            sslcert: path("sslcert"),
            sslkey: path("sslkey"),
            channel_binding: channel_binding(last("channel_binding"))?,
            options: last("options").map(str::to_owned),
            primary_only: primary_only(last("target_session_attrs"))?,
            application_name: last("application_name").unwrap_or("sidecar").to_owned(),
            connect_timeout: connect_timeout(last("connect_timeout"))?,
            passfile: path("passfile"),
        })
    }

    /// Where it leads, without a password: for people.
    pub fn redacted(&self) -> String {
        let hosts: Vec<String> = self
            .hosts
            .iter()
            .map(|(host, port)| match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(folder) => format!("{}:{port}", folder.display()),
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

/// What has no `=` where one should be, or an odd key before it, may be the rest of a password that
/// was written without its `%` signs: only what looks like a key is repeated.
fn unknown_parameter(key: &str) -> BadConninfo {
    if !key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
        return bad(format!(
            "expected a URL (`postgresql://user@host/dbname`) or `key=value` pairs; {ENCODE}"
        ));
    }
    bad(format!("`{key}` is no connection parameter here; known are: {}", KNOWN.join(", ")))
}

fn bad(sentence: String) -> BadConninfo {
    BadConninfo(sentence)
}

/// `user:password@host:port,host:port/dbname?key=value&…`
fn url_parameters(rest: &str) -> Result<Vec<(String, String)>, BadConninfo> {
    let mut parameters = Vec::new();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, dbname) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let mut add = |key: &str, text: &str| -> Result<(), BadConninfo> {
        let text = percent_decode_str(text).decode_utf8();
        let text = text.map_err(|_| bad(format!("`{key}` of the URL is not UTF-8")))?;
        if !text.is_empty() {
            parameters.push((key.to_owned(), text.into_owned()));
        }
        Ok(())
    };
    add("user", user)?;
    add("password", password)?;
    add("dbname", dbname)?;
    let (mut names, mut ports) = (Vec::new(), Vec::new());
    for host in hosts.split(',') {
        let (name, port) = split_port(host);
        names.push(name);
        ports.push(port);
    }
    add("host", &names.join(","))?;
    if ports.iter().any(|port| !port.is_empty()) {
        add("port", &ports.join(","))?;
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| bad(format!("the URL's part after `?` is no `key=value`; {ENCODE}")))?;
        let key = if key == "ssl" && value == "true" { "sslmode" } else { key };
        add(key, if key == "sslmode" && value == "true" { "require" } else { value })?;
    }
    Ok(parameters)
}

/// A host and its port, where the host may be an IPv6 address in brackets.
fn split_port(host: &str) -> (&str, &str) {
    if let Some((address, after)) = host.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
        return (address, after.strip_prefix(':').unwrap_or(""));
    }
    host.split_once(':').unwrap_or((host, ""))
}

/// `key = 'a value' key=value`, with backslashes.
fn key_values(text: &str) -> Result<Vec<(String, String)>, BadConninfo> {
    let mut parameters = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').ok_or_else(|| {
            bad("expected a URL (`postgresql://user@host/dbname`) or `key=value` pairs".into())
        })?;
        let (value, after) = quoted_value(after.trim_start())?;
        parameters.push((key.trim().to_owned(), value));
        rest = after.trim_start();
    }
    Ok(parameters)
}

fn quoted_value(text: &str) -> Result<(String, &str), BadConninfo> {
    let (quoted, mut letters) = match text.strip_prefix('\'') {
        Some(inside) => (true, inside.chars()),
        None => (false, text.chars()),
    };
    let mut value = String::new();
    loop {
        let before = letters.as_str();
        match letters.next() {
            Some('\\') => value.extend(letters.next()),
            Some('\'') if quoted => return Ok((value, letters.as_str())),
            Some(space) if !quoted && space.is_whitespace() => return Ok((value, before)),
            Some(letter) => value.push(letter),
            None if quoted => return Err(bad("a quoted value is not closed".into())),
            None => return Ok((value, "")),
        }
    }
}

fn hosts(names: Option<&str>, ports: Option<&str>) -> Result<Vec<(Host, u16)>, BadConninfo> {
    let ports: Vec<u16> = ports
        .unwrap_or("5432")
        .split(',')
        .map(|port| if port.is_empty() { Some(5432) } else { port.parse().ok().filter(|port| *port > 0) })
        .collect::<Option<_>>()
        .ok_or_else(|| bad(format!("`port` should be a number from 1 to 65535; {ENCODE}")))?;
    let names: Vec<&str> = names.unwrap_or("localhost").split(',').collect();
    if ports.len() != 1 && ports.len() != names.len() {
        return Err(bad(format!("{} hosts are given and {} ports", names.len(), ports.len())));
    }
    let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5432);
    let host = |name: &str| match name {
        "" => Host::Tcp("localhost".to_owned()),
        folder if folder.starts_with('/') => Host::Unix(folder.into()),
        name => Host::Tcp(name.to_owned()),
    };
    Ok(names.iter().enumerate().map(|(at, name)| (host(name), port(at))).collect())
}

/// The system's authorities certify anyone's name, so trusting them without a look at the name
/// would trust everyone: as libpq, that is refused.
fn sslmode(text: Option<&str>, of_the_system: bool) -> Result<SslMode, BadConninfo> {
    let mode = match text {
        None if of_the_system => SslMode::VerifyFull,
        None | Some("prefer" | "allow") => SslMode::Prefer,
        Some("disable") => SslMode::Disable,
        Some("require") => SslMode::Require,
        Some("verify-ca") => SslMode::VerifyCa,
        Some("verify-full") => SslMode::VerifyFull,
        Some(other) => {
            return Err(bad(format!(
                "`sslmode` is `{other}`, and should be disable, prefer, require, verify-ca or verify-full"
            )));
        }
    };
    if of_the_system && mode != SslMode::VerifyFull {
        return Err(bad("`sslrootcert` is `system`, which needs sslmode=verify-full".into()));
    }
    Ok(mode)
}

fn channel_binding(text: Option<&str>) -> Result<ChannelBinding, BadConninfo> {
    match text {
        None | Some("prefer") => Ok(ChannelBinding::Prefer),
        Some("disable") => Ok(ChannelBinding::Disable),
        Some("require") => Ok(ChannelBinding::Require),
        Some(other) => {
            Err(bad(format!("`channel_binding` is `{other}`, and should be disable, prefer or require")))
        }
    }
}

fn primary_only(text: Option<&str>) -> Result<bool, BadConninfo> {
    match text {
        None | Some("any") => Ok(false),
        Some("primary" | "read-write") => Ok(true),
        Some(other) => {
            Err(bad(format!("`target_session_attrs` is `{other}`, and should be any, primary or read-write")))
        }
    }
}

/// GSS is never used. What only says so is often in URLs.
fn without_gss(text: Option<&str>) -> Result<(), BadConninfo> {
    match text {
        None | Some("disable" | "prefer") => Ok(()),
        Some(_) => {
            Err(bad("`gssencmode` should be disable: there is no GSS encryption here, but TLS".into()))
        }
    }
}

fn connect_timeout(text: Option<&str>) -> Result<Duration, BadConninfo> {
    match text.map(str::parse::<u64>) {
        None => Ok(CONNECT_TIMEOUT),
        Some(Ok(0)) => Ok(Duration::from_hours(1)),
        Some(Ok(seconds)) => Ok(Duration::from_secs(seconds)),
        Some(Err(_)) => Err(bad("`connect_timeout` should be whole seconds".into())),
    }
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

const ENCODE: &str =
    "in a URL, `/`, `?`, `@`, `:` and `%` of a password are written %2F, %3F, %40, %3A and %25";

const KNOWN: &[&str] = &[
    "host",
    "hostaddr",
    "port",
    "user",
    "password",
    "dbname",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "channel_binding",
    "options",
    "application_name",
    "connect_timeout",
    "passfile",
    "target_session_attrs",
    "gssencmode",
];

#[cfg(test)]
mod tests;
