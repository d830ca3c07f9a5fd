//! Tokens, one-time links and sessions: in memory, so that each request is checked at once, and in the spool.

mod content;
mod requests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use self::content::{Content, Credential, Kind, id_of};
use super::audit::{Audit, Entry};
use crate::admin::{Access, Caller, Capability, Grant, NewSession, RequestError};
use crate::clock::Clock;
use crate::secret::Secret;
use crate::spool::{Op, Spool};
use crate::time::Timestamp;
use subtle::ConstantTimeEq as _;

/// Who may use the running sidecar.
pub(super) struct Credentials {
    spool: Spool,
    clock: Clock,
    audit: Arc<Audit>,
    /// `admin.token`
    admin_token: Option<Secret>,
    /// Of `admin.token`, which ends with the process.
    forever: watch::Sender<()>,
    /// By their ids.
    held: Mutex<HashMap<String, Credential>>,
    /// Held over a change, from its check to its end.
    change: Mutex<()>,
}

impl Credentials {
    /// Those in the spool.
    pub(super) fn read(
        spool: &Spool,
        clock: Clock,
        audit: &Arc<Audit>,
        admin_token: Option<Secret>,
    ) -> anyhow::Result<Self> {
        let stored = spool.reader()?.credentials()?.into_iter().map(Credential::read);
        let held = stored.map(|read| read.map(|credential| (credential.id.clone(), credential)));
        Ok(Self {
            spool: spool.clone(),
            clock,
            audit: Arc::clone(audit),
            admin_token,
            forever: watch::Sender::new(()),
            held: Mutex::new(held.collect::<Result<_, _>>()?),
            change: Mutex::new(()),
        })
    }

    /// What a token grants. It waits for no disk: when it was last used is stored later.
    pub(super) fn of_token(&self, token: &str) -> Option<Grant> {
        if self.is_admin_token(token) {
            let access = Access::full(Caller::AdminToken);
            return Some(Grant { access, revoked: self.forever.subscribe(), left: None });
        }
        let now = self.clock.wall();
        let mut held = self.held();
        let credential = held.get_mut(id_of(token)?)?;
        if !credential.has_secret(Kind::Token, token) || !credential.is_valid_at(now) {
            return None;
        }
        let last = credential.content.used_at.map(Timestamp);
        if last.is_none_or(|last| now.since(last) >= USE_STORED_EVERY) {
            credential.content.used_at = Some(now.0);
            let put = vec![credential.stored()];
            self.spool.submit(Op::SetCredentials { put, remove: Vec::new() }, drop);
        }
        Some(grant(credential, now))
    }

    /// What the cookie of a session grants.
    pub(super) fn of_session(&self, cookie: &str) -> Option<Grant> {
        let now = self.clock.wall();
        let held = self.held();
        let credential = held.get(id_of(cookie)?)?;
        let is_valid = credential.has_secret(Kind::Session, cookie) && credential.is_valid_at(now);
        is_valid.then(|| grant(credential, now))
    }

    /// Begins a session with a token.
    pub(super) fn sign_in(&self, token: &str) -> Result<Option<NewSession>, RequestError> {
        let Some(grant) = self.of_token(token) else { return Ok(None) };
        let _change = self.lock_changes();
        let parent = match &grant.access.caller {
            Caller::Token { name } => Some((name.clone(), id_of(token).unwrap_or_default().to_owned())),
            _ => None,
        };
        let lasts = grant.left.map_or(SESSION, |left| left.min(SESSION));
        let (name, parent) = parent.unzip();
        let parent = parent.map(|id| (Kind::Token, id));
        let session = self.begin_session(&grant.access, name.unwrap_or_default(), parent, lasts)?;
        self.audit.record(
            &grant.access,
            Entry { project: grant.access.scope.project(), ..Entry::of("a session was begun") },
        );
        Ok(Some(session))
    }

    /// Exchanges a link for a session. It can be exchanged once.
    pub(super) fn use_link(&self, key: &str) -> Result<Option<NewSession>, RequestError> {
        let _change = self.lock_changes();
        let now = self.clock.wall();
        let used = {
            let mut held = self.held();
            let Some(link) = id_of(key).and_then(|id| held.get_mut(id)) else { return Ok(None) };
            let is_valid = link.has_secret(Kind::Link, key) && link.is_valid_at(now);
            if !is_valid || link.content.used_at.is_some() {
                return Ok(None);
            }
            link.content.used_at = Some(now.0);
            (link.access(), link.id.clone(), link.stored(), grant(link, now).left.unwrap_or(SESSION))
        };
        let (access, id, stored, lasts) = used;
        self.spool.apply(Op::SetCredentials { put: vec![stored], remove: Vec::new() })?;
        let session = self.begin_session(&access, id.clone(), Some((Kind::Link, id)), lasts)?;
        self.audit.record(&access, Entry { project: access.scope.project(), ..Entry::of("a link was used") });
        Ok(Some(session))
    }

    /// Ends a session.
    pub(super) fn sign_out(&self, cookie: &str) -> Result<(), RequestError> {
        let _change = self.lock_changes();
        let Some((id, grant)) = id_of(cookie).zip(self.of_session(cookie)) else { return Ok(()) };
        self.remove(vec![id.to_owned()])?;
        let about = Entry { project: grant.access.scope.project(), ..Entry::of("a session was ended") };
        self.audit.record(&grant.access, about);
        Ok(())
    }

    fn is_admin_token(&self, token: &str) -> bool {
        let is_it = |own: &Secret| token.as_bytes().ct_eq(own.expose().as_bytes()).into();
        self.admin_token.as_ref().is_some_and(is_it)
    }

    /// A session with `admin.token` ends with the process, as the token may be another one then.
    fn begin_session(
        &self,
        access: &Access,
        name: String,
        parent: Option<(Kind, String)>,
        lasts: Duration,
    ) -> Result<NewSession, RequestError> {
        let now = self.clock.wall();
        let is_kept = parent.is_some();
        let content = Content {
            kind: Kind::Session,
            name,
            can: access.can.clone(),
            project: access.scope.project().map(str::to_owned),
            created_at: now.0,
            created_by: access.caller.to_string(),
            expires_at: Some(now.plus(lasts).0),
            used_at: None,
            parent,
        };
        let (session, secret) = Credential::draw(content)?;
        self.add(session, is_kept)?;
        Ok(NewSession { secret, lasts })
    }

    /// Puts a new one in force, once it is stored. What has ended meanwhile goes.
    fn add(&self, credential: Credential, is_kept: bool) -> Result<(), RequestError> {
        let now = self.clock.wall();
        let ended: Vec<String> = {
            let held = self.held();
            held.values().filter(|held| !held.is_valid_at(now)).map(|held| held.id.clone()).collect()
        };
        self.remove(ended)?;
        if self.held().len() >= CREDENTIALS_MAX {
            return Err(RequestError::Conflict(format!(
                "there are {CREDENTIALS_MAX} tokens, links and sessions: revoke some, or give them an earlier end"
            )));
        }
        if is_kept {
            self.spool.apply(Op::SetCredentials { put: vec![credential.stored()], remove: Vec::new() })?;
        }
        self.held().insert(credential.id.clone(), credential);
        Ok(())
    }

    /// Removes credentials, and the sessions that were begun with them. Returns how many sessions.
    fn remove(&self, ids: Vec<String>) -> Result<u64, RequestError> {
        let is_child = |held: &&Credential| ids.iter().any(|id| held.is_child_of(id));
        let sessions: Vec<String> =
            self.held().values().filter(is_child).map(|held| held.id.clone()).collect();
        let count = sessions.len() as u64;
        let remove = [ids, sessions].concat();
        if remove.is_empty() {
            return Ok(0);
        }
        // In force no more, even where the disk cannot be written.
        self.held().retain(|id, _| !remove.contains(id));
        self.spool.apply(Op::SetCredentials { put: Vec::new(), remove })?;
        Ok(count)
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Credential>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_changes(&self) -> MutexGuard<'_, ()> {
        self.change.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn grant(credential: &Credential, now: Timestamp) -> Grant {
    let left = credential.content.expires_at.map(|end| Timestamp(end).since(now));
    Grant { access: credential.access(), revoked: credential.in_force.subscribe(), left }
}

/// Refuses to give away what the giver does not have.
fn check_given(can: &[Capability], access: &Access) -> Result<(), RequestError> {
    if can.is_empty() {
        return Err(RequestError::field(
            "can",
            "at least one of view, send-again, manage and secret is expected",
        ));
    }
    can.iter().try_for_each(|capability| access.require(*capability))
}

const USE_STORED_EVERY: Duration = Duration::from_mins(1);
/// How long a session lasts that was begun with a token.
const SESSION: Duration = Duration::from_hours(12);
const CREDENTIALS_MAX: usize = 10_000;
