//! The client of a request on the port: behind a trusted proxy, who it says.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::Request;
use axum::extract::connect_info::Connected;
use axum::http::HeaderMap;
use axum::serve::IncomingStream;

use super::host::is_loopback;
use super::options::AccessOptions;
use crate::admin::listener::{AdminListener, Peer};

/// The other end of a connection to the port.
#[derive(Clone, Copy, Debug)]
pub(in crate::admin) struct TcpPeer {
    pub(super) address: SocketAddr,
    pub(super) is_tls: bool,
}

impl Connected<IncomingStream<'_, AdminListener>> for TcpPeer {
    fn connect_info(stream: IncomingStream<'_, AdminListener>) -> Self {
        let Peer { address, is_tls } = *stream.remote_addr();
        Self { address, is_tls }
    }
}

/// The client of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::admin) struct Client {
    /// Its address, as far as it can be known.
    pub(in crate::admin) address: IpAddr,
    /// The user that a trusted proxy names.
    pub(super) user: Option<String>,
    /// It is a process of this machine that names this machine, and forwards nothing.
    pub(super) is_local: bool,
    /// Nobody can read the connection.
    pub(super) is_private: bool,
    /// A browser reaches us by https.
    pub(in crate::admin) is_https: bool,
}

impl Client {
    /// A process at the control socket.
    pub(super) fn at_socket() -> Self {
        let address = Ipv4Addr::LOCALHOST.into();
        Self { address, user: None, is_local: true, is_private: true, is_https: false }
    }

    pub(super) fn of(request: &Request, peer: TcpPeer, options: &AccessOptions) -> Self {
        let headers = request.headers();
        let address = peer.address.ip().to_canonical();
        let is_proxy = is_in(options, address);
        let forwarded = ["forwarded", "x-forwarded-for", "x-real-ip"];
        let is_forwarded = forwarded.iter().any(|name| headers.contains_key(*name));
        let by_https = text(headers, "x-forwarded-proto").is_some_and(|scheme| scheme == "https");
        let header = options.user_header.as_deref().filter(|_| is_proxy);
        Self {
            address: if is_proxy { forwarded_for(headers, options).unwrap_or(address) } else { address },
            user: header.and_then(|name| text(headers, name)),
            is_local: address.is_loopback() && !is_proxy && !is_forwarded && is_loopback(request),
            is_private: peer.is_tls || address.is_loopback(),
            is_https: peer.is_tls || (is_proxy && by_https),
        }
    }
}

/// The last address of `x-forwarded-for` that no trusted proxy has.
fn forwarded_for(headers: &HeaderMap, options: &AccessOptions) -> Option<IpAddr> {
    let lines = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok());
    let addresses =
        lines.flat_map(|line| line.split(',')).filter_map(|part| part.trim().parse::<IpAddr>().ok());
    let addresses: Vec<IpAddr> = addresses.map(|address| address.to_canonical()).collect();
    addresses.into_iter().rfind(|address| !is_in(options, *address))
}

fn is_in(options: &AccessOptions, address: IpAddr) -> bool {
    options.trusted_proxies.iter().any(|network| network.contains(&address))
}

/// The text of a header that is there once, and not empty.
fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut all = headers.get_all(name).iter();
    let text = all.next().filter(|_| all.next().is_none())?.to_str().ok()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
