//! Who makes a request on the port.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;

use super::caller::Caller;
use super::capability::Capability;
use super::client::{Client, TcpPeer};
use super::granted::Access;
use super::host::check_host;
use super::origin::{check_not_foreign, check_own};
use crate::admin::access_control::Grant;
use crate::admin::request_error::RequestError;
use crate::admin::respond::AdminState;

/// What requests on the port are checked with.
pub(in crate::admin) struct Gate {
    pub(in crate::admin) admin: Arc<AdminState>,
    /// The address that the port listens on.
    pub(in crate::admin) own_address: IpAddr,
}

/// Gives a request on the port its [`Access`].
pub(in crate::admin) async fn authenticate(
    State(gate): State<Arc<Gate>>,
    ConnectInfo(peer): ConnectInfo<TcpPeer>,
    mut request: Request,
    next: Next,
) -> Response {
    let client = Client::of(&request, peer, &gate.admin.options);
    match gate.admit(&request, &client) {
        Ok((access, grant)) => {
            request.extensions_mut().insert(access);
            request.extensions_mut().insert(client);
            let response = next.run(request).await;
            match grant {
                Some(grant) => until_ended(response, grant),
                None => response,
            }
        }
        Err(error) => error.into_response(),
    }
}

impl Gate {
    /// What a request is granted, and by what that can be revoked.
    fn admit(&self, request: &Request, client: &Client) -> Result<(Access, Option<Grant>), RequestError> {
        let hosts = &self.admin.options.hosts;
        check_host(request, hosts, self.own_address)?;
        let headers = request.headers();
        let is_write = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        let private = |access: Access| Access { is_private: client.is_private, ..access };
        // A probe is answered to everybody, whatever it sends: a wrong token must not make the process seem dead.
        let is_probe = PROBES.contains(&request.uri().path());
        if let Some(token) = bearer(headers).filter(|_| !is_probe) {
            let grant = self.of_token(token, client)?;
            return Ok((private(grant.access.clone()), Some(grant)));
        }
        let session = cookie(headers).and_then(|cookie| self.admin.control.grant_of_session(cookie));
        let by_proxy = || client.user.clone().map(|name| Access::full(Caller::User { name }));
        let by_browser = session.as_ref().map(|grant| grant.access.clone()).or_else(by_proxy);
        if let Some(access) = by_browser {
            // A browser sends these with requests of other sites, too.
            if is_write {
                check_own(request, hosts)?;
            }
            return Ok((private(access), session));
        }
        if is_write {
            check_not_foreign(request, hosts)?;
        }
        Ok((private(self.of_anonymous(client)), None))
    }

    fn of_token(&self, token: &str, client: &Client) -> Result<Grant, RequestError> {
        self.admin.failed_logins.check(client.address)?;
        self.admin.control.grant_of_token(token).ok_or_else(|| {
            self.admin.failed_logins.failed(client.address);
            RequestError::Unauthenticated(
                "the token is not valid: it is unknown, was revoked, or has ended (`sidecar tokens list` lists those that \
                 are)"
                    .to_owned(),
            )
        })
    }

    /// Reading is free on this machine, unless `admin.token` says that it is not.
    fn of_anonymous(&self, client: &Client) -> Access {
        let is_free = client.is_local && self.admin.is_reading_free;
        Access { can: if is_free { vec![Capability::View] } else { Vec::new() }, ..Access::none() }
    }
}

/// A stream ends with what it was granted by.
fn until_ended(response: Response, grant: Grant) -> Response {
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    let Grant { mut revoked, left, .. } = grant;
    let ended = async move {
        let revoked = async { while revoked.changed().await.is_ok() {} };
        match left {
            Some(left) => drop(tokio::time::timeout(left, revoked).await),
            None => revoked.await,
        }
    };
    let (parts, body) = response.into_parts();
    let body = body.into_data_stream().take_until(Box::pin(ended));
    Response::from_parts(parts, Body::from_stream(body))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = given.split_at_checked(BEARER.len())?;
    scheme.eq_ignore_ascii_case(BEARER).then_some(token)
}

/// The cookie of a session.
pub(in crate::admin) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut cookies = lines.flat_map(|line| line.split(';'));
    cookies.find_map(|cookie| cookie.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

/// The name of the cookie.
pub(in crate::admin) const COOKIE: &str = "sidecar_session";
const BEARER: &str = "Bearer ";
const PROBES: [&str; 2] = ["/-/healthy", "/-/ready"];
