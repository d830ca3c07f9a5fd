//! The JSON of an alert.

use serde::{Deserialize, Serialize};

use crate::record::Callback;

/// What an alert is about.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// Records became dead letters.
    DeadLetters,
    /// Webhooks fail for `alerts.failing_after`.
    Failing,
    /// A share of `delivery.give_up_after` has passed without a success.
    GivingUp,
    /// Only the receivers' owners can end the failure.
    NeedsOwner,
    /// No change is received although the server's WAL grows.
    NoChange,
    /// Webhooks are paused.
    Paused,
    /// What an earlier alert was about has ended.
    Recovered,
    /// The slot retains more WAL than `alerts.slot_retained_max`.
    SlotRetained,
    /// The spool is filled beyond `alerts.spool_share_max`.
    SpoolFull,
    /// A webhook's settings were changed.
    WebhookChanged,
}

impl AlertKind {
    /// Its name in the message, logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::DeadLetters => "dead_letters",
            Self::Failing => "failing",
            Self::GivingUp => "giving_up",
            Self::NeedsOwner => "needs_owner",
            Self::NoChange => "no_change",
            Self::Paused => "paused",
            Self::Recovered => "recovered",
            Self::SlotRetained => "slot_retained",
            Self::SpoolFull => "spool_full",
            Self::WebhookChanged => "webhook_changed",
        }
    }
}

/// The body of a request to `alerts.url`. A chat hook that shows `text` shows the whole sentence.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Alert {
    /// What it is about.
    pub alert: AlertKind,
    /// When it was raised: RFC 3339 in UTC.
    pub at: String,
    /// One sentence.
    pub text: String,
    /// The host and port of the webhooks.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub host: Option<String>,
    /// What the failure speaks of, as `sidecar status` shows it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub class: Option<String>,
    /// Why it fails.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<String>,
    /// What the receiver's owner can do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub remedy: Option<String>,
    /// Share of `delivery.give_up_after` that has passed, in percent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub percent: Option<u8>,
    /// How many webhooks it is about.
    pub webhook_count: u64,
    /// Up to 100 of them.
    pub webhooks: Vec<AlertWebhook>,
}

/// A webhook that an alert is about.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct AlertWebhook {
    /// The project.
    pub project: String,
    /// The callback; `None`: all three.
    pub callback: Option<Callback>,
    /// Whom to call: `owner` of the webhook.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<String>,
    /// Since when: RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since: Option<String>,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_attempt: Option<String>,
    /// When its oldest records become dead letters, if it does not recover.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub give_up_at: Option<String>,
    /// Records that became dead letters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub records: Option<u64>,
}
