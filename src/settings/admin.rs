//! `[admin]`: who is served on the admin port, and how.

use std::path::PathBuf;

use hyper::header::HeaderName;
use ipnet::IpNet;

use super::error::SettingErrors;
use super::raw;
use crate::admin::AccessOptions;

pub(super) fn access(raw: &raw::Admin, errors: &mut SettingErrors) -> AccessOptions {
    let hosts = raw.hosts.iter().filter_map(|name| errors.or("admin.hosts", host(name))).collect();
    let proxies = raw.trusted_proxies.iter();
    let trusted_proxies =
        proxies.filter_map(|text| errors.or("admin.trusted_proxies", network(text))).collect();
    let user_header = Some(raw.user_header.as_str()).filter(|name| !name.is_empty());
    let user_header = user_header.and_then(|name| errors.or("admin.user_header", header(name)));
    if user_header.is_some() && raw.trusted_proxies.is_empty() {
        let why = "everybody could name a user: list the proxy that sets it in `admin.trusted_proxies`";
        errors.note("admin.user_header", why);
    }
    let ancestors = raw.frame_ancestors.iter();
    let frame_ancestors =
        ancestors.filter_map(|text| errors.or("admin.frame_ancestors", origin(text))).collect();
    for (given, other, field) in
        [(&raw.tls_cert, &raw.tls_key, "admin.tls_key"), (&raw.tls_key, &raw.tls_cert, "admin.tls_cert")]
    {
        if !given.as_os_str().is_empty() && other.as_os_str().is_empty() {
            errors.note(field, "TLS takes both `admin.tls_cert` and `admin.tls_key`");
        }
    }
    let base_path = errors.or("admin.base_path", base_path(&raw.base_path)).unwrap_or_default();
    AccessOptions { hosts, base_path, frame_ancestors, user_header, trusted_proxies, tls: tls(raw) }
}

/// The files of the certificate and its key.
fn tls(raw: &raw::Admin) -> Option<(PathBuf, PathBuf)> {
    let is_set = !raw.tls_cert.as_os_str().is_empty() && !raw.tls_key.as_os_str().is_empty();
    is_set.then(|| (raw.tls_cert.clone(), raw.tls_key.clone()))
}

/// A name as requests give it, without its port.
fn host(name: &str) -> Result<String, String> {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    if name.is_empty() || !name.chars().all(is_letter) {
        return Err(format!(
            "`{name}` is no host: a name like sidecar.example.com is expected, without scheme and port"
        ));
    }
    Ok(name)
}

fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse().map(|address: std::net::IpAddr| IpNet::from(address));
    let expected = |_| format!("`{text}` is neither an address nor a network like 10.0.0.0/8");
    text.parse().or_else(|_| address()).map_err(expected)
}

fn header(name: &str) -> Result<String, String> {
    let parsed = HeaderName::try_from(name).map_err(|_| format!("`{name}` is no name of a header"))?;
    Ok(parsed.as_str().to_owned())
}

/// `/a/b`, from `/a/b/` too.
fn base_path(text: &str) -> Result<String, String> {
    let path = text.trim_end_matches('/');
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '/');
    let is_path = path.starts_with('/') && path.chars().all(is_letter) && !path.contains("//");
    if path.is_empty() || is_path {
        return Ok(path.to_owned());
    }
    Err(format!("`{text}` is no path like /webhooks: letters, digits, `-`, `_`, `.` and `~` are expected"))
}

/// `https://app.example.com`
fn origin(text: &str) -> Result<String, String> {
    let expected = || format!("`{text}` is no origin like https://app.example.com");
    let url = url::Url::parse(text).map_err(|_| expected())?;
    let origin = url.origin().ascii_serialization();
    let is_origin = matches!(url.scheme(), "http" | "https") && origin == text.trim_end_matches('/');
    if is_origin { Ok(origin) } else { Err(expected()) }
}
