//! The form of a replay, the replays that run, and those that have ended. Pure.

use askama::Template;

use super::range;
use crate::admin::access::Capability;
use crate::admin::api::{ReplayList, ReplayStatus};
use crate::admin::page::choice::{Choice, callbacks};
use crate::admin::page::form::Form;
use crate::admin::page::parts::Pill;
use crate::admin::page::times::Time;
use crate::admin::page::visit::{Links, Visit};
use crate::admin::page::{show, texts as t};
use crate::spool::ReplayState;
use crate::time::Timestamp;

#[derive(Template)]
#[template(path = "replay.html")]
pub(super) struct Replays {
    links: Links,
    window: String,
    form: Form,
    callbacks: Vec<Choice>,
    running: Vec<Running>,
    ended: Vec<Ended>,
    is_allowed: bool,
}

struct Running {
    no: u64,
    range: String,
    started: Time,
    sent: u64,
    records: u64,
    progress: String,
    speed: Option<String>,
    waiting: Vec<(String, String, Pill)>,
    cancel: String,
}

struct Ended {
    no: u64,
    pill: Pill,
    range: String,
    sent: String,
    refused: String,
    started: Time,
    at: Time,
}

impl Replays {
    pub(super) fn of(list: &ReplayList, visit: &Visit, now: Timestamp) -> Self {
        let form = range::form(visit);
        let (running, ended): (Vec<&ReplayStatus>, Vec<&ReplayStatus>) =
            list.replays.iter().partition(|replay| replay.state == ReplayState::Running);
        let window = list.window.as_ref();
        Self {
            links: visit.links.clone(),
            window: window.map_or_else(
                || t::replay::NO_WINDOW.to_owned(),
                |window| t::replay::window(&window.after, &window.from_lsn, &window.to_lsn),
            ),
            callbacks: callbacks(form.given("callback")),
            form,
            running: running.into_iter().map(|replay| Running::of(replay, &visit.links, now)).collect(),
            ended: ended.into_iter().map(Ended::of).collect(),
            is_allowed: visit.can(Capability::SendAgain),
        }
    }
}

impl Running {
    fn of(replay: &ReplayStatus, links: &Links, now: Timestamp) -> Self {
        let waiting = replay.waiting.iter().map(|lane| {
            let name = format!("{} · {}", show::plain(&lane.project), lane.callback);
            (name, show::count(lane.records, t::RECORD, t::RECORDS), Pill::of_lane(lane.state))
        });
        Self {
            no: replay.no,
            range: range::shown(&replay.request),
            started: Time::of(&replay.requested_at),
            sent: replay.sent,
            records: replay.records.max(1),
            progress: t::replay::progress(replay.sent, replay.records),
            speed: speed(replay, now),
            waiting: waiting.collect(),
            cancel: links.by("replay/cancel", "no", &replay.no.to_string()),
        }
    }
}

/// Records a second since it was started, and the time that the rest takes at that rate.
fn speed(replay: &ReplayStatus, now: Timestamp) -> Option<String> {
    let running = now.since(Timestamp::from_rfc3339(&replay.requested_at)?).as_secs_f64();
    let (sent, left) = (replay.sent, replay.records.saturating_sub(replay.sent + replay.refused));
    let as_number = |count| std::time::Duration::from_secs(count).as_secs_f64();
    let per_second = as_number(sent) / running.max(1.0);
    (sent > 0).then(|| t::replay::left(per_second, as_number(left) / per_second))
}

impl Ended {
    fn of(replay: &ReplayStatus) -> Self {
        let pill = match replay.state {
            ReplayState::Cancelled => Pill::quiet(t::replay::CANCELLED),
            _ => Pill::ok(t::replay::DONE),
        };
        Self {
            no: replay.no,
            pill,
            range: range::shown(&replay.request),
            sent: t::replay::progress(replay.sent, replay.records),
            refused: show::number(replay.refused),
            started: Time::of(&replay.requested_at),
            at: replay.ended_at.as_deref().map(Time::of).unwrap_or_default(),
        }
    }
}
