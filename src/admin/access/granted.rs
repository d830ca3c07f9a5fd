//! What a request is granted.

use super::caller::Caller;
use super::capability::Capability;
use super::scope::Scope;
use crate::admin::request_error::RequestError;

/// Who makes a request, and what it is granted: an extension of every request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Access {
    /// Who.
    pub caller: Caller,
    /// What they may do.
    pub can: Vec<Capability>,
    /// Of which projects.
    pub scope: Scope,
    /// Nobody else can read the answer on its way: it is a process of this machine, or TLS encrypts it.
    pub is_private: bool,
}

impl Access {
    /// Everything, of all projects.
    pub fn full(caller: Caller) -> Self {
        Self { caller, can: Capability::ALL.to_vec(), scope: Scope::All, is_private: false }
    }

    /// A client that names nobody, and may do nothing.
    pub fn none() -> Self {
        Self { caller: Caller::Anonymous, can: Vec::new(), scope: Scope::All, is_private: false }
    }

    /// Refuses what the caller may not do.
    pub fn require(&self, capability: Capability) -> Result<(), RequestError> {
        if self.can.contains(&capability) {
            return Ok(());
        }
        if self.caller == Caller::Anonymous {
            return Err(RequestError::Unauthenticated(format!(
                "this takes a token with the capability `{capability}`: send `authorization: Bearer TOKEN` \
                 (`sidecar tokens create` makes one), or use the command where the sidecar runs"
            )));
        }
        Err(RequestError::Forbidden(format!(
            "{} lacks the capability `{capability}`: use a token that has it",
            self.caller
        )))
    }

    /// Refuses to give a secret to a caller who may not have it, or over a connection that others can read.
    pub fn require_secret(&self) -> Result<(), RequestError> {
        self.require(Capability::Secret)?;
        self.require_private()
    }

    /// Refuses to give a secret over a connection that others can read.
    pub fn require_private(&self) -> Result<(), RequestError> {
        if self.is_private {
            return Ok(());
        }
        Err(RequestError::Forbidden(
            "secrets are given over the control socket, loopback or TLS only: set `admin.tls_cert`, or use the command \
             where the sidecar runs"
                .to_owned(),
        ))
    }
}
