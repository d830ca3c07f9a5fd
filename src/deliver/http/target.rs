//! What a request goes to, as connections see it.

use std::borrow::Cow;
use std::sync::Arc;

use hyper::Uri;
use url::Host;

use crate::deliver::http::egress::Target;
use crate::deliver::http::tls_files::TlsFiles;
use crate::deliver::webhook::SetBy;

/// What a connection is made to: scheme, host and port, and for whose webhooks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::deliver) struct Key {
    pub(in crate::deliver) https: bool,
    /// In lower case; an address without brackets.
    pub(in crate::deliver) host: String,
    pub(in crate::deliver) port: u16,
    /// A connection that was allowed for one is not used for the other.
    pub(in crate::deliver) set_by: SetBy,
    /// A webhook with TLS files of its own shares no connection with one that has others.
    pub(in crate::deliver) tls: Option<Arc<TlsFiles>>,
}

impl Key {
    pub(in crate::deliver) fn of(url: &Uri, set_by: SetBy) -> Self {
        let https = url.scheme_str() == Some("https");
        let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let port = url.port_u16().unwrap_or(if https { 443 } else { 80 });
        Self { https, host: plain(&host.to_ascii_lowercase()).into_owned(), port, set_by, tls: None }
    }

    pub(in crate::deliver) fn target(&self) -> Target<'_> {
        Target { host: &self.host, https: self.https, set_by: self.set_by }
    }

    /// Its URL; `None`: the host is none.
    pub(in crate::deliver) fn uri(&self) -> Option<Uri> {
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://{}", authority(&self.host, self.port)).parse().ok()
    }
}

/// Host and port, as URLs write them.
pub(in crate::deliver) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// An IPv4 address in one of its odd spellings (`0x7f.1`, `2130706433`, `127.1`) as four numbers. Resolvers
/// and proxies read them as that address. <https://url.spec.whatwg.org/#concept-ipv4-parser>
fn plain(host: &str) -> Cow<'_, str> {
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    if !last.starts_with(|first: char| first.is_ascii_digit()) {
        return host.into();
    }
    match Host::parse(host) {
        Ok(Host::Ipv4(address)) => address.to_string().into(),
        _ => host.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_in_one_spelling() {
        for (url, host, port) in [
            ("http://H.Example/x", "h.example", 80),
            ("https://h.", "h.", 443),
            ("http://[::1]:81/", "::1", 81),
            ("http://127.1/", "127.0.0.1", 80),
            ("http://0x7f.1/", "127.0.0.1", 80),
            ("http://2130706433/", "127.0.0.1", 80),
            ("http://0177.0.0.1./", "127.0.0.1", 80),
            ("http://127.0.0.08/", "127.0.0.08", 80),
            ("http://h.1x/", "h.1x", 80),
            ("http://1.2.3.4.5/", "1.2.3.4.5", 80),
        ] {
            let key = Key::of(&url.parse().unwrap(), SetBy::Operator);
            assert_eq!((key.host.as_str(), key.port), (host, port), "{url}");
            assert_eq!(key.uri().unwrap().host().map(|host| host.trim_matches(['[', ']'])), Some(host));
        }
    }
}
