//! What has settled, sent again: what is asked for is read, found, and made sure of before anything of
//! it is entered.
//!
//! Nothing here is sent: the ranges that are found go to the spool in one operation, and the right loop
//! sends them.

mod newer;

use serde::{Deserialize, Serialize};

use crate::position::{Lsn, Place};
use crate::record::{Callback, LaneNo, Seq};
use crate::spool::{
    Reader, RecordRange, ReplayWindow, Search, SearchResult, SearchStart, SpoolError, StreamPosition,
};
use crate::time::Timestamp;

pub use newer::documents_with_newer_records;

/// A replay, as it is asked for: one of `from_lsn` and `since`, the rest as wanted.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayRequest {
    /// `0/16B3748`, `0-16B3748`, or with one record's number `0-16B3748/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_lsn: Option<String>,
    /// RFC 3339: the first transaction committed then or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The last place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_lsn: Option<String>,
    /// One project alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// One callback alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<String>,
    /// Records a second over all lanes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// Only counts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

impl ReplayRequest {
    /// With its places as they are shown.
    #[must_use]
    pub fn normalised(mut self) -> Self {
        for text in [&mut self.from_lsn, &mut self.to_lsn].into_iter().flatten() {
            if let Ok(place) = text.parse::<Place>() {
                *text = place.to_string();
            }
        }
        self
    }
}

/// Why there is no replay.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// What is asked for makes no sense.
    #[error("{0}")]
    Wrong(String),
    /// It cannot be had, now or any more.
    #[error("{0}")]
    Refused(String),
    /// The spool cannot be read.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// What is known when a replay is asked for.
#[derive(Clone, Copy, Debug)]
pub struct ReplayInputs<'a> {
    /// The time.
    pub now: Timestamp,
    /// How far the stream is applied.
    pub position: Option<StreamPosition>,
    /// The last record before the current epoch.
    pub epoch_after: Seq,
    /// The lanes that there are.
    pub lanes: &'a [KnownLane],
}

/// A lane, as users name it.
#[derive(Clone, Debug)]
pub struct KnownLane {
    /// Which.
    pub lane: LaneNo,
    /// Its project's name.
    pub project: String,
    /// Whether a webhook answers for it.
    pub has_webhook: bool,
}

/// What a replay would send.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What can be replayed, when it was read.
    pub window: ReplayWindow,
    /// Of lanes with a webhook.
    pub spans: Vec<RecordRange>,
    /// Of lanes without one: they take no part.
    pub without_webhook: Vec<RecordRange>,
    /// The last record that is in its range, where an end was asked for.
    pub end: Option<Seq>,
    /// What was asked for lies before the window in part: it begins with the window.
    pub begins_late: bool,
}

/// Finds what is asked for, or says why it cannot be had.
pub fn plan(reader: &Reader, asked: &ReplayRequest, known: &ReplayInputs<'_>) -> Result<Plan, ReplayError> {
    let Some(position) = known.position else {
        return Err(ReplayError::Refused(
            "the first start has not ended: there is nothing to replay yet".to_owned(),
        ));
    };
    let from = begin(asked, known.now)?;
    let to = asked.to_lsn.as_deref().map(|text| place("to_lsn", text)).transpose()?;
    let callback = asked.callback.as_deref().map(str::parse::<Callback>).transpose();
    let callback = callback.map_err(|error| ReplayError::Wrong(format!("`callback`: {error}")))?;
    if asked.rate == Some(0) {
        return Err(ReplayError::Wrong("`rate` is records a second: at least 1".to_owned()));
    }
    if let Some(project) = &asked.project {
        check_project(project, known.lanes)?;
    }
    let read_up_to = position.open.map_or(position.resume_lsn, |open| open.commit.max(position.resume_lsn));
    let places =
        [("from_lsn", if let SearchStart::Place(place) = from { Some(place) } else { None }), ("to_lsn", to)];
    for (name, place) in places.into_iter().filter_map(|(name, place)| Some((name, place?))) {
        check_not_ahead(name, place, read_up_to)?;
    }
    if let (SearchStart::Place(from), Some(to)) = (from, to)
        && to.last() < from.first()
    {
        return Err(ReplayError::Wrong(format!(
            "the end {} lies before the start {}: `to_lsn` is the last place that is sent",
            to.last().commit,
            from.first().commit
        )));
    }
    let search = Search { from, to, epoch_after: known.epoch_after };
    let wanted = |lane: &&KnownLane| {
        asked.project.as_ref().is_none_or(|project| *project == lane.project)
            && callback.is_none_or(|callback| callback == lane.lane.callback())
    };
    let wanted: Vec<&KnownLane> = known.lanes.iter().filter(wanted).collect();
    let found = find(reader, &search, &mut |no| wanted.iter().any(|lane| lane.lane == no))?;
    let has_webhook =
        |span: &RecordRange| wanted.iter().any(|lane| lane.lane == span.lane && lane.has_webhook);
    let (window, found) = found;
    let begins_late = matches!(from, SearchStart::Since(at) if at <= window.after);
    let (spans, without_webhook) = found.spans.into_iter().partition(has_webhook);
    Ok(Plan { window, spans, without_webhook, end: found.end, begins_late })
}

/// The window and what was found are of one moment.
fn find(
    reader: &Reader,
    search: &Search,
    wants: &mut dyn FnMut(LaneNo) -> bool,
) -> Result<(ReplayWindow, SearchResult), ReplayError> {
    loop {
        let window = reader.window(search.epoch_after)?;
        let window =
            window.ok_or_else(|| ReplayError::Refused("the first start has not ended".to_owned()))?;
        check_within(search.from, &window, search.epoch_after)?;
        let from = match search.from {
            SearchStart::Since(at) => SearchStart::Since(at.max(Timestamp(window.after.0.saturating_add(1)))),
            place @ SearchStart::Place(_) => place,
        };
        let found = reader.search(&Search { from, ..*search }, wants)?;
        // Retention may have removed something in between.
        if found.low_watermark == Some(window.low_watermark) {
            return Ok((window, found));
        }
    }
}

fn begin(asked: &ReplayRequest, now: Timestamp) -> Result<SearchStart, ReplayError> {
    match (&asked.from_lsn, &asked.since) {
        (Some(text), None) => Ok(SearchStart::Place(place("from_lsn", text)?)),
        (None, Some(text)) => {
            let at = Timestamp::from_rfc3339(text).ok_or_else(|| {
                ReplayError::Wrong(format!(
                    "`since`: `{text}` is no time: expected RFC 3339 as in `2026-01-31T09:00:00Z`"
                ))
            })?;
            if at > now {
                return Err(ReplayError::Wrong(format!(
                    "`since`: {} lies in the future: it is {}",
                    at.to_rfc3339(),
                    now.to_rfc3339()
                )));
            }
            Ok(SearchStart::Since(at))
        }
        _ => Err(ReplayError::Wrong(
            "say where to begin, with one of `from_lsn` (`0/16B3748`) and `since` (a time)".to_owned(),
        )),
    }
}

fn place(name: &str, text: &str) -> Result<Place, ReplayError> {
    text.parse().map_err(|error| ReplayError::Wrong(format!("`{name}`: {error}")))
}

fn check_project(project: &str, lanes: &[KnownLane]) -> Result<(), ReplayError> {
    if lanes.iter().any(|lane| lane.project == project) {
        return Ok(());
    }
    let mut names: Vec<&str> = lanes.iter().map(|lane| lane.project.as_str()).collect();
    names.dedup();
    let (shown, more) = (names.iter().take(PROJECTS_SHOWN), names.len().saturating_sub(PROJECTS_SHOWN));
    let shown = shown.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Err(ReplayError::Wrong(format!(
        "`project`: no record of `{project}` was ever kept; there are {shown}{more}"
    )))
}

fn check_not_ahead(name: &str, place: Place, read_up_to: Lsn) -> Result<(), ReplayError> {
    if place.commit <= read_up_to {
        return Ok(());
    }
    Err(ReplayError::Wrong(format!(
        "`{name}`: {} lies ahead of the stream, which is read up to {read_up_to}",
        place.commit
    )))
}

fn check_within(from: SearchStart, window: &ReplayWindow, epoch_after: Seq) -> Result<(), ReplayError> {
    let is_within = match from {
        // The LSN that the window is shown to begin with is one that can be asked for, also where
        // retention removed the first records of its transaction.
        SearchStart::Place(Place { commit, number: None }) => commit >= window.first.commit,
        SearchStart::Place(place) => place.first() >= window.first,
        // A time is a question for what is there from then on; that it is less is said.
        SearchStart::Since(_) => true,
    };
    if is_within {
        return Ok(());
    }
    let earlier = if window.low_watermark.seq < epoch_after {
        "; LSNs are of the current epoch, and earlier ones are reached by a time"
    } else {
        ""
    };
    Err(ReplayError::Refused(format!(
        "the spool no longer holds that: what can be replayed begins with {}, committed after {}{earlier}",
        window.first.commit,
        window.after.to_rfc3339()
    )))
}

const PROJECTS_SHOWN: usize = 8;
