//! The sentences of alerts.

use std::fmt::Write as _;

use super::message::{Alert, AlertKind, AlertWebhook};
use super::subject::{Detail, Group, Subject};
use crate::amount::count;
use crate::time::Timestamp;

/// The alert about `subject`.
pub(super) fn alert(subject: Subject, group: Group, wall: Timestamp) -> Alert {
    let text = text(&subject, &group);
    let Subject { kind, host, detail } = subject;
    let (class, cause, remedy) = match &detail {
        Detail::Failure { class, cause, remedy, .. } => (Some(*class), Some(*cause), Some(*remedy)),
        _ => (None, None, None),
    };
    let percent = match &detail {
        Detail::Failure { percent, .. } | Detail::Pause { percent, .. } => {
            Some(*percent).filter(|share| *share > 0)
        }
        _ => None,
    };
    Alert {
        alert: kind,
        at: wall.to_rfc3339(),
        text,
        host,
        class: class.map(str::to_owned),
        cause: cause.map(str::to_owned),
        remedy: remedy.map(str::to_owned),
        percent,
        webhook_count: group.count,
        webhooks: group.listed,
    }
}

fn text(subject: &Subject, group: &Group) -> String {
    let host = subject.host.as_deref().unwrap_or_default();
    let who = who(group);
    let since = group.listed.iter().filter_map(|webhook| webhook.since.as_deref()).min();
    let since = since.map_or_else(String::new, |since| format!(" since {since}"));
    let give_up_at = group.listed.iter().filter_map(|webhook| webhook.give_up_at.as_deref()).min();
    let forecast = give_up_at.map_or_else(String::new, |at| {
        format!(" Records are kept until {at}, then become dead letters; the database is not affected.")
    });
    match (subject.kind, &subject.detail) {
        (AlertKind::DeadLetters, Detail::DeadLetters { reason }) => {
            let records: u64 = group.listed.iter().filter_map(|webhook| webhook.records).sum();
            let records = count(records, "record", "records");
            format!(
                "{records} of {who} became dead letters ({reason}). `sidecar dead-letters list` shows them, `redeliver` sends them again."
            )
        }
        (AlertKind::GivingUp, Detail::Failure { cause, percent: 100, .. }) => {
            format!(
                "{who} at {host}: no success{since} ({cause}). Records that have waited for `give_up_after` become dead letters from now on."
            )
        }
        (AlertKind::GivingUp, Detail::Failure { cause, percent, .. }) => {
            format!("{who} at {host}: no success{since} ({cause}), {percent} % of `give_up_after`.{forecast}")
        }
        (AlertKind::GivingUp, Detail::Pause { by, percent, .. }) => {
            format!("{who} at {host}: paused by the {by}{since}, {percent} % of `give_up_after`.{forecast}")
        }
        (AlertKind::Failing, Detail::Failure { cause, status, .. }) => {
            format!("{who} at {host}: failing{since} ({}).{forecast}", answer(cause, *status))
        }
        (AlertKind::NeedsOwner, Detail::Failure { cause, status, remedy, .. }) => {
            format!(
                "{who} at {host}: failing{since} ({}), and needs its owner: {remedy}{forecast}",
                answer(cause, *status)
            )
        }
        (AlertKind::Paused, Detail::Pause { by, reason, .. }) => {
            format!(
                "{who} at {host}: paused by the {by}: {reason}.{forecast} `sidecar webhooks resume` resumes."
            )
        }
        (AlertKind::WebhookChanged, Detail::Change { what, .. }) if host.is_empty() => {
            format!("The webhook of {who} was {what}.")
        }
        (AlertKind::WebhookChanged, Detail::Change { what, fingerprint }) => {
            format!("The webhook of {who} was {what}: {host}, fingerprint of the URL {fingerprint}.")
        }
        (_, Detail::Figure(sentence)) => sentence.clone(),
        _ => format!("{who} at {host}: works again."),
    }
}

fn answer(cause: &str, status: Option<u16>) -> String {
    status.map_or_else(|| cause.to_owned(), |status| format!("{cause}, status {status}"))
}

/// "acme/modified, acme/ingested and 12 more"
fn who(group: &Group) -> String {
    let name = |webhook: &AlertWebhook| {
        let callback = webhook.callback.map_or("*", |callback| callback.name());
        format!("{}/{callback}", webhook.project)
    };
    let mut text = group.listed.iter().take(NAMED).map(name).collect::<Vec<_>>().join(", ");
    let more = group.count.saturating_sub(NAMED as u64);
    if more > 0 {
        let _ = write!(text, " and {more} more");
    }
    text
}

const NAMED: usize = 3;
