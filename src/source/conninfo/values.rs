//! The meaning of parameters' values. A value that cannot be honoured is rejected with the reason, because
//! ignoring a parameter could weaken security.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::options::{
    BadConninfo, ChannelBinding, ENCODE, Endpoint, Host, KeepAlive, Negotiation, RequireAuth, SslMode, bad,
};

/// A value; `None` if it is not given or empty.
pub(super) type Value<'a> = Option<&'a str>;

/// Each host with its address and port. A single port applies to all hosts.
pub(super) fn endpoints(
    hosts: Value<'_>,
    addresses: Value<'_>,
    ports: Value<'_>,
) -> Result<Vec<Endpoint>, BadConninfo> {
    let ports: Vec<u16> = ports
        .unwrap_or("5432")
        .split(',')
        .map(|port| if port.is_empty() { Some(5432) } else { port.parse().ok().filter(|port| *port > 0) })
        .collect::<Option<_>>()
        .ok_or_else(|| bad(format!("`port` should be a number from 1 to 65535; {ENCODE}")))?;
    let addresses: Option<Vec<Option<IpAddr>>> =
        addresses.map(|list| list.split(',').map(address).collect::<Result<_, _>>()).transpose()?;
    let names: Vec<&str> = match (hosts, &addresses) {
        (Some(hosts), _) => hosts.split(',').collect(),
        (None, Some(addresses)) => vec![""; addresses.len()],
        (None, None) => vec![""],
    };
    let addresses = addresses.unwrap_or_else(|| vec![None; names.len()]);
    if addresses.len() != names.len() {
        return Err(bad(format!("{} hosts are given and {} host addresses", names.len(), addresses.len())));
    }
    if ports.len() != 1 && ports.len() != names.len() {
        return Err(bad(format!("{} hosts are given and {} ports", names.len(), ports.len())));
    }
    let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5432);
    let host = |name: &str, address: Option<IpAddr>| match (name, address) {
        ("", Some(address)) => Host::Tcp(address.to_string()),
        ("", None) => Host::Tcp("localhost".to_owned()),
        (folder, None) if folder.starts_with('/') => Host::Unix(folder.into()),
        (name, _) => Host::Tcp(name.to_owned()),
    };
    let endpoint = |(at, (name, address)): (usize, (&&str, Option<IpAddr>))| {
        if name.starts_with('@') {
            return Err(bad("`host` is an abstract socket, and those are not connected to".into()));
        }
        Ok(Endpoint { host: host(name, address), address, port: port(at) })
    };
    names.iter().zip(addresses).enumerate().map(endpoint).collect()
}

fn address(text: &str) -> Result<Option<IpAddr>, BadConninfo> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| bad("`hostaddr` should be an IP address; a name is a `host`".into()))
}

/// The system's certificate authorities certify any name, so trusting them without verifying the name would
/// trust every server: rejected, as libpq does.
pub(super) fn sslmode(text: Value<'_>, of_the_system: bool) -> Result<SslMode, BadConninfo> {
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

pub(super) fn negotiation(text: Value<'_>, mode: SslMode) -> Result<Negotiation, BadConninfo> {
    match text {
        None | Some("postgres") => Ok(Negotiation::Postgres),
        Some("direct") if matches!(mode, SslMode::Disable | SslMode::Prefer) => {
            Err(bad("`sslnegotiation` is `direct`, which needs sslmode=require or more".into()))
        }
        Some("direct") => Ok(Negotiation::Direct),
        Some(other) => Err(bad(format!("`sslnegotiation` is `{other}`, and should be postgres or direct"))),
    }
}

/// Whether TLS 1.2 and 1.3 are allowed by the lowest and the highest version. Older versions are not
/// supported.
pub(super) fn tls_versions(lowest: Value<'_>, highest: Value<'_>) -> Result<(bool, bool), BadConninfo> {
    let with_12 = match lowest {
        None | Some("TLSv1" | "TLSv1.1" | "TLSv1.2") => true,
        Some("TLSv1.3") => false,
        Some(other) => {
            return Err(bad(format!(
                "`ssl_min_protocol_version` is `{other}`, and should be TLSv1.2 or TLSv1.3"
            )));
        }
    };
    let with_13 = match highest {
        None | Some("TLSv1.3") => true,
        Some("TLSv1.2") => false,
        Some(other) => {
            return Err(bad(format!(
                "`ssl_max_protocol_version` is `{other}`, and should be TLSv1.2 or TLSv1.3"
            )));
        }
    };
    if !with_12 && !with_13 {
        return Err(bad("`ssl_min_protocol_version` is higher than `ssl_max_protocol_version`".into()));
    }
    Ok((with_12, with_13))
}

pub(super) fn channel_binding(text: Value<'_>) -> Result<ChannelBinding, BadConninfo> {
    match text {
        None | Some("prefer") => Ok(ChannelBinding::Prefer),
        Some("disable") => Ok(ChannelBinding::Disable),
        Some("require") => Ok(ChannelBinding::Require),
        Some(other) => {
            Err(bad(format!("`channel_binding` is `{other}`, and should be disable, prefer or require")))
        }
    }
}

/// `scram-sha-256,md5`, or with a `!` before each: all except those.
pub(super) fn require_auth(text: Value<'_>) -> Result<RequireAuth, BadConninfo> {
    let Some(text) = text else { return Ok(RequireAuth::default()) };
    let methods: Vec<&str> = text.split(',').collect();
    let negated = methods.iter().filter(|method| method.starts_with('!')).count();
    if negated > 0 && negated < methods.len() {
        return Err(bad("`require_auth` has methods with and without `!`".into()));
    }
    let methods: Vec<&str> = methods.iter().map(|method| method.trim_start_matches('!')).collect();
    if let Some(unknown) = methods.iter().find(|method| !METHODS.contains(method)) {
        return Err(bad(format!(
            "`require_auth` has `{unknown}`, and may have {} with or without `!` before each",
            METHODS.join(", ")
        )));
    }
    let named = |method: &str| methods.contains(&method);
    let may = |method: &str| named(method) != (negated > 0);
    Ok(RequireAuth {
        password: may("password"),
        md5: may("md5"),
        scram: may("scram-sha-256"),
        none: may("none"),
    })
}

pub(super) fn primary_only(text: Value<'_>) -> Result<bool, BadConninfo> {
    match text {
        None | Some("any") => Ok(false),
        Some("primary" | "read-write") => Ok(true),
        Some(other) => {
            Err(bad(format!("`target_session_attrs` is `{other}`, and should be any, primary or read-write")))
        }
    }
}

/// Zero or less means no limit in libpq; here it is an hour.
pub(super) fn connect_timeout(text: Value<'_>) -> Result<Duration, BadConninfo> {
    match text.map(|text| text.trim().parse::<i64>()) {
        None => Ok(CONNECT_TIMEOUT),
        Some(Ok(seconds)) => Ok(u64::try_from(seconds)
            .ok()
            .filter(|seconds| *seconds > 0)
            .map_or(Duration::from_hours(1), Duration::from_secs)),
        Some(Err(_)) => Err(bad("`connect_timeout` should be whole seconds".into())),
    }
}

/// As in libpq, zero means the system's default.
pub(super) fn keep_alive<'a>(value: impl Fn(&str) -> Value<'a>) -> Result<KeepAlive, BadConninfo> {
    let number = |name: &str, unit: &str| {
        let read = |text: &str| text.trim().parse::<u32>();
        value(name).map(read).transpose().map_err(|_| bad(format!("`{name}` should be {unit}")))
    };
    let seconds = |name: &str, otherwise: u32| {
        let given = number(name, "whole seconds, or 0 for the system's own")?.unwrap_or(otherwise);
        Ok((given > 0).then(|| Duration::from_secs(given.into())))
    };
    let on = match value("keepalives") {
        None | Some("1") => true,
        Some("0") => false,
        Some(_) => return Err(bad("`keepalives` should be 1 or 0".into())),
    };
    let user_timeout = number("tcp_user_timeout", "milliseconds, or 0 for the system's own")?;
    Ok(KeepAlive {
        on,
        idle: seconds("keepalives_idle", 30)?,
        interval: seconds("keepalives_interval", 10)?,
        count: number("keepalives_count", "a number, or 0 for the system's own")?
            .map_or(Some(3), |count| (count > 0).then_some(count)),
        user_timeout: match user_timeout {
            None => Some(USER_TIMEOUT),
            Some(0) => None,
            Some(milliseconds) => Some(Duration::from_millis(milliseconds.into())),
        },
    })
}

/// Rejects other values of parameters of which only some are supported, with the reason.
pub(super) fn refuse_others<'a>(value: impl Fn(&str) -> Value<'a>) -> Result<(), BadConninfo> {
    for (name, taken, why) in ONLY {
        if let Some(given) = value(name).filter(|given| !taken.contains(given)) {
            return Err(bad(format!("`{name}` is `{given}`: {why}")));
        }
    }
    Ok(())
}

/// Why a parameter of libpq is not supported; `None` if it is not one.
pub(super) fn not_taken(name: &str) -> Option<&'static str> {
    if name.starts_with("oauth_") {
        return Some("OAuth is not supported: use a password or a certificate");
    }
    NOT_TAKEN.iter().find(|(known, _)| *known == name).map(|(_, why)| *why)
}

/// The client certificate, sent if given unless that is switched off.
pub(super) fn certificate(
    mode: Value<'_>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
) -> Result<(Option<PathBuf>, Option<PathBuf>), BadConninfo> {
    match mode {
        None | Some("allow") => Ok((cert, key)),
        Some("disable") => Ok((None, None)),
        Some(_) => Err(bad(
            "`sslcertmode` should be allow or disable: whether the server requested a certificate is unknown"
                .into(),
        )),
    }
}

/// The values of `require_auth`. Kerberos, SSPI and OAuth are not supported, so allowing or forbidding them
/// has no effect.
const METHODS: [&str; 7] = ["password", "md5", "scram-sha-256", "none", "gss", "sspi", "oauth"];

const ONLY: &[(&str, &[&str], &str)] = &[
    (
        "client_encoding",
        &["auto", "UTF8", "utf8", "UTF-8", "utf-8", "UNICODE", "unicode"],
        "texts are read and sent as UTF-8, whatever the database's encoding",
    ),
    ("gssencmode", &["disable", "prefer"], "there is no GSS encryption here, but TLS"),
    ("load_balance_hosts", &["disable"], "hosts are tried in their order"),
    ("min_protocol_version", &["3.0"], "protocol 3.0 is spoken"),
    ("requiressl", &["0"], "write sslmode=require"),
    ("sslcompression", &["0"], "TLS is never compressed"),
    ("sslsni", &["0", "1"], "it should be 1 or 0"),
];

const NOT_TAKEN: &[(&str, &str)] = &[
    ("replication", "the sidecar sets it for its own connections"),
    (
        "requirepeer",
        "the owner of a Unix socket is not checked; only the server's user should be able to write its folder",
    ),
    ("scram_client_key", "give the password"),
    ("scram_server_key", "give the password"),
    ("service", "service files are not read: write the parameters of the service here"),
    ("servicefile", "service files are not read: write the parameters of the service here"),
    ("sslcrl", "lists of revoked certificates are not read"),
    ("sslcrldir", "lists of revoked certificates are not read"),
    ("sslkeylogfile", "keys of TLS are never written"),
    (
        "sslpassword",
        "an encrypted key is not read: write it decrypted, with `openssl pkey`, for our user alone",
    ),
];

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const USER_TIMEOUT: Duration = Duration::from_mins(1);
