//! What is not as it should be, each with its cure and what will follow. Pure.

use crate::admin::api::{Activity, LaneStatus, Status};
use crate::admin::page::parts::is_failing;
use crate::admin::page::visit::Links;
use crate::admin::page::{show, texts as t};
use crate::deliver::LaneCondition;
use crate::spool::Room;

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
pub(super) fn alerts(status: &Status, activity: &Activity, links: &Links) -> Vec<Alert> {
    let reasons = status.readiness.reasons.iter().map(|reason| Alert {
        sentence: t::alert::not_ready(reason),
        forecast: Some(t::alert::NOT_READY_FORECAST.to_owned()),
        cure: None,
        link: None,
    });
    let mut alerts: Vec<Alert> = reasons.collect();
    alerts.extend(slot(status));
    alerts.extend(spool(status, activity));
    alerts.extend(failing(status, activity, links));
    let paused = status.lanes.iter().filter(|lane| lane.state == LaneCondition::Paused).count() as u64;
    if paused > 0 {
        alerts.push(Alert {
            sentence: t::alert::paused(paused),
            forecast: None,
            cure: None,
            link: Some((links.by("projects", "state", "paused"), t::alert::SHOW_THEM)),
        });
    }
    alerts
}

/// The server is about to remove, or has removed, WAL that the slot needs.
fn slot(status: &Status) -> Option<Alert> {
    let state =
        status.source.wal_status.as_deref().filter(|state| *state != "reserved" && *state != "extended")?;
    Some(Alert {
        sentence: t::alert::wal(state),
        forecast: Some(t::alert::WAL_FORECAST.to_owned()),
        cure: Some(t::alert::WAL_CURE),
        link: None,
    })
}

fn spool(status: &Status, activity: &Activity) -> Option<Alert> {
    let spool = &status.spool;
    let sentence = match spool.room {
        Room::Open => return None,
        Room::Near => t::alert::SPOOL_NEAR,
        Room::Full => t::alert::SPOOL_FULL,
    };
    Some(Alert {
        sentence: sentence.to_owned(),
        forecast: seconds_left(status, activity).map(|seconds| t::alert::spool_lasts(&show::span(seconds))),
        cure: Some(t::alert::SPOOL_CURE),
        link: None,
    })
}

/// Each lane that fails; where these are many, only the first, which wait longest.
fn failing(status: &Status, activity: &Activity, links: &Links) -> Vec<Alert> {
    let mut lanes: Vec<&LaneStatus> = status.lanes.iter().filter(|lane| is_failing(lane)).collect();
    lanes.sort_by(|a, b| b.since_seconds.unwrap_or(0.0).total_cmp(&a.since_seconds.unwrap_or(0.0)));
    let more = lanes.len().saturating_sub(LANES_SHOWN) as u64;
    let disk = seconds_left(status, activity).map(show::span);
    let mut alerts: Vec<Alert> =
        lanes.iter().take(LANES_SHOWN).map(|lane| alert(lane, disk.as_deref(), links)).collect();
    if more > 0 {
        let link = Some((links.by("projects", "state", "failing"), t::alert::SHOW_THEM));
        alerts.push(Alert { sentence: t::alert::more(more), forecast: None, cure: None, link });
    }
    alerts
}

fn alert(lane: &LaneStatus, disk: Option<&str>, links: &Links) -> Alert {
    let answer = lane.status.map_or_else(
        || lane.last_outcome.map_or("", |kind| kind.name()).to_owned(),
        |status| status.to_string(),
    );
    let since = lane.since_seconds.map_or_else(|| t::UNKNOWN.to_owned(), show::span);
    Alert {
        sentence: t::alert::failing(&lane.project, lane.callback.name(), &answer, &since)
            + lane.remedy.as_deref().unwrap_or_default(),
        forecast: Some(t::alert::kept(
            lane.pending.records,
            lane.gives_up_in_seconds.map(show::span).as_deref(),
            disk,
        )),
        cure: None,
        link: Some((links.by("project", "project", &lane.project), t::alert::OPEN_PROJECT)),
    }
}

/// How long the spool lasts at the rate of the last hour; `None`: it does not grow.
pub(super) fn seconds_left(status: &Status, activity: &Activity) -> Option<f64> {
    let (first, last) = (activity.intervals.first()?, activity.intervals.last()?);
    let grown = last.spool_bytes.checked_sub(first.spool_bytes).filter(|grown| *grown > 0)?;
    let intervals = activity.intervals.len().saturating_sub(1) as u64;
    let left = status.spool.bytes_max.saturating_sub(status.spool.live_bytes);
    let seconds = u128::from(left) * u128::from(intervals * activity.interval_seconds) / u128::from(grown);
    u32::try_from(seconds).ok().map(f64::from)
}

const LANES_SHOWN: usize = 10;
