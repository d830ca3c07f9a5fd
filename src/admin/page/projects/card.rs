//! One callback of a project: where its records go, how it stands, what can be done. Pure.

use serde_json::Value;

use crate::admin::api::{CallbackDetail, LaneActivity, LaneStatus, WebhookDetail};
use crate::admin::page::parts::Pill;
use crate::admin::page::spark::Spark;
use crate::admin::page::times::Fact;
use crate::admin::page::{show, texts as t};
use crate::deliver::LaneCondition;
use crate::outcome::Class;
use crate::record::Callback;

pub(super) struct Card {
    pub(super) callback: Callback,
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    pub(super) pill: Pill,
    pub(super) has_webhook: bool,
    /// The project and callback of the webhook that answers for it.
    pub(super) key: (String, String),
    /// Whether that is the one for exactly this project and callback.
    pub(super) is_exact: bool,
    pub(super) spark: Option<Spark>,
    pub(super) facts: Vec<(&'static str, Fact)>,
    /// The last error, and what the receiver's owner can do.
    pub(super) error: Option<(String, String)>,
    pub(super) is_paused: bool,
    pub(super) pending: u64,
    pub(super) note: Option<String>,
}

impl Card {
    pub(super) fn of(project: &str, detail: CallbackDetail) -> Self {
        let CallbackDetail { callback, webhook, lane, activity, specimen: _ } = detail;
        let key = webhook.as_ref().map_or_else(
            || (project.to_owned(), callback.to_string()),
            |detail| (detail.webhook.project.clone(), detail.webhook.callback.clone()),
        );
        let pill = match (&webhook, &lane) {
            (None, _) => Pill::of_lane(LaneCondition::WithoutWebhook),
            (Some(_), Some(lane)) => Pill::of_lane(lane.state),
            (Some(_), None) => Pill::quiet(t::project::NO_RECORD),
        };
        let note = webhook.as_ref().and_then(|detail| text_of(detail, "note")).map(str::to_owned);
        Self {
            callback,
            title: t::project::callback(callback),
            about: t::project::about(callback),
            pill,
            has_webhook: webhook.is_some(),
            is_exact: webhook.is_none() || key == (project.to_owned(), callback.to_string()),
            spark: activity.as_ref().and_then(Spark::of),
            facts: facts(webhook.as_ref(), lane.as_ref(), activity.as_ref())
                .into_iter()
                .map(|(name, text)| (name, text.into()))
                .collect(),
            error: lane.as_ref().and_then(error),
            is_paused: lane.as_ref().is_some_and(|lane| lane.state == LaneCondition::Paused),
            pending: lane.as_ref().map_or(0, |lane| lane.pending.records),
            key,
            note,
        }
    }
}

impl Card {
    /// Where its button leads.
    pub(super) fn toggle(&self) -> &'static str {
        if self.is_paused { "lanes/resume" } else { "lanes/pause" }
    }
}

fn facts(
    webhook: Option<&WebhookDetail>,
    lane: Option<&LaneStatus>,
    activity: Option<&LaneActivity>,
) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some(detail) = webhook {
        let url = match detail.settings.get("url") {
            Some(Value::String(url)) => url.clone(),
            None | Some(Value::Null) => detail.webhook.host.clone(),
            Some(reference) => reference.to_string(),
        };
        facts.push((t::project::URL, url));
        let set_at = || t::project::set_at(detail.webhook.changed_at.as_deref().map(show::time));
        let origin = detail.webhook.set_in.as_deref().map_or_else(set_at, t::project::set_in);
        facts.push((t::project::ORIGIN, origin));
        facts.extend(text_of(detail, "owner").map(|owner| (t::project::OWNER, owner.to_owned())));
    }
    let Some(lane) = lane else { return facts };
    if let Some(reason) = &lane.reason {
        facts.push((t::project::REASON, reason.clone()));
    }
    let oldest = lane.pending.oldest_seconds.filter(|_| lane.pending.records > 0);
    let pending = match oldest {
        Some(_) => show::count(lane.pending.records, t::RECORD, t::RECORDS),
        None => t::project::NOTHING_PENDING.to_owned(),
    };
    facts.push((t::project::PENDING, pending));
    facts.extend(oldest.map(|seconds| (t::project::OLDEST, show::span(seconds))));
    facts.push((t::project::LAST_SUCCESS, last_success(lane, activity)));
    let failure = activity.and_then(|activity| activity.last_failure.as_ref());
    facts.extend(failure.map(|failure| {
        let answer = failure
            .status
            .map_or_else(|| failure.outcome.name().to_owned(), |status| format!("HTTP {status}"));
        (t::project::LAST_ERROR, format!("{answer}, {}", t::project::at(&show::time(&failure.at), None)))
    }));
    let may_send = !matches!(lane.state, LaneCondition::Paused | LaneCondition::WithoutWebhook);
    if let Some(seconds) = lane.next_attempt_in_seconds.filter(|_| may_send) {
        facts.push((t::project::NEXT_ATTEMPT, t::project::in_time(seconds)));
    }
    if let Some(seconds) = lane.since_seconds {
        facts.push((t::project::SINCE, show::span(seconds)));
    }
    facts
}

/// With its time, where the attempt is on record.
fn last_success(lane: &LaneStatus, activity: Option<&LaneActivity>) -> String {
    let ago = lane.last_success_seconds.map(t::ago);
    match activity.and_then(|activity| activity.last_success_at.as_deref()) {
        Some(at) => t::project::at(&show::time(at), ago.as_deref()),
        None => ago.unwrap_or_else(|| t::NEVER.to_owned()),
    }
}

/// A setting of a webhook that is a text.
fn text_of<'a>(detail: &'a WebhookDetail, name: &str) -> Option<&'a str> {
    detail.settings.get(name).and_then(Value::as_str)
}

/// The last error of a lane, with its remedy.
fn error(lane: &LaneStatus) -> Option<(String, String)> {
    let cause = lane.cause.clone()?;
    let answer = lane.status.map(|status| t::project::status(status, lane.failures));
    let answer = answer.unwrap_or_else(|| {
        t::project::outcome(lane.last_outcome.map_or("", |kind| kind.name()), lane.failures)
    });
    let class = lane.class.map(Class::name).unwrap_or_default();
    Some((
        format!("{answer} {}", t::project::cause(&cause, class)),
        lane.remedy.as_deref().unwrap_or_default().to_owned(),
    ))
}
