//! What is not as it should be, each with its cure and what will follow. Pure.

use std::collections::HashMap;

use crate::admin::api::{LaneStatus, Status};
use crate::admin::page::parts::is_failing;
use crate::admin::page::visit::Links;
use crate::admin::page::{show, texts as t};
use crate::deliver::LaneCondition;
use crate::record::Callback;
use crate::spool::Room;

/// About how many seconds a lane takes to deliver what waits, once its receiver takes requests.
pub(super) type Paces = HashMap<(String, Callback), f64>;

pub(super) struct Alert {
    pub(super) sentence: String,
    /// What will follow, where nothing is done.
    pub(super) forecast: Option<String>,
    /// SQL or a setting, to copy.
    pub(super) cure: Option<&'static str>,
    /// Where it is mended.
    pub(super) link: Option<(String, &'static str)>,
}

/// The most urgent first.
pub(super) fn alerts(status: &Status, paces: &Paces, links: &Links) -> Vec<Alert> {
    let reasons = status.readiness.reasons.iter().map(|reason| Alert {
        sentence: t::alert::not_ready(reason),
        forecast: Some(t::alert::NOT_READY_FORECAST.to_owned()),
        cure: None,
        link: None,
    });
    let mut alerts: Vec<Alert> = reasons.collect();
    alerts.extend(slot(status));
    alerts.extend(lag(status, links));
    alerts.extend(spool(status));
    alerts.extend(failing(status, paces, links));
    alerts.extend(dead_letters(status, links));
    let paused = status.lanes.iter().filter(|lane| lane.state == LaneCondition::Paused).count() as u64;
    if paused > 0 {
        alerts.push(Alert {
            sentence: t::alert::paused(paused),
            forecast: Some(t::alert::PAUSED_FORECAST.to_owned()),
            cure: None,
            link: Some((links.by("projects", "state", "paused"), t::alert::SHOW_THEM)),
        });
    }
    alerts
}

/// Whether the server is about to remove, or has removed, WAL that the slot needs.
pub(super) fn loses_wal(status: &Status) -> bool {
    let state = status.source.wal_status.as_deref();
    state.is_some_and(|state| state != "reserved" && state != "extended")
}

fn slot(status: &Status) -> Option<Alert> {
    let state = status.source.wal_status.as_deref().filter(|_| loses_wal(status))?;
    Some(Alert {
        sentence: t::alert::wal(state),
        forecast: Some(t::alert::WAL_FORECAST.to_owned()),
        cure: Some(t::alert::WAL_CURE),
        link: None,
    })
}

/// Reading is behind the database.
fn lag(status: &Status, links: &Links) -> Option<Alert> {
    let source = &status.source;
    let seconds = source.confirmed_lag_seconds.filter(|seconds| *seconds > LAG_SECONDS)?;
    let bytes = source.confirmed_lag_bytes.filter(|bytes| *bytes > LAG_BYTES)?;
    let catches_up = source.catches_up_in_seconds.map(show::about);
    Some(Alert {
        sentence: t::alert::lag(&show::span(seconds), &show::size(bytes)),
        forecast: Some(t::alert::catches_up(catches_up.as_deref())),
        cure: None,
        link: Some((links.to("doctor"), t::alert::OPEN_DOCTOR)),
    })
}

fn spool(status: &Status) -> Option<Alert> {
    let sentence = match status.spool.room {
        Room::Open => return None,
        Room::Near => t::alert::SPOOL_NEAR,
        Room::Full => t::alert::SPOOL_FULL,
    };
    Some(Alert {
        sentence: sentence.to_owned(),
        forecast: status.spool.full_in_seconds.map(|seconds| t::alert::spool_lasts(&show::span(seconds))),
        cure: Some(t::alert::SPOOL_CURE),
        link: None,
    })
}

/// The lanes that fail: first those that give up first.
fn by_urgency(status: &Status) -> Vec<&LaneStatus> {
    let mut lanes: Vec<&LaneStatus> = status.lanes.iter().filter(|lane| is_failing(lane)).collect();
    let left = |lane: &LaneStatus| lane.gives_up_in_seconds.unwrap_or(f64::MAX);
    lanes.sort_by(|a, b| left(a).total_cmp(&left(b)));
    lanes
}

/// Those that have an alert of their own.
pub(super) fn shown_failing(status: &Status) -> impl Iterator<Item = &LaneStatus> {
    by_urgency(status).into_iter().take(LANES_SHOWN)
}

fn failing(status: &Status, paces: &Paces, links: &Links) -> Vec<Alert> {
    let lanes = by_urgency(status);
    let more = lanes.len().saturating_sub(LANES_SHOWN) as u64;
    let disk = status.spool.full_in_seconds.map(show::span);
    let of_lane = |lane: &&LaneStatus| {
        let pace = paces.get(&(lane.project.clone(), lane.callback)).map(show::about);
        let until = lane.gives_up_in_seconds.map(|seconds| show::moment_in(&status.at, seconds));
        let forecast = t::alert::Forecast {
            records: lane.pending.records,
            until: until.as_deref(),
            disk: disk.as_deref(),
            pace: pace.as_deref(),
        };
        alert(lane, forecast, links)
    };
    let mut alerts: Vec<Alert> = lanes.iter().take(LANES_SHOWN).map(of_lane).collect();
    if more > 0 {
        let link = Some((links.by("projects", "state", "failing"), t::alert::SHOW_THEM));
        alerts.push(Alert { sentence: t::alert::more(more), forecast: None, cure: None, link });
    }
    alerts
}

fn alert(lane: &LaneStatus, forecast: t::alert::Forecast<'_>, links: &Links) -> Alert {
    let answer = lane.status.map_or_else(
        || lane.last_outcome.map_or("", |kind| kind.name()).to_owned(),
        |status| status.to_string(),
    );
    let since = lane.since_seconds.map_or_else(|| t::UNKNOWN.to_owned(), show::span);
    Alert {
        sentence: t::alert::failing(&lane.project, lane.callback.name(), &answer, &since)
            + lane.remedy.as_deref().unwrap_or_default(),
        forecast: (forecast.records > 0).then(|| forecast.sentence()),
        cure: None,
        link: Some((links.by("project", "project", &lane.project), t::alert::OPEN_PROJECT)),
    }
}

fn dead_letters(status: &Status, links: &Links) -> Option<Alert> {
    let records = Some(status.spool.dead_letter_records).filter(|records| *records > 0)?;
    Some(Alert {
        sentence: t::alert::dead_letters(records),
        forecast: Some(t::alert::DEAD_LETTERS_FORECAST.to_owned()),
        cure: None,
        link: Some((links.to("dead-letters"), t::alert::SHOW_THEM)),
    })
}

const LANES_SHOWN: usize = 10;
/// Less is on its way.
const LAG_SECONDS: f64 = 60.0;
const LAG_BYTES: u64 = 16 << 20;
