//! Webhooks that are set while the sidecar runs, as the spool stores them.

use crate::time::Timestamp;

/// A webhook in the spool.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredWebhook {
    /// The project, or `*`.
    pub project: String,
    /// The callback, or `*`.
    pub callback: String,
    /// Its other settings: a JSON object with the keys of a `[[webhook]]` section, secrets sealed.
    pub settings: String,
    /// A number that no other version of this webhook has had, or will have.
    pub revision: u64,
    /// When it was set.
    pub changed_at: Timestamp,
}

/// One change of the webhooks in the spool.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WebhookChange {
    /// The project, or `*`.
    pub project: String,
    /// The callback, or `*`.
    pub callback: String,
    /// As in [`StoredWebhook`]; `None` removes it.
    pub settings: Option<String>,
}
