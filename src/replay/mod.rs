//! Replays: the range of a request is parsed, searched and checked before the replay starts.
//!
//! Nothing is sent here: the ranges found enter the spool in one operation, and delivery sends them.

mod newer;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::position::{Lsn, Place};
use crate::record::{Callback, LaneNo, Seq};
use crate::spool::{
    Reader, RecordRange, ReplayWindow, Search, SearchResult, SearchStart, SpoolError, StreamPosition,
};
use crate::time::Timestamp;

pub use newer::documents_with_newer_records;

/// A replay, as requested: one of `from_lsn` and `since`; the rest is optional.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayRequest {
    /// `0/16B3748`, `0-16B3748`, or with one record's number `0-16B3748/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9A-Fa-f]{1,8}[/-][0-9A-Fa-f]{1,8}(/[0-9]{1,9})?$")]
    pub from_lsn: Option<String>,
    /// RFC 3339: starts with the first transaction committed then or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub since: Option<String>,
    /// The last position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9A-Fa-f]{1,8}[/-][0-9A-Fa-f]{1,8}(/[0-9]{1,9})?$")]
    pub to_lsn: Option<String>,
    /// Only this project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Only this callback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Callback>)]
    pub callback: Option<String>,
    /// Limit in records per second over all lanes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub rate: Option<u32>,
    /// A replay of batches: how many. It is started by their selection, and shown here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deliveries: Option<u64>,
    /// Only counts the records.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

impl ReplayRequest {
    /// With its positions in the form in which they are shown.
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
    /// The request is invalid: a sentence for each field that is wrong.
    #[error("{}", .0.join("\n"))]
    Invalid(Vec<String>),
    /// The records are not available, now or any more.
    #[error("{0}")]
    Unavailable(String),
    /// The spool cannot be read.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// The state in which a replay is planned.
#[derive(Clone, Copy, Debug)]
pub struct ReplayInputs<'a> {
    /// The current time.
    pub now: Timestamp,
    /// The position up to which the stream is applied.
    pub position: Option<StreamPosition>,
    /// The last record before the current epoch.
    pub epoch_after: Seq,
    /// Every lane.
    pub lanes: &'a [ReplayLane],
}

/// A lane that a replay may cover.
#[derive(Clone, Debug)]
pub struct ReplayLane {
    /// Its number.
    pub lane: LaneNo,
    /// Its project's name.
    pub project: String,
    /// Whether a webhook is configured for it.
    pub has_webhook: bool,
}

/// What a replay will send.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The range that could be replayed when the plan was made.
    pub window: ReplayWindow,
    /// The ranges of lanes with a webhook.
    pub ranges: Vec<RecordRange>,
    /// The ranges of lanes without a webhook: they are left out.
    pub without_webhook: Vec<RecordRange>,
    /// The last record in the range, where the request has an end.
    pub end: Option<Seq>,
    /// The range begins before the window, so the replay begins with the window.
    pub begins_late: bool,
}

/// Finds the records of the request, or says why they are not available.
pub fn plan(
    reader: &Reader,
    request: &ReplayRequest,
    inputs: &ReplayInputs<'_>,
) -> Result<Plan, ReplayError> {
    let Some(position) = inputs.position else {
        return Err(ReplayError::Unavailable(
            "the first start has not finished: there is nothing to replay yet".to_owned(),
        ));
    };
    if request.deliveries.is_some() {
        let why = "`deliveries`: a replay of batches is started by `POST /api/v1/deliveries/replay`";
        return Err(ReplayError::Invalid(vec![why.to_owned()]));
    }
    let read_up_to = position.open.map_or(position.resume_lsn, |open| open.commit.max(position.resume_lsn));
    let Range { from, to, callback } = range(request, inputs, read_up_to).map_err(ReplayError::Invalid)?;
    let search = Search { from, to, epoch_after: inputs.epoch_after };
    let selected = |lane: &&ReplayLane| {
        request.project.as_ref().is_none_or(|project| *project == lane.project)
            && callback.is_none_or(|callback| callback == lane.lane.callback())
    };
    let selected: Vec<&ReplayLane> = inputs.lanes.iter().filter(selected).collect();
    let found = find(reader, &search, &mut |no| selected.iter().any(|lane| lane.lane == no))?;
    let has_webhook =
        |range: &RecordRange| selected.iter().any(|lane| lane.lane == range.lane && lane.has_webhook);
    let (window, found) = found;
    let begins_late = matches!(from, SearchStart::Since(at) if at <= window.after);
    let (ranges, without_webhook) = found.ranges.into_iter().partition(has_webhook);
    Ok(Plan { window, ranges, without_webhook, end: found.end, begins_late })
}

/// What the fields of a request say.
struct Range {
    from: SearchStart,
    to: Option<Place>,
    callback: Option<Callback>,
}

/// Reads the fields of the request, or says of each that is wrong what is.
fn range(request: &ReplayRequest, inputs: &ReplayInputs<'_>, read_up_to: Lsn) -> Result<Range, Vec<String>> {
    let from = begin(request, inputs.now).and_then(|from| match from {
        SearchStart::Place(place) => check_not_ahead("from_lsn", place, read_up_to).map(|()| from),
        SearchStart::Since(_) => Ok(from),
    });
    let to = request.to_lsn.as_deref().map(|text| {
        let to = place("to_lsn", text)?;
        check_not_ahead("to_lsn", to, read_up_to)?;
        match from {
            Ok(SearchStart::Place(from)) if to.last() < from.first() => Err(format!(
                "`to_lsn`: {} lies before the start {}: it is the last place that is sent",
                to.last().commit,
                from.first().commit
            )),
            _ => Ok(to),
        }
    });
    let callback = request
        .callback
        .as_deref()
        .map(|text| text.parse::<Callback>().map_err(|error| format!("`callback`: {error}")));
    let project = request.project.as_deref().map(|project| check_project(project, inputs.lanes));
    let rate = (request.rate == Some(0))
        .then(|| "`rate`: a whole number of records a second is expected, at least 1".to_owned());
    match (from, to.transpose(), callback.transpose(), project.transpose(), rate) {
        (Ok(from), Ok(to), Ok(callback), Ok(_), None) => Ok(Range { from, to, callback }),
        (from, to, callback, project, rate) => {
            let wrong = [from.err(), to.err(), project.err(), callback.err(), rate];
            Err(wrong.into_iter().flatten().collect())
        }
    }
}

/// Searches until window and ranges are of one moment.
fn find(
    reader: &Reader,
    search: &Search,
    wants: &mut dyn FnMut(LaneNo) -> bool,
) -> Result<(ReplayWindow, SearchResult), ReplayError> {
    loop {
        let window = reader.window(search.epoch_after)?;
        let window =
            window.ok_or_else(|| ReplayError::Unavailable("the first start has not finished".to_owned()))?;
        check_within(search.from, &window, search.epoch_after)?;
        let from = match search.from {
            SearchStart::Since(at) => SearchStart::Since(at.max(Timestamp(window.after.0.saturating_add(1)))),
            place @ SearchStart::Place(_) => place,
        };
        let found = reader.search(&Search { from, ..*search }, wants)?;
        // Retention may have removed records in between.
        if found.low_watermark == Some(window.low_watermark) {
            return Ok((window, found));
        }
    }
}

fn begin(request: &ReplayRequest, now: Timestamp) -> Result<SearchStart, String> {
    match (&request.from_lsn, &request.since) {
        (Some(text), None) => Ok(SearchStart::Place(place("from_lsn", text)?)),
        (None, Some(text)) => {
            let at = Timestamp::from_rfc3339(text).ok_or_else(|| {
                format!("`since`: `{text}` is no time: expected RFC 3339 as in `2026-01-31T09:00:00Z`")
            })?;
            if at > now {
                return Err(format!(
                    "`since`: {} lies in the future: it is {}",
                    at.to_rfc3339(),
                    now.to_rfc3339()
                ));
            }
            Ok(SearchStart::Since(at))
        }
        (None, None) => {
            Err("`from_lsn`: either this (`0/16B3748`) or `since` (a time) is expected".to_owned())
        }
        (Some(_), Some(_)) => Err("`from_lsn`: either this or `since` is expected, not both".to_owned()),
    }
}

fn place(name: &str, text: &str) -> Result<Place, String> {
    text.parse().map_err(|error| format!("`{name}`: {error}"))
}

fn check_project(project: &str, lanes: &[ReplayLane]) -> Result<(), String> {
    if lanes.iter().any(|lane| lane.project == project) {
        return Ok(());
    }
    let mut names: Vec<&str> = lanes.iter().map(|lane| lane.project.as_str()).collect();
    names.dedup();
    let (shown, more) = (names.iter().take(PROJECTS_SHOWN), names.len().saturating_sub(PROJECTS_SHOWN));
    let shown = shown.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Err(format!("`project`: no record of `{project}` was ever kept; there are {shown}{more}"))
}

fn check_not_ahead(name: &str, place: Place, read_up_to: Lsn) -> Result<(), String> {
    if place.commit <= read_up_to {
        return Ok(());
    }
    Err(format!("`{name}`: {} lies ahead of the stream, which is read up to {read_up_to}", place.commit))
}

fn check_within(from: SearchStart, window: &ReplayWindow, epoch_after: Seq) -> Result<(), ReplayError> {
    let is_within = match from {
        // The LSN with which the window is shown to begin is a valid start, also where retention removed the
        // first records of its transaction.
        SearchStart::Place(Place { commit, number: None }) => commit >= window.first.commit,
        SearchStart::Place(place) => place.first() >= window.first,
        // A time before the window is served in part, and the summary says so.
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
    Err(ReplayError::Unavailable(format!(
        "the spool no longer holds that: what can be replayed begins with {}, committed after {}{earlier}",
        window.first.commit,
        window.after.to_rfc3339()
    )))
}

const PROJECTS_SHOWN: usize = 8;
