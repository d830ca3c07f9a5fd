//! Proxies. Over HTTP, TLS goes through a tunnel, <https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6>;
//! a request in plain text is sent to the proxy itself, as proxies allow tunnels to TLS ports only:
//! <https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2>. Over SOCKS5, both are a connection.
//!
//! hyper-util matches `no_proxy`, reads credentials and speaks SOCKS5. Its tunnel is not used: it hides the
//! answer of a proxy that refuses.

use std::fmt;
use std::future::{Ready, ready};
use std::io::Error;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::Uri;
use hyper::header::HeaderValue;
use hyper_util::client::legacy::connect::proxy::SocksV5;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::deliver::http::egress::EgressRule;
use crate::deliver::http::target::{Key, authority};
use crate::secret::Secret;

/// `egress.proxy` and `egress.no_proxy`, validated. The password is never printed.
#[derive(Clone)]
pub struct Proxy {
    url: Secret,
    kind: ProxyKind,
    host: String,
    port: u16,
    matcher: Arc<Matcher>,
}

/// The text is not the URL of a proxy.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "a proxy is named as `http://HOST:PORT`, `socks5://HOST:PORT` or `socks5h://HOST:PORT`, perhaps with `USER:PASSWORD@`, each of at most 255 bytes"
)]
pub struct BadProxy;

/// How to speak to a proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::deliver) enum ProxyKind {
    Http,
    /// Names are resolved here.
    Socks5,
    /// Names are resolved by the proxy.
    Socks5h,
}

/// The proxy of one connection.
pub(in crate::deliver) struct Via {
    pub(in crate::deliver) kind: ProxyKind,
    pub(in crate::deliver) host: String,
    pub(in crate::deliver) port: u16,
    intercept: Intercept,
}

/// A proxy for requests.
pub(in crate::deliver) struct HttpProxy {
    /// The value of `proxy-authorization`, if the proxy requires it.
    pub(in crate::deliver) authorization: Option<HeaderValue>,
}

/// Why the proxy made no connection.
#[derive(Debug, thiserror::Error)]
pub(in crate::deliver) enum TunnelError {
    #[error("ask the proxy for a tunnel: {0}")]
    Io(#[from] Error),
    #[error("the proxy refuses a tunnel: {0}")]
    Refused(String),
    #[error("ask the proxy for a connection: {0}")]
    Socks(String),
}

impl Proxy {
    /// `SCHEME://[USER:PASSWORD@]HOST[:PORT]`; the port is 3128 for HTTP and 1080 for SOCKS where none is named.
    pub fn parse(text: &str) -> Result<Self, BadProxy> {
        // Otherwise an invalid port would count as a missing one.
        url::Url::parse(text).map_err(|_| BadProxy)?;
        let uri: Uri = text.parse().map_err(|_| BadProxy)?;
        let (kind, default_port) = match uri.scheme_str() {
            Some("http") => (ProxyKind::Http, 3128),
            Some("socks5") => (ProxyKind::Socks5, 1080),
            Some("socks5h") => (ProxyKind::Socks5h, 1080),
            _ => return Err(BadProxy),
        };
        let authority = uri.authority().ok_or(BadProxy)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(default_port);
        let is_one_login = authority.as_str().matches('@').count() < 2;
        if host.is_empty()
            || port == 0
            || !matches!(uri.path(), "" | "/")
            || uri.query().is_some()
            || !is_one_login
        {
            return Err(BadProxy);
        }
        let proxy = Self { url: Secret::of_text(text), kind, host, port, matcher: matcher(text, "") };
        let intercept = proxy.matcher.intercept(&Uri::from_static("http://h")).ok_or(BadProxy)?;
        // The length of each is one byte. <https://www.rfc-editor.org/rfc/rfc1929#section-2>
        let fits = |(user, password): (&str, &str)| user.len().max(password.len()) < 256;
        if intercept.raw_auth().is_none_or(fits) { Ok(proxy) } else { Err(BadProxy) }
    }

    /// Not used for these hosts and networks.
    #[must_use]
    pub fn except(self, no_proxy: &[EgressRule]) -> Self {
        let list: Vec<String> = no_proxy.iter().map(ToString::to_string).collect();
        Self { matcher: matcher(self.url.expose(), &list.join(",")), ..self }
    }

    /// How the proxy is used for a connection; `None`: it is not.
    pub(in crate::deliver) fn intercept(&self, key: &Key) -> Option<Via> {
        let host = key.host.strip_suffix('.').unwrap_or(&key.host).to_owned();
        let intercept = self.matcher.intercept(&Key { host, ..key.clone() }.uri()?)?;
        Some(Via { kind: self.kind, host: self.host.clone(), port: self.port, intercept })
    }
}

fn matcher(url: &str, no_proxy: &str) -> Arc<Matcher> {
    Arc::new(Matcher::builder().all(url).no(no_proxy).build())
}

impl Via {
    /// How requests in plain text are sent to it.
    pub(in crate::deliver) fn http_proxy(&self) -> HttpProxy {
        HttpProxy { authorization: self.intercept.basic_auth().cloned() }
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
        let target = authority(host, port);
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n").into_bytes();
        if let Some(authorization) = self.intercept.basic_auth() {
            request.extend_from_slice(b"proxy-authorization: ");
            request.extend_from_slice(authorization.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        stream.write_all(&request).await?;
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
        let is_open = status.is_some_and(|status| status.len() == 3 && status.starts_with('2'));
        if is_open { Ok(()) } else { Err(TunnelError::Refused(line.to_owned())) }
    }

    /// Asks for a connection to `host`, over a connection to the proxy.
    pub(in crate::deliver) async fn socks(
        &self,
        stream: TcpStream,
        host: &str,
        port: u16,
    ) -> Result<TcpStream, TunnelError> {
        let failed = |error: &dyn fmt::Display| TunnelError::Socks(error.to_string());
        let target = format!("socks5://{}", authority(host, port)).parse::<Uri>();
        let mut socks = SocksV5::new(self.intercept.uri().clone(), Opened(Some(TokioIo::new(stream))));
        if let Some((user, password)) = self.intercept.raw_auth() {
            socks = socks.with_auth(user.to_owned(), password.to_owned());
        }
        let stream = socks.call(target.map_err(|error| failed(&error))?).await;
        Ok(stream.map_err(|error| failed(&error))?.into_inner())
    }
}

/// A connection that is open already, where a connector is expected.
struct Opened(Option<TokioIo<TcpStream>>);

impl Service<Uri> for Opened {
    type Response = TokioIo<TcpStream>;
    type Error = Error;
    type Future = Ready<Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(self.0.take().ok_or_else(|| Error::other("it is used already")))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({:?} {}:{})", self.kind, self.host, self.port)
    }
}

const HEAD_BYTES_MAX: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::webhook::SetBy;

    fn via(proxy: &Proxy, url: &str) -> Option<Via> {
        proxy.intercept(&Key::of(&url.parse().unwrap(), SetBy::Operator))
    }

    #[test]
    fn a_proxy_is_named_by_its_url_and_its_password_is_not_shown() {
        let proxy = Proxy::parse("http://us%65r:pass@proxy:8080").unwrap();
        assert_eq!(
            via(&proxy, "https://h/").unwrap().http_proxy().authorization.unwrap(),
            "Basic dXNlcjpwYXNz"
        );
        assert_eq!(format!("{proxy:?}"), "Proxy(Http proxy:8080)");
        for (text, kind, host, port) in [
            ("http://[::1]/", ProxyKind::Http, "::1", 3128),
            ("http://proxy:80", ProxyKind::Http, "proxy", 80),
            ("http://proxy:", ProxyKind::Http, "proxy", 3128),
            ("socks5://u:p@proxy", ProxyKind::Socks5, "proxy", 1080),
            ("socks5h://proxy:9050", ProxyKind::Socks5h, "proxy", 9050),
        ] {
            let via = via(&Proxy::parse(text).unwrap(), "http://h/").unwrap();
            assert_eq!((via.kind, via.host.as_str(), via.port), (kind, host, port), "{text}");
        }
        let long = format!("socks5://{}:p@proxy", "u".repeat(256));
        for text in [
            "proxy:8080",
            "https://proxy:1",
            "socks4://proxy:1",
            "http://proxy/path",
            "http://proxy/?a=b",
            "http://proxy:99999",
            "http://proxy:65536/",
            "http://proxy:0",
            "http://proxy:-1",
            "http://proxy:31z8",
            "http://u:p@proxy:99999",
            "http://u:p@p@proxy",
            "http://pro xy:1",
            "http://[::1:1",
            "http://[zz]:1",
            "http://256.1.1.1:1",
            "http://:3128",
            "http:///proxy",
            "socks5://proxy:0",
            long.as_str(),
            "",
        ] {
            assert!(matches!(Proxy::parse(text), Err(BadProxy)), "{text}");
        }
    }

    #[test]
    fn a_proxy_is_not_used_for_what_is_excepted() {
        let list =
            ["10.0.0.0/8", "::1", ".internal.example", "one.example"].map(|text| text.parse().unwrap());
        let proxy = Proxy::parse("http://proxy").unwrap().except(&list);
        for (url, is_used) in [
            ("http://10.1.2.3/", false),
            ("http://0xa.66051/", false),
            ("https://[::1]:8443/", false),
            ("https://internal.example/", false),
            ("https://A.internal.example/", false),
            ("https://a.internal.example./", false),
            ("http://one.example:81/", false),
            ("http://11.1.2.3/", true),
            ("http://notinternal.example/", true),
            ("http://internal.example.org/", true),
        ] {
            assert_eq!(via(&proxy, url).is_some(), is_used, "{url}");
        }
    }
}
