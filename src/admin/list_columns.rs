//! The lists of the API: where their items are, and the columns of their CSV. Pure.

use serde_json::Value;

use super::api::{
    AuditPage, DeadLetterPage, DeliveryPage, DoctorReport, JobList, LinkList, ProjectPage, RecordBody,
    ReplayList, SettingList, TokenList, WebhookList,
};
use super::lists::ListPage;

/// Each as its type, the member that has the items, `after` of the next page, and the columns.
macro_rules! lists {
    ($($page:ident, $items:ident, $next:expr, [$($column:literal),* $(,)?];)*) => {
        $(impl ListPage for $page {
            const COLUMNS: &'static [&'static str] = &[$($column),*];

            fn items(&self) -> Vec<Value> {
                self.$items.iter().filter_map(|item| serde_json::to_value(item).ok()).collect()
            }

            fn next(&self) -> Option<String> {
                let next: fn(&Self) -> Option<String> = $next;
                next(self)
            }
        })*

        /// The names of these types in the description of the API.
        pub(super) const LISTS: &[&str] = &[$(stringify!($page)),*];
    };
}

lists! {
    AuditPage, entries, |page| page.next.map(|next| next.to_string()), [
        "no", "at", "by", "what", "project", "callback", "host", "url", "detail",
    ];
    DeadLetterPage, dead_letters, |page| page.next.map(|next| next.to_string()), [
        "no", "project", "callback", "reason", "at", "records", "bytes", "batch", "redelivering",
        "last_attempt.started_at", "last_attempt.took_seconds", "last_attempt.status", "last_attempt.outcome",
        "last_attempt.class",
    ];
    DeliveryPage, deliveries, |page| page.next.clone(), [
        "id", "project", "callback", "state", "records", "bytes", "cut_at", "attempts",
        "last_attempt.started_at", "last_attempt.took_seconds", "last_attempt.status", "last_attempt.outcome",
        "last_attempt.class", "next_attempt_at", "waits_for", "dead_letter", "replay",
    ];
    DoctorReport, findings, |_| None, ["severity", "title", "explanation", "fix_sql"];
    JobList, jobs, |_| None, [
        "no", "what", "project", "by", "state", "total", "done", "records", "started_at", "ended_at",
        "left_seconds", "error",
    ];
    LinkList, links, |_| None, [
        "id", "can", "project", "created_at", "created_by", "expires_at", "used_at",
    ];
    ProjectPage, projects, |page| page.next.clone(), [
        "project", "state", "hosts", "owners", "pending.records", "pending.bytes", "pending.oldest_seconds",
        "last_success_seconds",
    ];
    RecordBody, items, |body| body.next.clone().filter(|_| body.more), [
        "position", "commit_lsn", "committed_at", "record",
    ];
    ReplayList, replays, |_| None, [
        "no", "id", "state", "asked.from_lsn", "asked.since", "asked.to_lsn", "asked.project", "asked.callback",
        "asked.deliveries", "asked_at", "ended_at", "rate", "records", "sent", "refused",
    ];
    SettingList, settings, |_| None, ["name", "value", "at_start", "source"];
    TokenList, tokens, |_| None, [
        "name", "can", "project", "created_at", "created_by", "expires_at", "last_used_at",
    ];
    WebhookList, webhooks, |_| None, [
        "project", "callback", "host", "origin", "set_in", "revision", "changed_at", "lanes",
    ];
}
