//! An HTTP proxy. TLS goes through a tunnel, <https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6>;
//! a request in plain text is sent to the proxy itself, as proxies allow tunnels to TLS ports only:
//! <https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2>

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Uri;
use hyper::header::HeaderValue;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// `egress.proxy`, validated. Its password is never printed.
#[derive(Clone, Eq, PartialEq)]
pub struct Proxy {
    host: String,
    port: u16,
    /// The value of `proxy-authorization`.
    authorization: Option<String>,
}

/// The text is not the URL of a proxy.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a proxy is named as `http://HOST:PORT` or `http://USER:PASSWORD@HOST:PORT`")]
pub struct BadProxy;

/// Why the proxy opened no tunnel.
#[derive(Debug, thiserror::Error)]
pub(in crate::deliver) enum TunnelError {
    #[error("ask the proxy for a tunnel: {0}")]
    Io(#[from] std::io::Error),
    #[error("the proxy refuses a tunnel: {0}")]
    Refused(String),
}

impl Proxy {
    /// `http://[USER:PASSWORD@]HOST[:PORT]`; the port is 3128 where none is named.
    pub fn parse(text: &str) -> Result<Self, BadProxy> {
        // Otherwise an invalid port would count as a missing one.
        url::Url::parse(text).map_err(|_| BadProxy)?;
        let uri: Uri = text.parse().map_err(|_| BadProxy)?;
        let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http")).ok_or(BadProxy)?;
        let user = authority.as_str().rsplit_once('@').map(|(user, _)| user);
        let authorization = user
            .map(|user| format!("Basic {}", STANDARD.encode(percent_decode_str(user).collect::<Vec<u8>>())));
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(3128);
        if host.is_empty() || port == 0 || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(BadProxy);
        }
        Ok(Self { host, port, authorization })
    }

    /// Where it listens.
    pub(in crate::deliver) fn address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// The value of `proxy-authorization` for it.
    pub(in crate::deliver) fn authorization(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(self.authorization.as_deref()?).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Opens a tunnel to `host`.
    pub(in crate::deliver) async fn tunnel<S>(
        &self,
        stream: &mut S,
        host: &str,
        port: u16,
    ) -> Result<(), TunnelError>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nhost: {host}:{port}\r\n");
        if let Some(authorization) = &self.authorization {
            request.push_str("proxy-authorization: ");
            request.push_str(authorization);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await?;
        // Byte by byte: bytes after the response's head belong to the tunnel.
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() == HEAD_BYTES_MAX {
                return Err(TunnelError::Refused("its answer has no end".into()));
            }
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head);
        let line = head.lines().next().unwrap_or_default();
        let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
        let encoded = status.is_some_and(|status| status.len() == 3 && status.starts_with('2'));
        if encoded { Ok(()) } else { Err(TunnelError::Refused(line.to_owned())) }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({}:{})", self.host, self.port)
    }
}

const HEAD_BYTES_MAX: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_named_by_its_url_and_its_password_is_not_shown() {
        let proxy = Proxy::parse("http://us%65r:pass@proxy:8080").unwrap();
        assert_eq!(proxy.address(), ("proxy", 8080));
        assert_eq!(proxy.authorization.as_deref(), Some("Basic dXNlcjpwYXNz"));
        assert_eq!(format!("{proxy:?}"), "Proxy(proxy:8080)");
        assert_eq!(Proxy::parse("http://[::1]/").unwrap().address(), ("::1", 3128));
        assert_eq!(Proxy::parse("http://proxy:80").unwrap().address(), ("proxy", 80));
        assert_eq!(Proxy::parse("http://proxy:").unwrap().address(), ("proxy", 3128));
        for text in [
            "proxy:8080",
            "https://proxy:1",
            "socks5://proxy:1",
            "http://proxy/path",
            "http://proxy/?a=b",
            "http://proxy:99999",
            "http://proxy:65536/",
            "http://proxy:0",
            "http://proxy:-1",
            "http://proxy:31z8",
            "http://u:p@proxy:99999",
            "http://pro xy:1",
            "http://[::1:1",
            "http://[zz]:1",
            "http://256.1.1.1:1",
            "http://:3128",
            "http:///proxy",
            "",
        ] {
            assert_eq!(Proxy::parse(text), Err(BadProxy), "{text}");
        }
    }
}
