//! The two forms of a connection string, parsed into parameters in their order.

use percent_encoding::percent_decode_str;

use super::options::{BadConninfo, ENCODE, bad};

/// The parameters of `text`, in either form.
pub(super) fn parameters(text: &str) -> Result<Vec<(String, String)>, BadConninfo> {
    match text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://")) {
        Some(rest) => url_parameters(rest),
        None => key_values(text),
    }
}

/// `user:password@host:port,host:port/dbname?key=value&…`
fn url_parameters(rest: &str) -> Result<Vec<(String, String)>, BadConninfo> {
    let mut parameters = Vec::new();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, dbname) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let mut add = |key: &str, text: &str| -> Result<(), BadConninfo> {
        let decoded = |text| percent_decode_str(text).decode_utf8();
        let key = decoded(key).map_err(|_| bad(format!("a key of the URL is not UTF-8; {ENCODE}")))?;
        let text = decoded(text).map_err(|_| bad(format!("`{key}` of the URL is not UTF-8")))?;
        if !text.is_empty() {
            parameters.push((key.into_owned(), text.into_owned()));
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
