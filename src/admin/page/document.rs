//! What became of one document: the answer to what support is asked. Pure, but for the call.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::deliveries::pill;
use super::frame::Nav;
use super::parts::Pill;
use super::serve::show_page;
use super::times::{Fact, Time};
use super::visit::{Links, Visit};
use super::{show, texts as t};
use crate::admin::api::{DocumentDetail, DocumentQuery, DocumentRecord};
use crate::admin::respond::AdminState;
use crate::admin::text;

pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new().route("/document", get(document))
}

async fn document(State(admin): State<Arc<AdminState>>, visit: Visit) -> Response {
    show_page(admin, visit, (Nav::Document, t::nav::DOCUMENT.to_owned()), |control, visit| {
        let query = DocumentQuery { after: visit.query("after").map(str::to_owned), limit: None };
        let wanted = visit.query("project").zip(visit.query("id"));
        let found = wanted.map(|(project, id)| control.document(project, id, &query, &visit.access));
        Ok(Document::of(found.transpose()?.as_ref(), visit))
    })
    .await
}

#[derive(Template)]
#[template(path = "document.html")]
struct Document {
    links: Links,
    project: String,
    id: String,
    found: Option<Found>,
}

struct Found {
    summary: Vec<Fact>,
    facts: Vec<(&'static str, String)>,
    records: Vec<Record>,
    next: Option<String>,
    command: String,
}

struct Record {
    callback: &'static str,
    cause: Fact,
    state: Fact,
    committed_at: Time,
    position: String,
    json: String,
    delivery: Option<(String, Pill)>,
}

impl Document {
    fn of(found: Option<&DocumentDetail>, visit: &Visit) -> Self {
        Self {
            links: visit.links.clone(),
            project: visit.query("project").unwrap_or_default().to_owned(),
            id: visit.query("id").unwrap_or_default().to_owned(),
            found: found.map(|found| Found::of(found, &visit.links)),
        }
    }
}

impl Found {
    fn of(found: &DocumentDetail, links: &Links) -> Self {
        let quoted = |text: &str| format!("'{}'", show::plain(text).replace('\'', r"'\''"));
        let next = found.next.as_deref();
        Self {
            summary: found.summary.iter().map(|sentence| show::plain(sentence).into()).collect(),
            facts: facts(found),
            records: found.records.iter().map(|record| Record::of(record, links)).collect(),
            next: next.map(|after| {
                links.with("document", &[("project", &found.project), ("id", &found.id), ("after", after)])
            }),
            command: format!("sidecar why --project {} --id {}", quoted(&found.project), quoted(&found.id)),
        }
    }
}

fn facts(found: &DocumentDetail) -> Vec<(&'static str, String)> {
    let row = match (&found.row.exists, &found.row.error) {
        (_, Some(error)) => format!("{}: {}", t::UNKNOWN, show::plain(error)),
        (Some(true), None) => t::document::ROW_EXISTS.to_owned(),
        (Some(false), None) => t::document::ROW_MISSING.to_owned(),
        (None, None) => t::UNKNOWN.to_owned(),
    };
    let mut facts = vec![(t::document::ROW, row)];
    match &found.shadow {
        None => facts.push((t::document::SHADOW, t::document::NOT_IN_SHADOW.to_owned())),
        Some(shadow) => {
            let state = if shadow.live { t::document::LIVE } else { t::document::NOT_LIVE };
            let project =
                shadow.project.as_deref().map_or_else(|| t::document::OTHER_PROJECT.to_owned(), show::plain);
            facts.push((t::document::SHADOW, state.to_owned()));
            facts.push((t::document::SHADOW_PROJECT, project));
            facts.extend(shadow.key.as_deref().map(|key| (t::document::KEY, show::plain(key))));
        }
    }
    facts.extend(found.applied_lsn.clone().map(|lsn| (t::document::APPLIED, lsn)));
    facts.extend(found.server_lsn.clone().map(|lsn| (t::document::WRITTEN, lsn)));
    facts
}

impl Record {
    fn of(record: &DocumentRecord, links: &Links) -> Self {
        let delivery = record.delivery.as_ref();
        Self {
            callback: record.callback.name(),
            cause: show::plain(&record.cause).into(),
            state: show::plain(&record.state).into(),
            committed_at: Time::of(&record.committed_at),
            position: record.position.clone(),
            json: text::pretty_json(record.record.get()),
            delivery: delivery.map(|batch| (links.by("delivery", "id", &batch.id), pill(batch.state))),
        }
    }
}
