//! The list of projects. Pure.

use askama::Template;

use crate::admin::access::Capability;
use crate::admin::api::{ProjectPage, ProjectQuery, ProjectStatus, STATES_BY_WEIGHT};
use crate::admin::page::parts::Pill;
use crate::admin::page::visit::{Links, Visit};
use crate::admin::page::{show, texts as t};

#[derive(Template)]
#[template(path = "projects.html")]
pub(super) struct Projects {
    links: Links,
    can_manage: bool,
    search: String,
    /// Name, word, and whether it is chosen.
    states: Vec<(&'static str, &'static str, bool)>,
    rows: Vec<Row>,
    next: Option<String>,
    is_filtered: bool,
}

struct Row {
    project: String,
    link: String,
    pill: Pill,
    hosts: String,
    owners: String,
    pending: String,
    last_success: String,
}

impl Projects {
    pub(super) fn query(visit: &Visit) -> ProjectQuery {
        let state = visit.query("state");
        ProjectQuery {
            search: visit.query("search").map(str::to_owned),
            state: STATES_BY_WEIGHT.into_iter().find(|known| Some(known.name()) == state),
            after: visit.query("after").map(str::to_owned),
            limit: Some(PAGE),
        }
    }

    pub(super) fn of(page: ProjectPage, visit: &Visit) -> Self {
        let query = Self::query(visit);
        let state = query.state.map_or("", |state| state.name());
        let search = query.search.unwrap_or_default();
        let next = page.next.map(|after| {
            visit.links.with("projects", &[("search", &search), ("state", state), ("after", &after)])
        });
        let states = STATES_BY_WEIGHT.iter();
        let states = states.map(|known| (known.name(), Pill::of_lane(*known).word, known.name() == state));
        Self {
            links: visit.links.clone(),
            can_manage: visit.access.can.contains(&Capability::Manage),
            states: states.collect(),
            rows: page.projects.into_iter().map(|project| Row::of(project, &visit.links)).collect(),
            next,
            is_filtered: !search.is_empty() || !state.is_empty() || query.after.is_some(),
            search,
        }
    }
}

impl Row {
    fn of(project: ProjectStatus, links: &Links) -> Self {
        let pending = match project.pending.oldest_seconds {
            Some(oldest) if project.pending.records > 0 => {
                format!("{}, {}", show::number(project.pending.records), t::oldest(oldest))
            }
            _ => show::number(project.pending.records),
        };
        Self {
            link: links.by("project", "project", &project.project),
            pill: project.state.map_or(Pill::quiet(t::project::NO_RECORD), Pill::of_lane),
            hosts: project.hosts.join(", "),
            owners: project.owners.join(", "),
            pending,
            last_success: project.last_success_seconds.map_or_else(|| t::NEVER.to_owned(), t::ago),
            project: project.project,
        }
    }
}

/// Rows of a page.
const PAGE: u32 = 50;
