//! What the checks of access, and the routes of tokens, links and the audit log, call on the running sidecar.

use std::time::Duration;

use tokio::sync::watch;

use super::access::Access;
use super::api::{
    AuditPage, AuditQuery, LinkList, LinkRequest, NewLink, NewToken, Revoked, TokenList, TokenRequest,
};
use super::request_error::RequestError;
use crate::secret::Secret;

/// What a secret grants, until it ends.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Who it is, and what they may do.
    pub access: Access,
    /// The receiver of a value that is dropped when the secret is revoked.
    pub revoked: watch::Receiver<()>,
    /// How long it is valid from now on; `None`: without an end.
    pub left: Option<Duration>,
}

/// A session that was begun.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The value of its cookie.
    pub secret: Secret,
    /// How long it lasts.
    pub lasts: Duration,
}

/// Tokens, links, sessions and the audit log of the running sidecar. What takes an [`Access`] keeps to its projects.
pub trait AccessControl: Send + Sync {
    /// What a token grants; `None` where it is not valid. It does not wait for the disk.
    fn grant_of_token(&self, token: &str) -> Option<Grant>;
    /// What the cookie of a session grants.
    fn grant_of_session(&self, cookie: &str) -> Option<Grant>;
    /// Begins a session with a token, `None` where it is not valid.
    fn sign_in(&self, token: &str) -> Result<Option<NewSession>, RequestError>;
    /// Begins a session with a link, which then has no more use; `None` where it is not valid.
    fn use_link(&self, key: &str) -> Result<Option<NewSession>, RequestError>;
    /// Ends a session.
    fn sign_out(&self, cookie: &str) -> Result<(), RequestError>;
    /// Every token.
    fn tokens(&self, access: &Access) -> Result<TokenList, RequestError>;
    /// Makes a token.
    fn create_token(&self, request: &TokenRequest, access: &Access) -> Result<NewToken, RequestError>;
    /// Revokes a token, and ends its sessions.
    fn revoke_token(&self, name: &str, access: &Access) -> Result<Revoked, RequestError>;
    /// Every link that has not ended.
    fn links(&self, access: &Access) -> Result<LinkList, RequestError>;
    /// Makes a one-time link.
    fn create_link(&self, request: &LinkRequest, access: &Access) -> Result<NewLink, RequestError>;
    /// Revokes a link, and ends its session.
    fn revoke_link(&self, id: &str, access: &Access) -> Result<Revoked, RequestError>;
    /// A page of the audit log.
    fn audit(&self, query: &AuditQuery, access: &Access) -> Result<AuditPage, RequestError>;
}
