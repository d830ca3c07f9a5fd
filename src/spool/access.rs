//! Who may use the sidecar, and what they did, as the spool stores it.

use crate::time::Timestamp;

/// A token, a link or a session. Of its secret, only a hash is stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredCredential {
    /// No two have the same.
    pub id: String,
    /// The SHA-256 of the secret.
    pub hash: Vec<u8>,
    /// All else, as JSON.
    pub content: String,
}

/// One entry of the audit log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredAudit {
    /// Its number: 1, 2, …
    pub no: u64,
    /// When.
    pub at: Timestamp,
    /// The project that it is about, where it is about one.
    pub project: Option<String>,
    /// All else, as JSON.
    pub content: String,
}

/// How much of the audit log is kept.
#[derive(Clone, Copy, Debug)]
pub struct AuditLimit {
    /// The last entries.
    pub entries: u64,
    /// Those from this time on.
    pub since: Timestamp,
}
