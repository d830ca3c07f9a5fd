//! The form of a resync, as a request. Pure.

use crate::admin::api::ResyncRequest;
use crate::admin::page::times::Fact;
use crate::admin::page::visit::Visit;
use crate::admin::page::{show, texts as t};
use crate::admin::request_error::RequestError;

pub(super) fn request(visit: &Visit) -> Result<ResyncRequest, RequestError> {
    let kind = visit.query("kind").unwrap_or("count");
    let is_known = t::table::KINDS.iter().any(|(known, ..)| *known == kind);
    if !is_known {
        return Err(RequestError::field("kind", t::table::KIND_WRONG));
    }
    let as_ingested = if kind == "as_ingested" {
        let project = visit.query("project");
        Some(project.ok_or_else(|| RequestError::field("project", t::table::PROJECT_MISSING))?.to_owned())
    } else {
        None
    };
    Ok(ResyncRequest {
        dry_run: kind == "count",
        learn: kind == "learn",
        force: visit.query("force").is_some(),
        adopt: visit.query("adopt").is_some(),
        as_ingested,
    })
}

/// The kind of resync: its name, and what it does.
pub(super) fn described(visit: &Visit) -> (&'static str, &'static str) {
    let kind = visit.query("kind").unwrap_or("count");
    let found = t::table::KINDS.into_iter().find(|(known, ..)| *known == kind);
    found.map_or((t::table::START, ""), |(_, name, what)| (name, what))
}

pub(super) fn options(request: &ResyncRequest) -> Vec<(&'static str, Fact)> {
    let project = request.as_ingested.as_deref().map(|project| (t::PROJECT, show::plain(project)));
    let flags = [(request.force, t::table::FORCE), (request.adopt, t::table::ADOPT)];
    let flags = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| (name, t::YES.to_owned()));
    project.into_iter().chain(flags).map(|(name, value)| (name, value.into())).collect()
}
