//! Tokens and links on request: listed, made, revoked.

use std::time::Duration;

use super::content::{Content, Credential, Kind};
use super::{Credentials, check_given};
use crate::admin::{
    Access, LinkList, LinkRequest, LinkStatus, NewLink, NewToken, RequestError, Revoked, TokenList,
    TokenRequest, TokenStatus,
};
use crate::secret::Secret;
use crate::service::audit::Entry;
use crate::settings::span;
use crate::time::Timestamp;

impl Credentials {
    /// By their names.
    pub(in crate::service) fn tokens(&self, access: &Access) -> Result<TokenList, RequestError> {
        access.scope.require_all()?;
        let mut tokens: Vec<TokenStatus> = self.of_kind(Kind::Token, |token| token_status(&token.content));
        tokens.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(TokenList { tokens })
    }

    /// Makes a token.
    pub(in crate::service) fn create_token(
        &self,
        request: &TokenRequest,
        access: &Access,
    ) -> Result<NewToken, RequestError> {
        let TokenRequest { name, can, project, expires } = request.clone();
        check_name(&name)?;
        let content = self.content(Kind::Token, (name, can, project), expires.as_deref(), None, access)?;
        let _change = self.lock_changes();
        if self.find_token(&content.name).is_some() {
            return Err(RequestError::Conflict(format!(
                "there is a token `{}`: revoke it first, or choose another name",
                content.name
            )));
        }
        let status = token_status(&content);
        let (token, secret) = Credential::draw(content)?;
        self.add(token, true)?;
        self.record(access, "a token was created", &status.name, status.project.as_deref());
        Ok(NewToken { status, token: secret })
    }

    /// Revokes a token, and ends its sessions.
    pub(in crate::service) fn revoke_token(
        &self,
        name: &str,
        access: &Access,
    ) -> Result<Revoked, RequestError> {
        access.scope.require_all()?;
        let _change = self.lock_changes();
        let found = self.find_token(name).ok_or_else(|| {
            RequestError::NotFound(format!("there is no token `{name}`: `sidecar tokens list` lists them"))
        });
        let (id, project) = found?;
        let sessions = self.remove(vec![id])?;
        self.record(access, "a token was revoked", name, project.as_deref());
        Ok(Revoked { sessions })
    }

    /// In the order in which they were made.
    pub(in crate::service) fn links(&self, access: &Access) -> Result<LinkList, RequestError> {
        access.scope.require_all()?;
        let mut links = self.of_kind(Kind::Link, |link| link_status(&link.id, &link.content));
        links.sort_by(|a, b| (&a.created_at, &a.id).cmp(&(&b.created_at, &b.id)));
        Ok(LinkList { links })
    }

    /// Makes a link.
    pub(in crate::service) fn create_link(
        &self,
        request: &LinkRequest,
        access: &Access,
    ) -> Result<NewLink, RequestError> {
        let LinkRequest { project, can, expires } = request.clone();
        let given = (String::new(), can, project);
        let content = self.content(Kind::Link, given, expires.as_deref(), Some(LINK), access)?;
        let _change = self.lock_changes();
        let (mut link, secret) = Credential::draw(content)?;
        link.content.name.clone_from(&link.id);
        let status = link_status(&link.id, &link.content);
        self.add(link, true)?;
        self.record(access, "a link was created", &status.id, status.project.as_deref());
        let path = Secret::of_text(format!("/link?key={}", secret.expose().as_str()));
        Ok(NewLink { status, path })
    }

    /// Revokes a link, and ends its session.
    pub(in crate::service) fn revoke_link(&self, id: &str, access: &Access) -> Result<Revoked, RequestError> {
        access.scope.require_all()?;
        let _change = self.lock_changes();
        let found = self
            .held()
            .get(id)
            .filter(|held| held.content.kind == Kind::Link)
            .map(|link| link.content.project.clone());
        let project = found.ok_or_else(|| {
            RequestError::NotFound(format!("there is no link `{id}`: `sidecar links list` lists them"))
        })?;
        let sessions = self.remove(vec![id.to_owned()])?;
        self.record(access, "a link was revoked", id, project.as_deref());
        Ok(Revoked { sessions })
    }

    fn content(
        &self,
        kind: Kind,
        (name, mut can, project): (String, Vec<crate::admin::Capability>, Option<String>),
        expires: Option<&str>,
        default: Option<Duration>,
        access: &Access,
    ) -> Result<Content, RequestError> {
        access.scope.require_all()?;
        check_given(&can, access)?;
        can.sort_unstable();
        can.dedup();
        if project.as_deref() == Some("*") {
            return Err(RequestError::field("project", "leave it out for all projects"));
        }
        let now = self.clock.wall();
        let expires_at = match expires {
            Some(text) => Some(end(text, now)?),
            None => default.map(|lasts| now.plus(lasts)),
        };
        Ok(Content {
            kind,
            name,
            can,
            project,
            created_at: now.0,
            created_by: access.caller.to_string(),
            expires_at: expires_at.map(|end| end.0),
            used_at: None,
            parent: None,
        })
    }

    fn of_kind<T>(&self, kind: Kind, status: impl Fn(&Credential) -> T) -> Vec<T> {
        let now = self.clock.wall();
        let held = self.held();
        let found = held.values().filter(|held| held.content.kind == kind && held.is_valid_at(now));
        found.map(status).collect()
    }

    /// Whether a token or a link is valid.
    pub(in crate::service) fn has_any(&self) -> bool {
        [Kind::Token, Kind::Link].into_iter().any(|kind| !self.of_kind(kind, |_| ()).is_empty())
    }

    /// The id and the project of a token.
    fn find_token(&self, name: &str) -> Option<(String, Option<String>)> {
        let now = self.clock.wall();
        let held = self.held();
        let is_it = |held: &&Credential| {
            held.content.kind == Kind::Token && held.content.name == name && held.is_valid_at(now)
        };
        let found = held.values().find(is_it)?;
        Some((found.id.clone(), found.content.project.clone()))
    }

    fn record(&self, access: &Access, what: &'static str, name: &str, project: Option<&str>) {
        self.audit.record(access, Entry { project, detail: Some(name.to_owned()), ..Entry::of(what) });
    }
}

fn check_name(name: &str) -> Result<(), RequestError> {
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@'));
    if is_plain && (1..=NAME_MAX).contains(&name.len()) {
        return Ok(());
    }
    Err(RequestError::field(
        "name",
        format!("1 to {NAME_MAX} letters, digits, `-`, `_`, `.` and `@` are expected"),
    ))
}

/// `30d`, or a time that has not passed.
fn end(text: &str, now: Timestamp) -> Result<Timestamp, RequestError> {
    let after = span(text).filter(|span| !span.is_zero()).map(|span| now.plus(span));
    let end = after.or_else(|| Timestamp::from_rfc3339(text)).filter(|end| *end > now);
    end.ok_or_else(|| {
        RequestError::field(
            "expires",
            format!("`{text}` is neither a duration like `8h` or `30d`, nor a time to come like `2999-01-31T09:00:00Z`"),
        )
    })
}

fn token_status(content: &Content) -> TokenStatus {
    TokenStatus {
        name: content.name.clone(),
        can: content.can.clone(),
        project: content.project.clone(),
        created_at: Timestamp(content.created_at).to_rfc3339(),
        created_by: content.created_by.clone(),
        expires_at: content.expires_at.map(|at| Timestamp(at).to_rfc3339()),
        last_used_at: content.used_at.map(|at| Timestamp(at).to_rfc3339()),
    }
}

fn link_status(id: &str, content: &Content) -> LinkStatus {
    LinkStatus {
        id: id.to_owned(),
        can: content.can.clone(),
        project: content.project.clone(),
        created_at: Timestamp(content.created_at).to_rfc3339(),
        created_by: content.created_by.clone(),
        expires_at: content.expires_at.map(|at| Timestamp(at).to_rfc3339()),
        used_at: content.used_at.map(|at| Timestamp(at).to_rfc3339()),
    }
}

/// How long a link and its session last by default.
const LINK: Duration = Duration::from_hours(8);
const NAME_MAX: usize = 64;
