//! As what a lane waits for a slot or holds one.

use std::sync::Arc;

use crate::deliver::request_limits::RequestLimits;
use crate::deliver::webhook::Webhook;

/// The host of requests: its lanes hang together.
pub(in crate::deliver) type Host = Arc<str>;

/// Which webhook it is, over a change of its settings.
pub(in crate::deliver) type WebhookId = Arc<str>;

/// A lane that waits for a slot or holds one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::deliver) enum Class {
    /// Its last attempt failed.
    Failing,
    /// It had a success lately.
    Proven,
    /// It is new, or had no success for long.
    Unproven,
}

/// A webhook with limits, which its lanes share.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::deliver) struct LimitedWebhook {
    pub(in crate::deliver) id: WebhookId,
    pub(in crate::deliver) limits: RequestLimits,
}

impl LimitedWebhook {
    /// `None`: the webhook has no limits.
    pub(in crate::deliver) fn of(webhook: &Webhook) -> Option<Self> {
        let limits = webhook.limits.requests;
        limits.is_limited().then(|| Self { id: webhook.id(), limits })
    }
}

/// As what a lane wants a slot or holds one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::deliver) struct SlotKey {
    pub(in crate::deliver) class: Class,
    /// Empty for an operation of the spool, which makes no request.
    pub(in crate::deliver) host: Host,
    /// `None`: its webhook has no limits.
    pub(in crate::deliver) webhook: Option<LimitedWebhook>,
}

impl SlotKey {
    /// Where it waits among the lanes of its class.
    pub(super) fn line(&self) -> Line {
        Line {
            class: self.class,
            host: Arc::clone(&self.host),
            webhook: self.webhook.as_ref().map(|webhook| Arc::clone(&webhook.id)),
        }
    }
}

/// Lanes that wait for the same: of one class, host and limited webhook.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Line {
    pub(super) class: Class,
    pub(super) host: Host,
    pub(super) webhook: Option<WebhookId>,
}
