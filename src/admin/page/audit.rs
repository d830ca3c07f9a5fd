//! What was changed, and by whom. Pure, but for the call.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::frame::Nav;
use super::serve::show_page;
use super::times::Time;
use super::visit::{Links, Visit};
use super::{show, texts as t};
use crate::admin::api::{AuditEntry, AuditPage, AuditQuery};
use crate::admin::respond::AdminState;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new().route("/audit", get(audit))
}

async fn audit(State(admin): State<Arc<AdminState>>, visit: Visit) -> Response {
    show_page(admin, visit, (Nav::Audit, t::nav::AUDIT.to_owned()), |control, visit| {
        let query = AuditQuery {
            project: visit.query("project").map(str::to_owned),
            after: visit.number("after"),
            limit: Some(PAGE),
        };
        Ok(Audit::of(&control.audit(&query, &visit.access)?, visit))
    })
    .await
}

#[derive(Template)]
#[template(path = "audit.html")]
struct Audit {
    links: Links,
    project: String,
    rows: Vec<Row>,
    next: Option<String>,
}

struct Row {
    at: Time,
    by: String,
    what: String,
    project: String,
    callback: String,
    more: String,
}

impl Audit {
    fn of(page: &AuditPage, visit: &Visit) -> Self {
        let project = visit.query("project").unwrap_or_default();
        let next = page.next.map(|next| next.to_string());
        Self {
            links: visit.links.clone(),
            rows: page.entries.iter().map(Row::of).collect(),
            next: next.map(|after| visit.links.with("audit", &[("project", project), ("after", &after)])),
            project: project.to_owned(),
        }
    }
}

impl Row {
    fn of(entry: &AuditEntry) -> Self {
        let text = |text: &Option<String>| text.as_deref().map(show::plain).unwrap_or_default();
        let fingerprint =
            entry.url.as_deref().map(|url| format!("{} {}", t::audit::FINGERPRINT, show::plain(url)));
        let more =
            [entry.host.as_deref().map(show::plain), fingerprint, entry.detail.as_deref().map(show::plain)];
        Self {
            at: Time::of(&entry.at),
            by: show::plain(&entry.by),
            what: show::plain(&entry.what),
            project: text(&entry.project),
            callback: text(&entry.callback),
            more: more.into_iter().flatten().collect::<Vec<_>>().join(", "),
        }
    }
}

/// Rows of a page.
const PAGE: u32 = 100;
