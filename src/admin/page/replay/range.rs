//! The form of a replay, as a request and in words. Pure.

use crate::admin::page::form::Form;
use crate::admin::page::utc::in_utc;
use crate::admin::page::visit::Visit;
use crate::admin::page::{show, texts as t};
use crate::replay::ReplayRequest;

/// The fields of the form that the query has. A field for a time takes it without its zone.
pub(super) fn form(visit: &Visit) -> Form {
    let names = ["from_lsn", "since", "to_lsn", "project", "callback", "rate"];
    let fields = names.map(|name| {
        let value = visit.query(name).unwrap_or_default();
        let value = if name == "since" { value.trim_end_matches('Z') } else { value };
        (name.to_owned(), value.to_owned())
    });
    Form::new(fields.into())
}

/// The request of the form. A rate that is no number is 0, which no replay takes either.
pub(super) fn request(visit: &Visit, dry_run: bool) -> ReplayRequest {
    let text = |name| visit.query(name).map(|value| value.trim().to_owned());
    ReplayRequest {
        from_lsn: text("from_lsn"),
        since: visit.query("since").map(in_utc),
        to_lsn: text("to_lsn"),
        project: visit.query("project").map(str::to_owned),
        callback: text("callback"),
        rate: text("rate")
            .map(|rate| rate.parse::<u64>().map_or(0, |rate| u32::try_from(rate).unwrap_or(u32::MAX))),
        deliveries: None,
        dry_run,
    }
}

/// The start of a replay, its end and of what.
pub(super) fn shown(request: &ReplayRequest) -> String {
    if let Some(deliveries) = request.deliveries {
        return t::replay::of_batches(deliveries, &of_projects(request));
    }
    let since = request.since.as_deref().map(|since| format!("{} UTC", show::time(since)));
    let from = request.from_lsn.clone().or(since).unwrap_or_default();
    t::replay::range(&show::plain(from), request.to_lsn.as_deref(), &of_projects(request))
}

/// The project and the callback that it is limited to.
fn of_projects(request: &ReplayRequest) -> String {
    let project = request.project.as_deref().map_or_else(|| t::replay::ALL_PROJECTS.to_owned(), show::plain);
    match &request.callback {
        Some(callback) => format!("{project}, {callback}"),
        None => project,
    }
}
