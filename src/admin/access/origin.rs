//! Requests that a page of another site makes a browser send.

use axum::extract::Request;
use axum::http::{Uri, header};

use super::host::{name_of, named};
use crate::admin::request_error::RequestError;

/// Refuses a request that no page of our own made.
pub(super) fn check_own(request: &Request, hosts: &[String]) -> Result<(), RequestError> {
    match is_own(request, hosts) {
        Some(true) => Ok(()),
        Some(false) | None => Err(foreign()),
    }
}

/// Refuses a request that a page of another site made.
pub(super) fn check_not_foreign(request: &Request, hosts: &[String]) -> Result<(), RequestError> {
    if is_own(request, hosts) == Some(false) { Err(foreign()) } else { Ok(()) }
}

/// Whether a page of our own made the request; `None`: it does not say.
fn is_own(request: &Request, hosts: &[String]) -> Option<bool> {
    let text = |name: header::HeaderName| {
        request.headers().get(name).map(|value| value.to_str().unwrap_or_default())
    };
    if let Some(site) = text(header::HeaderName::from_static("sec-fetch-site")) {
        return Some(site == "same-origin");
    }
    let origin = text(header::ORIGIN)?.parse::<Uri>().ok();
    let Some(origin) = origin.and_then(|uri| uri.authority().cloned()) else { return Some(false) };
    // A proxy may pass on another host than the browser named: that one is in `admin.hosts`.
    let is_host = |host: &str| host.eq_ignore_ascii_case(origin.as_str());
    let is_listed = name_of(origin.as_str()).is_some_and(|name| hosts.contains(&name));
    Some(is_listed || named(request).any(is_host))
}

fn foreign() -> RequestError {
    RequestError::Forbidden(
        "a browser may write from our own pages only: the request names another site as its origin, or none"
            .to_owned(),
    )
}
