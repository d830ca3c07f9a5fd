//! Tokens, links and sessions as values, and their secrets.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::admin::{Access, Caller, Capability, RequestError, Scope};
use crate::secret::Secret;
use crate::spool::{SpoolError, StoredCredential};
use crate::time::Timestamp;

/// What a credential is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Link,
    Session,
    Token,
}

impl Kind {
    /// How its secrets begin.
    fn prefix(self) -> &'static str {
        match self {
            Self::Link => "scl",
            Self::Session => "scs",
            Self::Token => "sct",
        }
    }
}

/// What the spool keeps of a credential, besides the hash of its secret.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Content {
    pub(super) kind: Kind,
    /// Whom the audit log names.
    pub(super) name: String,
    pub(super) can: Vec<Capability>,
    pub(super) project: Option<String>,
    /// Microseconds since 1970, as all times here.
    pub(super) created_at: i64,
    pub(super) created_by: String,
    pub(super) expires_at: Option<i64>,
    /// When it was last used; of a link, when it was exchanged.
    pub(super) used_at: Option<i64>,
    /// Of a session: the id of the token or link that it was begun with. It ends with that.
    pub(super) parent: Option<(Kind, String)>,
}

/// A credential in force.
#[derive(Debug)]
pub(super) struct Credential {
    pub(super) id: String,
    pub(super) hash: Vec<u8>,
    pub(super) content: Content,
    /// Dropped when it is revoked: its receivers end.
    pub(super) in_force: watch::Sender<()>,
}

impl Credential {
    /// With a secret that is drawn, and is nowhere else.
    pub(super) fn draw(content: Content) -> Result<(Self, Secret), RequestError> {
        let mut random = Zeroizing::new([0_u8; ID_BYTES + SECRET_BYTES]);
        aws_lc_rs::rand::fill(random.as_mut_slice())
            .map_err(|_| RequestError::Internal("the system gives no random bytes".to_owned()))?;
        let (id, secret) = random.split_at(ID_BYTES);
        let id = id.iter().fold(String::new(), |mut id, byte| {
            let _ = write!(id, "{byte:02x}");
            id
        });
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(secret));
        let secret = Secret::of_text(format!("{}_{id}_{}", content.kind.prefix(), secret.as_str()));
        let hash = hash(secret.expose());
        Ok((Self { id, hash, content, in_force: watch::Sender::new(()) }, secret))
    }

    pub(super) fn read(stored: StoredCredential) -> Result<Self, SpoolError> {
        let StoredCredential { id, hash, content } = stored;
        let content = serde_json::from_str(&content)
            .map_err(|error| SpoolError::Damaged(format!("a credential: {error}")))?;
        Ok(Self { id, hash, content, in_force: watch::Sender::new(()) })
    }

    pub(super) fn stored(&self) -> StoredCredential {
        let content = serde_json::to_string(&self.content).unwrap_or_default();
        StoredCredential { id: self.id.clone(), hash: self.hash.clone(), content }
    }

    /// Whether a secret is this one's, compared in constant time.
    pub(super) fn has_secret(&self, kind: Kind, secret: &str) -> bool {
        self.content.kind == kind && hash(secret).ct_eq(&self.hash).into()
    }

    pub(super) fn is_valid_at(&self, now: Timestamp) -> bool {
        self.content.expires_at.is_none_or(|end| now.0 < end)
    }

    pub(super) fn is_child_of(&self, id: &str) -> bool {
        self.content.parent.as_ref().is_some_and(|(_, parent)| parent == id)
    }

    pub(super) fn access(&self) -> Access {
        let Content { kind, name, can, project, parent, .. } = &self.content;
        let caller = match (kind, parent) {
            (Kind::Link, _) | (_, Some((Kind::Link, _))) => Caller::Link { id: name.clone() },
            (Kind::Session, None) => Caller::AdminToken,
            _ => Caller::Token { name: name.clone() },
        };
        let scope = project.clone().map_or(Scope::All, Scope::Project);
        Access { can: can.clone(), scope, ..Access::full(caller) }
    }
}

/// The id within a secret.
pub(super) fn id_of(secret: &str) -> Option<&str> {
    secret.split('_').nth(1)
}

fn hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

const ID_BYTES: usize = 6;
/// 256 bits: nobody guesses them, so their plain hash gives nothing away.
const SECRET_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn content(kind: Kind) -> Content {
        Content {
            kind,
            name: "n".into(),
            can: vec![Capability::View],
            project: Some("p".into()),
            created_at: 0,
            created_by: "me".into(),
            expires_at: Some(5),
            used_at: None,
            parent: None,
        }
    }

    #[test]
    fn a_secret_is_of_one_credential_and_one_kind_and_is_not_stored() {
        let (token, secret) = Credential::draw(content(Kind::Token)).unwrap();
        let (other, _) = Credential::draw(content(Kind::Token)).unwrap();
        assert_eq!(id_of(secret.expose()), Some(token.id.as_str()));
        assert!(
            token.has_secret(Kind::Token, secret.expose()) && !other.has_secret(Kind::Token, secret.expose())
        );
        assert!(!token.has_secret(Kind::Link, secret.expose()));
        let stored = token.stored();
        assert!(!format!("{stored:?}").contains(secret.expose().as_str()));
        let read = Credential::read(stored).unwrap();
        assert!(read.has_secret(Kind::Token, secret.expose()) && read.content == token.content);
        assert!(read.is_valid_at(Timestamp(4)) && !read.is_valid_at(Timestamp(5)));
        assert_eq!(read.access().scope, Scope::Project("p".into()));
    }
}
