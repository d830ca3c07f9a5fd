//! Tokens, links, sessions and the audit log on request.

use super::Controller;
use crate::admin::{
    Access, AccessControl, AuditPage, AuditQuery, Grant, LinkList, LinkRequest, NewLink, NewSession,
    NewToken, RequestError, Revoked, TokenList, TokenRequest,
};
use crate::service::run_error::RunError;

impl Controller {
    /// Refuses to listen where others reach the port and nobody could be served there.
    pub(super) fn check_way_in(&self) -> Result<(), RunError> {
        let settings = &self.settings;
        let by_header = settings.access.user_header.is_some() && !settings.access.trusted_proxies.is_empty();
        let is_served = settings.token.is_some() || by_header || self.credentials.has_any();
        if settings.listen.ip().is_loopback() || is_served {
            return Ok(());
        }
        Err(RunError::Refused(format!(
            "`admin.listen`: {} is an address other than loopback, and nobody could sign in: set `admin.token`, or \
             `admin.user_header` with `admin.trusted_proxies`, or start it on 127.0.0.1 once and make a token with \
             `sidecar tokens create`",
            settings.listen
        )))
    }
}

impl AccessControl for Controller {
    fn grant_of_token(&self, token: &str) -> Option<Grant> {
        self.credentials.of_token(token)
    }

    fn grant_of_session(&self, cookie: &str) -> Option<Grant> {
        self.credentials.of_session(cookie)
    }

    fn sign_in(&self, token: &str) -> Result<Option<NewSession>, RequestError> {
        self.credentials.sign_in(token)
    }

    fn use_link(&self, key: &str) -> Result<Option<NewSession>, RequestError> {
        self.credentials.use_link(key)
    }

    fn sign_out(&self, cookie: &str) -> Result<(), RequestError> {
        self.credentials.sign_out(cookie)
    }

    fn tokens(&self, access: &Access) -> Result<TokenList, RequestError> {
        self.credentials.tokens(access)
    }

    fn create_token(&self, request: &TokenRequest, access: &Access) -> Result<NewToken, RequestError> {
        self.credentials.create_token(request, access)
    }

    fn revoke_token(&self, name: &str, access: &Access) -> Result<Revoked, RequestError> {
        self.credentials.revoke_token(name, access)
    }

    fn links(&self, access: &Access) -> Result<LinkList, RequestError> {
        self.credentials.links(access)
    }

    fn create_link(&self, request: &LinkRequest, access: &Access) -> Result<NewLink, RequestError> {
        self.credentials.create_link(request, access)
    }

    fn revoke_link(&self, id: &str, access: &Access) -> Result<Revoked, RequestError> {
        self.credentials.revoke_link(id, access)
    }

    fn audit(&self, query: &AuditQuery, access: &Access) -> Result<AuditPage, RequestError> {
        self.webhooks.audit().page(query, access)
    }
}
