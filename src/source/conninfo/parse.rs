//! A connection string → its options.

use std::path::{Path, PathBuf};

use super::options::{BadConninfo, Conninfo, ENCODE, bad};
use super::{text, values};
use crate::secret::Secret;

impl Conninfo {
    /// Parses a URL or `key=value` string. `user` is the default role, the name of the operating system's
    /// user.
    pub fn parse(text: &str, user: Option<&str>) -> Result<Self, BadConninfo> {
        let parameters = text::parameters(text.trim())?;
        Self::from_parameters(&parameters, user)
    }

    fn from_parameters(parameters: &[(String, String)], user: Option<&str>) -> Result<Self, BadConninfo> {
        if let Some((key, _)) = parameters.iter().find(|(key, _)| !TAKEN.contains(&key.as_str())) {
            return Err(values::not_taken(key).map_or_else(
                || unknown_parameter(key),
                |why| bad(format!("`{key}` is not taken here: {why}")),
            ));
        }
        let last = |required: &str| {
            let found = parameters.iter().rev().find(|(key, _)| key == required);
            found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
        };
        let path = |required: &str| last(required).map(PathBuf::from);
        values::refuse_others(last)?;
        let user = last("user").or(user).ok_or_else(|| bad("no `user` is given".into()))?;
        let sslrootcert = path("sslrootcert");
        let of_the_system = sslrootcert.as_deref() == Some(Path::new("system"));
        let sslmode = values::sslmode(last("sslmode"), of_the_system)?;
        let (sslcert, sslkey) = values::certificate(last("sslcertmode"), path("sslcert"), path("sslkey"))?;
        let application_name = last("application_name").or_else(|| last("fallback_application_name"));
        Ok(Self {
            endpoints: values::endpoints(last("host"), last("hostaddr"), last("port"))?,
            user: user.to_owned(),
            password: last("password").map(Secret::of_text),
            password_source: None,
            dbname: last("dbname").unwrap_or(user).to_owned(),
            sslmode,
            sslrootcert,
            sslcert,
            sslkey,
            negotiation: values::negotiation(last("sslnegotiation"), sslmode)?,
            tls_versions: values::tls_versions(
                last("ssl_min_protocol_version"),
                last("ssl_max_protocol_version"),
            )?,
            sni: last("sslsni") != Some("0"),
            channel_binding: values::channel_binding(last("channel_binding"))?,
            require_auth: values::require_auth(last("require_auth"))?,
            options: last("options").map(str::to_owned),
            primary_only: values::primary_only(last("target_session_attrs"))?,
            application_name: application_name.unwrap_or("sidecar").to_owned(),
            connect_timeout: values::connect_timeout(last("connect_timeout"))?,
            keep_alive: values::keep_alive(last)?,
            passfile: path("passfile"),
        })
    }
}

/// An unknown parameter. Without `=`, or with an unusual key, it may be the rest of a password that was
/// written without percent-encoding, so the error repeats only what looks like a key.
fn unknown_parameter(key: &str) -> BadConninfo {
    if !key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
        return bad(format!(
            "expected a URL (`postgresql://user@host/dbname`) or `key=value` pairs; {ENCODE}"
        ));
    }
    bad(format!("`{key}` is no connection parameter here; known are: {}", TAKEN.join(", ")))
}

/// <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS>
const TAKEN: &[&str] = &[
    "host",
    "hostaddr",
    "port",
    "user",
    "password",
    "passfile",
    "dbname",
    "sslmode",
    "sslnegotiation",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslcertmode",
    "sslsni",
    "sslcompression",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
    "min_protocol_version",
    "max_protocol_version",
    "requiressl",
    "channel_binding",
    "require_auth",
    "options",
    "application_name",
    "fallback_application_name",
    "client_encoding",
    "connect_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "target_session_attrs",
    "load_balance_hosts",
    "gssencmode",
    "gsslib",
    "gssdelegation",
    "krbsrvname",
];
