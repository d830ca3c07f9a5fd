//! One project: three callbacks, side by side. Pure.

use askama::Template;

use super::card::Card;
use crate::admin::access::Capability;
use crate::admin::api::ProjectDetail;
use crate::admin::page::texts as t;
use crate::admin::page::visit::{Links, Visit};
use crate::record::Callback;

#[derive(Template)]
#[template(path = "project.html")]
pub(super) struct Project {
    links: Links,
    name: String,
    /// The webhooks for every project.
    is_default: bool,
    can_manage: bool,
    can_send: bool,
    cards: Vec<Card>,
    /// Its live documents, and whether that is an estimate.
    documents: Option<(u64, bool)>,
}

impl Project {
    pub(super) fn of(detail: ProjectDetail, visit: &Visit) -> Self {
        let can = |capability| visit.access.can.contains(&capability);
        let ProjectDetail { project, callbacks, documents } = detail;
        Self {
            links: visit.links.clone(),
            is_default: project == "*",
            can_manage: can(Capability::Manage),
            can_send: can(Capability::SendAgain),
            cards: callbacks.into_iter().map(|callback| Card::of(&project, callback)).collect(),
            documents: documents.map(|documents| (documents.count, documents.is_estimate)),
            name: project,
        }
    }
}
