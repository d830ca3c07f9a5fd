//! Jobs as the page shows them. Pure.

use askama::Template;

use crate::admin::access::Capability;
use crate::admin::api::{JobList, JobState, JobStatus};
use crate::admin::page::parts::Pill;
use crate::admin::page::times::{Fact, Time};
use crate::admin::page::visit::{Links, Visit};
use crate::admin::page::{show, texts as t};

#[derive(Template)]
#[template(path = "jobs.html")]
pub(super) struct Jobs {
    links: Links,
    rows: Vec<Row>,
}

struct Row {
    no: u64,
    link: String,
    what: &'static str,
    project: String,
    by: String,
    pill: Pill,
    progress: String,
    started: Time,
    ended: Time,
}

#[derive(Template)]
#[template(path = "job.html")]
pub(super) struct Job {
    title: String,
    pill: Pill,
    what: &'static str,
    done: u64,
    total: u64,
    progress: String,
    /// About how long the rest takes.
    left: Option<String>,
    error: Option<Fact>,
    facts: Vec<(&'static str, Fact)>,
    /// While it is at work.
    cancel: Option<String>,
    reload: Option<String>,
    back: String,
}

impl Jobs {
    pub(super) fn of(list: &JobList, visit: &Visit) -> Self {
        let row = |job: &JobStatus| Row {
            no: job.no,
            link: visit.links.by("job", "no", &job.no.to_string()),
            what: t::jobs::what(&job.what),
            project: job.project.as_deref().map_or_else(|| t::replay::ALL_PROJECTS.to_owned(), show::plain),
            by: show::plain(&job.by),
            pill: pill(job.state),
            progress: t::jobs::progress(job.done, job.total),
            started: Time::of(&job.started_at),
            ended: job.ended_at.as_deref().map(Time::of).unwrap_or_default(),
        };
        Self { links: visit.links.clone(), rows: list.jobs.iter().map(row).collect() }
    }
}

impl Job {
    pub(super) fn of(job: &JobStatus, visit: &Visit) -> Self {
        let no = job.no.to_string();
        let is_running = job.state == JobState::Running;
        let project = job.project.as_deref().map_or_else(|| t::replay::ALL_PROJECTS.to_owned(), show::plain);
        let mut facts = vec![
            (t::PROJECT, project.into()),
            (t::jobs::BY, show::plain(&job.by).into()),
            (t::jobs::RECORDS, show::number(job.records).into()),
            (t::jobs::STARTED, Time::of(&job.started_at).into()),
        ];
        facts.extend(job.ended_at.as_deref().map(|at| (t::jobs::ENDED, Time::of(at).into())));
        Self {
            title: t::jobs::title(job.no),
            pill: pill(job.state),
            what: t::jobs::what(&job.what),
            done: job.done,
            total: job.total.max(1),
            progress: t::jobs::progress(job.done, job.total),
            left: job.left_seconds.map(t::jobs::left),
            error: job.error.as_deref().map(|error| show::plain(error).into()),
            facts,
            cancel: (is_running && visit.can(Capability::SendAgain))
                .then(|| visit.links.by("job/cancel", "no", &no)),
            reload: is_running.then(|| visit.links.by("job", "no", &no)),
            back: visit.links.to("jobs"),
        }
    }
}

fn pill(state: JobState) -> Pill {
    match state {
        JobState::Cancelled => Pill::quiet(t::jobs::CANCELLED),
        JobState::Done => Pill::ok(t::jobs::DONE),
        JobState::Failed => Pill::bad(t::jobs::FAILED),
        JobState::Running => Pill { tone: "ok", icon: "→", word: t::jobs::RUNNING },
    }
}
