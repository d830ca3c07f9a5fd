//! Replays on request: the range is found in the spool, stored there, and passed to delivery.

use uuid::Uuid;

use super::Controller;
use super::lanes::Lanes;
use crate::admin::{
    LaneCount, ReplayBacklog, ReplayList, ReplayStatus, ReplaySummary, RequestError, Scope, WindowStatus,
};
use crate::capture::Capture;
use crate::deliver::{LaneCondition, LaneView};
use crate::replay::{
    Plan, ReplayError, ReplayInputs, ReplayLane, ReplayRequest, documents_with_newer_records, plan,
};
use crate::spool::{
    Done, Epochs, Fact, LaneReplay, NewReplay, Op, Reader, RecordRange, Replay, ReplayNo, ReplayState, Room,
    SpoolError,
};

impl Controller {
    pub(super) fn start_replay(&self, request: ReplayRequest) -> Result<ReplaySummary, RequestError> {
        let reader = self.reader()?;
        let request = request.normalised();
        loop {
            let lanes = self.lanes();
            let plan = self.plan(&reader, &request, &lanes)?;
            let mut summary = summary(&plan, &lanes);
            if request.dry_run {
                summary.documents_with_newer_records = match plan.end {
                    None => None,
                    Some(end) => Some(documents_with_newer_records(&reader, &self.spool, &plan.ranges, end)?),
                };
                return Ok(summary);
            }
            self.check_room(&reader)?;
            if plan.ranges.is_empty() {
                return Ok(summary);
            }
            let new = NewReplay {
                id: Uuid::now_v7(),
                request: serde_json::to_string(&request).unwrap_or_default(),
                requested_at: self.clock.wall(),
                rate: request.rate,
                ranges: replay_ranges(&plan, ReplayNo::default()),
                low_watermark: Some(plan.window.low_watermark),
            };
            let (id, rate) = (new.id, new.rate);
            let Done::Replaying(no) = self.spool.apply(Op::Replay(new))? else {
                // Retention has removed records since the plan was made: plan again.
                continue;
            };
            self.deliver.replay(no, id, rate, replay_ranges(&plan, no));
            tracing::info!(replay = %id, records = summary.records, lanes = summary.lanes.len(), "the replay was started");
            (summary.no, summary.id) = (Some(no.0), Some(id.to_string()));
            return Ok(summary);
        }
    }

    pub(super) fn list_replays(&self, scope: &Scope) -> Result<ReplayList, RequestError> {
        let reader = self.reader()?;
        let replays: Vec<Replay> =
            reader.replays()?.into_iter().filter(|replay| is_in(replay, scope)).collect();
        let lanes = self.lanes_of(&reader, &replays)?;
        let replays = replays.into_iter().map(|replay| replay_status(&reader, replay, &lanes));
        Ok(ReplayList {
            window: window(&reader, &self.capture)?,
            replays: replays.collect::<Result<_, SpoolError>>()?,
        })
    }

    pub(super) fn stop_replay(&self, no: u64, scope: &Scope) -> Result<ReplayStatus, RequestError> {
        let reader = self.reader()?;
        let find = || {
            let replay = reader.replay(ReplayNo(no))?;
            replay.filter(|replay| is_in(replay, scope)).ok_or_else(|| not_found(no))
        };
        let found = find()?;
        if found.state != ReplayState::Running {
            return Err(RequestError::Conflict(format!(
                "replay {no} has ended: it is {}",
                found.state.name()
            )));
        }
        self.deliver.cancel_replay(found.no)?;
        tracing::info!(replay = %found.id, "the replay was cancelled");
        let stopped = find()?;
        let lanes = self.lanes_of(&reader, std::slice::from_ref(&stopped))?;
        Ok(replay_status(&reader, stopped, &lanes)?)
    }

    /// The lanes that running replays send.
    fn lanes_of(&self, reader: &Reader, replays: &[Replay]) -> Result<Lanes, SpoolError> {
        let mut lanes = Vec::new();
        for replay in replays.iter().filter(|replay| replay.state == ReplayState::Running) {
            lanes.extend(reader.ranges(replay.no)?.iter().map(|range| range.lane));
        }
        lanes.sort_unstable();
        lanes.dedup();
        let views = if lanes.is_empty() { Vec::new() } else { self.deliver.view_of(lanes) };
        Ok(Lanes::of(views))
    }

    fn plan(&self, reader: &Reader, request: &ReplayRequest, lanes: &Lanes) -> Result<Plan, RequestError> {
        let mut known: Vec<ReplayLane> = lanes.all().map(known).collect();
        known.sort_by(|a, b| (&a.project, a.lane).cmp(&(&b.project, b.lane)));
        let inputs = ReplayInputs {
            now: self.clock.wall(),
            position: self.capture.position(),
            epoch_after: epochs(reader)?.current_after(),
            lanes: &known,
        };
        Ok(plan(reader, request, &inputs)?)
    }

    /// Fails where another replay cannot run.
    pub(super) fn check_room(&self, reader: &Reader) -> Result<(), RequestError> {
        if self.spool.room() != Room::Open {
            return Err(RequestError::Conflict(
                "the spool is near `spool.bytes_max`, and a replay would be cancelled at once: \
                 raise it, or fix the failing webhooks that `sidecar status` lists"
                    .to_owned(),
            ));
        }
        let running = reader.replays()?.iter().filter(|replay| replay.state == ReplayState::Running).count();
        if running >= REPLAYS_MAX {
            return Err(RequestError::Conflict(format!(
                "{running} replays are running: wait for one, or cancel one with `sidecar replay cancel NUMBER`"
            )));
        }
        Ok(())
    }
}

fn replay_ranges(plan: &Plan, replay: ReplayNo) -> Vec<LaneReplay> {
    plan.ranges.iter().map(|range| LaneReplay::new(replay, range)).collect()
}

fn known(view: &LaneView) -> ReplayLane {
    ReplayLane { lane: view.lane, project: view.project.clone(), has_webhook: view.has_webhook }
}

fn summary(plan: &Plan, lanes: &Lanes) -> ReplaySummary {
    ReplaySummary {
        no: None,
        id: None,
        records: plan.ranges.iter().map(|range| range.records).sum(),
        bytes: plan.ranges.iter().map(|range| range.bytes).sum(),
        lanes: counts(&plan.ranges, lanes),
        without_webhook: counts(&plan.without_webhook, lanes),
        begins_late: plan.begins_late.then(|| plan.window.after.to_rfc3339()),
        documents_with_newer_records: None,
    }
}

/// Sums per lane: a lane has several ranges where records were discarded.
fn counts(ranges: &[RecordRange], lanes: &Lanes) -> Vec<LaneCount> {
    let mut counts: Vec<LaneCount> = Vec::new();
    for range in ranges {
        let (project, callback) = (lanes.project(range.lane), range.lane.callback());
        match counts.last_mut().filter(|last| last.project == project && last.callback == callback) {
            Some(last) => {
                last.records += range.records;
                last.bytes += range.bytes;
            }
            None => counts.push(LaneCount {
                project: project.to_owned(),
                callback,
                records: range.records,
                bytes: range.bytes,
            }),
        }
    }
    counts
}

/// The range that can be replayed.
pub(super) fn window(reader: &Reader, capture: &Capture) -> Result<Option<WindowStatus>, SpoolError> {
    let window = reader.window(epochs(reader)?.current_after())?;
    Ok(window.zip(capture.position()).map(|(window, position)| WindowStatus {
        from_lsn: window.first.commit.to_string(),
        after: window.after.to_rfc3339(),
        to_lsn: position.resume_lsn.to_string(),
    }))
}

/// Running replays, the newest first.
pub(super) fn running(
    reader: &Reader,
    lanes: impl FnOnce() -> Lanes,
) -> Result<Vec<ReplayStatus>, SpoolError> {
    let mut running = reader.replays()?;
    running.retain(|replay| replay.state == ReplayState::Running);
    if running.is_empty() {
        return Ok(Vec::new());
    }
    let lanes = lanes();
    running.into_iter().map(|replay| replay_status(reader, replay, &lanes)).collect()
}

fn replay_status(reader: &Reader, replay: Replay, lanes: &Lanes) -> Result<ReplayStatus, SpoolError> {
    let ranges = reader.ranges(replay.no)?;
    let sum = |of: fn(&LaneReplay) -> u64| ranges.iter().map(of).sum();
    let mut waiting: Vec<ReplayBacklog> = Vec::new();
    let is_running = replay.state == ReplayState::Running;
    for range in ranges.iter().filter(|range| is_running && range.cursor < range.last) {
        let (project, callback) = (lanes.project(range.lane), range.lane.callback());
        let records = range.records - range.sent - range.refused;
        match waiting.last_mut().filter(|last| last.project == project && last.callback == callback) {
            Some(last) => last.records += records,
            None => waiting.push(ReplayBacklog {
                project: project.to_owned(),
                callback,
                state: lanes.get(range.lane).map_or(LaneCondition::Idle, |view| view.state),
                records,
            }),
        }
    }
    Ok(ReplayStatus {
        no: replay.no.0,
        id: replay.id.to_string(),
        state: replay.state,
        request: request_of(&replay),
        requested_at: replay.requested_at.to_rfc3339(),
        ended_at: replay.ended_at.map(crate::time::Timestamp::to_rfc3339),
        rate: replay.rate,
        records: sum(|range| range.records),
        sent: sum(|range| range.sent),
        refused: sum(|range| range.refused),
        waiting,
    })
}

fn request_of(replay: &Replay) -> ReplayRequest {
    serde_json::from_str(&replay.request).unwrap_or_default()
}

/// Whether a replay was of one project that is in the scope.
fn is_in(replay: &Replay, scope: &Scope) -> bool {
    scope.project().is_none_or(|own| request_of(replay).project.as_deref() == Some(own))
}

pub(super) fn epochs(reader: &Reader) -> Result<Epochs, SpoolError> {
    let bytes = reader.fact(Fact::Epoch)?.unwrap_or_default();
    Epochs::from_bytes(&bytes).ok_or_else(|| SpoolError::Damaged("the epochs".into()))
}

fn not_found(no: u64) -> RequestError {
    RequestError::NotFound(format!("there is no replay {no}: `sidecar replay list` lists the replays"))
}

impl From<SpoolError> for RequestError {
    fn from(error: SpoolError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<ReplayError> for RequestError {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Invalid(wrong) => Self::of_sentences(&wrong),
            ReplayError::Unavailable(why) => Self::Conflict(why),
            ReplayError::Spool(error) => error.into(),
        }
    }
}

/// Every batch of a lane considers each of them.
const REPLAYS_MAX: usize = 16;
