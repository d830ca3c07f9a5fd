//! What an alert is about.

use super::event::{LaneReport, WebhookState};
use super::message::{AlertKind, AlertWebhook};

/// What an alert is about, apart from its webhooks.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Subject {
    pub(super) kind: AlertKind,
    pub(super) host: Option<String>,
    pub(super) detail: Detail,
}

/// What distinguishes alerts of one kind.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Detail {
    Change {
        what: &'static str,
        fingerprint: String,
    },
    DeadLetters {
        reason: &'static str,
    },
    Failure {
        class: &'static str,
        cause: &'static str,
        remedy: &'static str,
        status: Option<u16>,
        percent: u8,
    },
    Figure(String),
    Nothing,
    Pause {
        by: &'static str,
        reason: String,
        percent: u8,
    },
}

/// The webhooks of an alert.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) count: u64,
    pub(super) listed: Vec<AlertWebhook>,
}

impl Subject {
    pub(super) fn plain(kind: AlertKind, host: String) -> Self {
        Self { kind, host: Some(host), detail: Detail::Nothing }
    }

    pub(super) fn of(kind: AlertKind, report: &LaneReport, percent: u8) -> Self {
        let percent = if kind == AlertKind::GivingUp { percent } else { 0 };
        let detail = match &report.state {
            WebhookState::Failing { cause, status, .. } => Detail::Failure {
                class: cause.class.name(),
                cause: cause.name,
                remedy: cause.remedy,
                status: *status,
                percent,
            },
            WebhookState::Paused { by, reason, .. } => {
                Detail::Pause { by: by.name(), reason: reason.clone(), percent }
            }
            WebhookState::Healthy | WebhookState::Removed => Detail::Nothing,
        };
        Self { kind, host: Some(report.host.clone()), detail }
    }
}

impl Group {
    pub(super) fn add(&mut self, webhook: AlertWebhook) {
        let is_same =
            |other: &AlertWebhook| other.project == webhook.project && other.callback == webhook.callback;
        if self.listed.iter().any(is_same) {
            return;
        }
        self.count += 1;
        if self.listed.len() < LISTED_MAX {
            self.listed.push(webhook);
        }
    }
}

const LISTED_MAX: usize = 100;
