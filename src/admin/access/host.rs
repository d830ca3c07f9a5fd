//! Under which names the port is served: a page of another site that rebinds its name to our address is not.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::header;
use axum::http::uri::Authority;

use crate::admin::request_error::RequestError;

/// Refuses requests under a foreign name, whatever else they carry.
pub(super) fn check_host(request: &Request, hosts: &[String], own: IpAddr) -> Result<(), RequestError> {
    if named(request).all(|host| is_ours(host, hosts, own)) {
        return Ok(());
    }
    Err(RequestError::Misdirected(
        "the admin port is served as `localhost`, under its own address, and under the names of `admin.hosts`: add the \
         name there to use it"
            .to_owned(),
    ))
}

/// Whether each name of the request is one of this machine alone.
pub(super) fn is_loopback(request: &Request) -> bool {
    named(request).all(|host| name_of(host).is_some_and(|name| is_local(&name)))
}

/// What the request names: in its header, and of HTTP/2 in its target.
pub(super) fn named(request: &Request) -> impl Iterator<Item = &str> {
    let headers = request.headers().get_all(header::HOST).iter();
    headers
        .map(|host| host.to_str().unwrap_or_default())
        .chain(request.uri().authority().map(Authority::as_str))
}

fn is_ours(host: &str, hosts: &[String], own: IpAddr) -> bool {
    let Some(name) = name_of(host) else { return false };
    // A literal address is not resolved, so DNS rebinding cannot use it.
    let is_own_address = name.parse::<IpAddr>().is_ok_and(|address| address == own || own.is_unspecified());
    is_local(&name) || is_own_address || hosts.contains(&name)
}

fn is_local(name: &str) -> bool {
    match name.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    }
}

/// The name or address of a host, without its port.
pub(super) fn name_of(host: &str) -> Option<String> {
    let authority = host.parse::<Authority>().ok().filter(|authority| !authority.as_str().contains('@'))?;
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    Some(name.trim_end_matches('.').to_ascii_lowercase())
}
