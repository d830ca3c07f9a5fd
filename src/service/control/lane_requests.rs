//! Pauses and skips on request.

use std::time::Duration;

use super::Controller;
use crate::admin::{
    Access, LaneName, PauseRequest, PauseResult, RequestError, SkipLane, SkipRequest, SkipResult, StillPaused,
};
use crate::amount::count;
use crate::deliver::{LaneScope, LaneView, Pauses, StandingPause};
use crate::position::Place;
use crate::record::{Callback, LaneNo, Seq};
use crate::service::audit::Entry;
use crate::spool::{Done, Fact, Group, Op, Reader, SpoolError};
use crate::time::Timestamp;

impl Controller {
    pub(super) fn pause_lanes(
        &self,
        request: &PauseRequest,
        access: &Access,
    ) -> Result<PauseResult, RequestError> {
        check_reason(request)?;
        let scope = scope(request, access)?;
        let reason = request.reason.clone().unwrap_or_else(|| format!("paused by {}", access.caller));
        {
            let mut pauses = self.webhooks.pauses();
            let with = pauses.clone().with(StandingPause { scope: scope.clone(), reason: reason.clone() });
            self.store_pauses(&with)?;
            *pauses = with.clone();
            self.deliver.pause(with)?;
        }
        let in_flight = self.until_at_rest(&scope);
        let lanes = self.lanes_in(&scope).len() as u64;
        self.record_lanes(
            access,
            "lanes were paused",
            &scope,
            format!("{}: {reason}", count(lanes, "lane", "lanes")),
        );
        Ok(PauseResult { lanes, in_flight: in_flight.iter().map(name).collect(), still_paused: Vec::new() })
    }

    pub(super) fn resume_lanes(
        &self,
        request: &PauseRequest,
        access: &Access,
    ) -> Result<PauseResult, RequestError> {
        check_reason(request)?;
        let scope = scope(request, access)?;
        let mut pauses = self.webhooks.pauses();
        let without = pauses.clone().without(&scope);
        self.store_pauses(&without)?;
        *pauses = without.clone();
        self.deliver.resume(without.clone(), scope.clone())?;
        let lanes = self.lanes_in(&scope);
        let still_paused: Vec<StillPaused> = lanes
            .iter()
            .filter_map(|view| {
                let by = without.of(&view.project, view.lane.callback(), &view.host)?;
                Some(StillPaused { lane: name(view), by: by.scope.clone() })
            })
            .collect();
        self.record_lanes(access, "lanes were resumed", &scope, count(lanes.len() as u64, "lane", "lanes"));
        Ok(PauseResult { lanes: lanes.len() as u64, in_flight: Vec::new(), still_paused })
    }

    fn record_lanes(&self, access: &Access, what: &'static str, scope: &LaneScope, detail: String) {
        let LaneScope { project, callback, host } = scope;
        let about = Entry::about(what, project.as_deref());
        let callback = callback.map(Callback::name);
        self.record(access, Entry { callback, host: host.as_deref(), detail: Some(detail), ..about });
    }

    fn store_pauses(&self, pauses: &Pauses) -> Result<(), RequestError> {
        let json = serde_json::to_vec(pauses).map_err(|error| RequestError::Internal(error.to_string()))?;
        let value = Some(json).filter(|_| !pauses.0.is_empty());
        let group = Group { facts: vec![(Fact::Pauses, value)], ..Group::default() };
        self.spool.apply(Op::Commit(std::sync::Arc::new(group)))?;
        Ok(())
    }

    fn lanes_in(&self, scope: &LaneScope) -> Vec<LaneView> {
        let mut lanes = match &scope.project {
            None => self.deliver.view(),
            Some(project) => self.lanes_of_project(project),
        };
        lanes.retain(|view| scope.holds(&view.project, view.lane.callback(), &view.host));
        lanes
    }

    /// Waits until no request of these lanes is in flight. Returns those of which one still is.
    fn until_at_rest(&self, scope: &LaneScope) -> Vec<LaneView> {
        let routes = self.webhooks.routes();
        let longest = routes.all().map(|webhook| webhook.limits.timeout).max().unwrap_or_default();
        let by = self.clock.elapsed() + longest.min(REST_PATIENCE);
        loop {
            let mut lanes = self.lanes_in(scope);
            lanes.retain(|view| view.in_flight);
            if lanes.is_empty() || self.clock.elapsed() >= by {
                return lanes;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    pub(super) fn skip_records(
        &self,
        request: &SkipRequest,
        access: &Access,
    ) -> Result<SkipResult, RequestError> {
        access.scope.require(&request.project)?;
        let lanes = match (&request.counted, &request.until) {
            (Some(counted), None) => counted.clone(),
            (None, Some(until)) => self.count_skipped(request, &Until::parse(until, self.clock.wall())?)?,
            _ => {
                return Err(RequestError::Invalid(
                    "`until` or `counted`: one of them is required".to_owned(),
                ));
            }
        };
        if request.dry_run {
            return Ok(SkipResult { records: lanes.iter().map(|lane| lane.records).sum(), lanes });
        }
        let mut skipped = Vec::new();
        for SkipLane { callback, through, .. } in lanes {
            let Some(view) = self.lane_of(&request.project, callback) else { continue };
            let done = self.deliver.skip(view.lane, Seq(through), self.rest_patience(&view));
            let done = done.map_err(|error| match error {
                SpoolError::NoReply(_) => RequestError::Conflict(format!(
                    "a request of `{callback}` is still in flight, and its records were not skipped: try again"
                )),
                error => error.into(),
            })?;
            let Done::Settled { records, .. } = done else { continue };
            skipped.push(SkipLane { callback, records, through });
            let about = Entry::about("records were skipped", Some(&view.project));
            let detail = Some(count(records, "record", "records"));
            self.record(access, Entry { callback: Some(callback.name()), detail, ..about });
        }
        Ok(SkipResult { records: skipped.iter().map(|lane| lane.records).sum(), lanes: skipped })
    }

    /// The lane as delivery sees it.
    pub(super) fn lane_of(&self, project: &str, callback: Callback) -> Option<LaneView> {
        self.lanes_of_project(project).into_iter().find(|view| view.lane.callback() == callback)
    }

    /// Those of a project, without asking for all.
    fn lanes_of_project(&self, project: &str) -> Vec<LaneView> {
        let no = self.reader().and_then(|reader| reader.project(project)).ok().flatten();
        let lanes = no.map(|no| Callback::ALL.map(|callback| LaneNo::new(no, callback)).to_vec());
        lanes.map(|lanes| self.deliver.view_of(lanes)).unwrap_or_default()
    }

    fn rest_patience(&self, view: &LaneView) -> Duration {
        let routes = self.webhooks.routes();
        let webhook = routes.find(&view.project, view.lane.callback());
        webhook.map_or(Duration::ZERO, |webhook| webhook.limits.timeout) + LOOK_EVERY * 40
    }

    /// What waits in the lanes of the request, up to its end.
    fn count_skipped(&self, request: &SkipRequest, until: &Until) -> Result<Vec<SkipLane>, RequestError> {
        let reader = self.reader()?;
        let mut lanes = self.lanes_of_project(&request.project);
        if lanes.is_empty() {
            let project = &request.project;
            return Err(RequestError::NotFound(format!(
                "no record of the project `{project}` was ever kept"
            )));
        }
        lanes.retain(|view| request.callback.is_none_or(|callback| callback == view.lane.callback()));
        let mut counted = Vec::new();
        for view in lanes {
            let counts =
                count_pending(&reader, &view, until, super::replays::epochs(&reader)?.current_after())?;
            counted.extend(counts.filter(|lane| lane.records > 0));
        }
        Ok(counted)
    }
}

/// Where a skip ends.
enum Until {
    /// With the last record that there is.
    Now,
    Place(Place),
    Time(Timestamp),
}

impl Until {
    fn parse(text: &str, now: Timestamp) -> Result<Self, RequestError> {
        if text == "now" {
            return Ok(Self::Now);
        }
        if let Ok(place) = text.parse::<Place>() {
            return Ok(Self::Place(place));
        }
        let time = Timestamp::from_rfc3339(text).filter(|time| *time <= now);
        time.map(Self::Time).ok_or_else(|| {
            RequestError::field("until", format!(
                "`{text}` is neither `now`, nor a position like `0/16B3748`, nor a time that has passed like `2026-01-31T09:00:00Z`"
            ))
        })
    }
}

/// The pending records of a lane up to `until`: the last of them, and how many.
fn count_pending(
    reader: &Reader,
    view: &LaneView,
    until: &Until,
    epoch_after: Seq,
) -> Result<Option<SkipLane>, SpoolError> {
    let mut counted: Option<SkipLane> = None;
    let mut seq = Seq(view.cursor.0 + 1);
    while let Some(chunk) = reader.chunk_holding(view.lane, seq)? {
        for record in chunk.records() {
            let record = record?;
            if record.seq <= view.cursor {
                continue;
            }
            let is_before = match until {
                Until::Now => true,
                // Positions of earlier epochs are before those of this one.
                Until::Place(place) => record.seq <= epoch_after || record.position <= place.last(),
                Until::Time(time) => record.committed_at <= *time,
            };
            if !is_before {
                return Ok(counted);
            }
            let lane =
                counted.get_or_insert(SkipLane { callback: view.lane.callback(), records: 0, through: 0 });
            (lane.records, lane.through) = (lane.records + 1, record.seq.0);
        }
        seq = Seq(chunk.last.0 + 1);
    }
    Ok(counted)
}

fn scope(request: &PauseRequest, access: &Access) -> Result<LaneScope, RequestError> {
    let PauseRequest { project, callback, host, all, .. } = request.clone();
    let own = access.scope.narrowed(project.as_deref())?;
    let narrows = project.is_some() || callback.is_some() || host.is_some();
    if narrows == all {
        let why = "say which lanes: by `project`, `callback` and `host`, or `all` of them";
        return Err(RequestError::Invalid(why.to_owned()));
    }
    Ok(LaneScope { project: own, callback, host })
}

/// It stands in lists and in the log.
fn check_reason(request: &PauseRequest) -> Result<(), RequestError> {
    let reason = request.reason.as_deref().unwrap_or_default();
    if reason.chars().count() > REASON_MAX || reason.chars().any(char::is_control) {
        let why = format!("one line of at most {REASON_MAX} characters is expected");
        return Err(RequestError::field("reason", why));
    }
    Ok(())
}

fn name(view: &LaneView) -> LaneName {
    LaneName { project: view.project.clone(), callback: view.lane.callback() }
}

const REASON_MAX: usize = 1_000;
/// The longest that `pause` waits for requests in flight.
const REST_PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(25);
