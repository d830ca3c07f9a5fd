//! Replays and dead letters, as users ask for them: what is asked is found in the spool, written
//! down, and told to the right loop.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use crate::admin::{
    Again, DeadLetterShown, DeadLettersAsked, DeadLettersDone, DeadLettersPage, DeadLettersPicked, LaneCount,
    Refusal, ReplayAnswer, ReplayStatus, ReplaysStatus, WaitingLane, WindowStatus,
};
use crate::capture::Capture;
use crate::clock::Clock;
use crate::deliver::{Deliver, LaneView};
use crate::record::LaneNo;
use crate::replay::{
    KnownLane, Plan, ReplayAsked, ReplayError, ReplayInputs, documents_with_newer_records, plan,
};
use crate::spool::{
    Done, Epochs, Fact, NewReplay, Op, Part, Reader, Replay, ReplayNo, ReplayState, Room, Span, Spool,
    SpoolError,
};

/// Who sends again.
pub(super) struct SendsAgain {
    pub(super) spool: Spool,
    pub(super) capture: Arc<Capture>,
    pub(super) deliver: Arc<Deliver>,
    pub(super) clock: Clock,
}

impl Again for SendsAgain {
    fn replay(&self, asked: ReplayAsked) -> Result<ReplayAnswer, Refusal> {
        let reader = self.reader()?;
        let asked = asked.normalised();
        loop {
            let views = self.lanes();
            let plan = self.plan(&reader, &asked, &views)?;
            let mut answer = answer(&plan, &views);
            if asked.dry_run {
                answer.documents_with_newer_records = match plan.end {
                    None => None,
                    Some(end) => {
                        let folder = self.spool.folder();
                        Some(documents_with_newer_records(&reader, folder, &plan.spans, end)?)
                    }
                };
                return Ok(answer);
            }
            self.check_room(&reader)?;
            if plan.spans.is_empty() {
                return Ok(answer);
            }
            let new = NewReplay {
                id: Uuid::now_v7(),
                request: serde_json::to_string(&asked).unwrap_or_default(),
                requested_at: self.clock.wall(),
                rate: asked.rate,
                parts: plan.spans.iter().map(part).collect(),
                low_watermark: Some(plan.window.low_watermark),
            };
            let (id, rate) = (new.id, new.rate);
            let Done::Replaying(no) = self.spool.apply(Op::Replay(new))? else {
                // Retention removed something meanwhile: it is read again.
                continue;
            };
            let parts = plan.spans.iter().map(|span| Part { replay: no, ..part(span) }).collect();
            self.deliver.replay(no, id, rate, parts);
            tracing::info!(replay = %id, records = answer.records, lanes = answer.lanes.len(), "a replay begins");
            (answer.no, answer.id) = (Some(no.0), Some(id.to_string()));
            return Ok(answer);
        }
    }

    fn replays(&self) -> Result<ReplaysStatus, Refusal> {
        let reader = self.reader()?;
        let views = self.lanes();
        let replays = reader.replays()?;
        let replays = replays.into_iter().map(|replay| told(&reader, replay, &views));
        Ok(ReplaysStatus {
            window: window(&reader, &self.capture)?,
            replays: replays.collect::<Result<_, SpoolError>>()?,
        })
    }

    fn cancel_replay(&self, no: u64) -> Result<ReplayStatus, Refusal> {
        let reader = self.reader()?;
        let find = || reader.replay(ReplayNo(no))?.ok_or_else(|| missing(no));
        let found = find()?;
        if found.state != ReplayState::Running {
            return Err(Refusal::Conflict(format!("replay {no} has ended: it is {}", found.state.name())));
        }
        self.deliver.cancel_replay(found.no)?;
        tracing::info!(replay = %found.id, "the replay was cancelled");
        Ok(told(&reader, find()?, &self.lanes())?)
    }

    fn dead_letters(&self, asked: &DeadLettersAsked) -> Result<DeadLettersPage, Refusal> {
        super::dead_letters::page(&self.reader()?, &self.lanes(), asked)
    }

    fn dead_letter(&self, no: i64) -> Result<DeadLetterShown, Refusal> {
        super::dead_letters::shown(&self.reader()?, &self.lanes(), no)
    }

    fn redeliver(&self, asked: &DeadLettersPicked) -> Result<DeadLettersDone, Refusal> {
        super::dead_letters::redeliver(&self.reader()?, &self.spool, &self.deliver, asked)
    }

    fn discard(&self, asked: &DeadLettersPicked) -> Result<DeadLettersDone, Refusal> {
        super::dead_letters::discard(&self.reader()?, &self.spool, &self.lanes(), asked)
    }
}

impl SendsAgain {
    fn reader(&self) -> Result<Reader, SpoolError> {
        self.spool.reader()
    }

    fn lanes(&self) -> Lanes {
        Lanes(self.deliver.view().into_iter().map(|view| (view.lane, view)).collect())
    }

    fn plan(&self, reader: &Reader, asked: &ReplayAsked, lanes: &Lanes) -> Result<Plan, Refusal> {
        let mut known: Vec<KnownLane> = lanes.0.values().map(known).collect();
        known.sort_by(|a, b| (&a.project, a.lane).cmp(&(&b.project, b.lane)));
        let known = ReplayInputs {
            now: self.clock.wall(),
            position: self.capture.position(),
            epoch_after: epochs(reader)?.current_after(),
            lanes: &known,
        };
        Ok(plan(reader, asked, &known)?)
    }

    /// Whether one more replay can run.
    fn check_room(&self, reader: &Reader) -> Result<(), Refusal> {
        if self.spool.room() != Room::Open {
            return Err(Refusal::Conflict(
                "the spool is near `spool.bytes_max`, and a replay would be cancelled at once: \
                 raise it, or mend the failing webhooks that `sidecar status` names"
                    .to_owned(),
            ));
        }
        let running = reader.replays()?.iter().filter(|replay| replay.state == ReplayState::Running).count();
        if running >= REPLAYS_MAX {
            return Err(Refusal::Conflict(format!(
                "{running} replays run already: wait for one, or cancel one with `sidecar replay cancel NUMBER`"
            )));
        }
        Ok(())
    }
}

/// Lanes as the right loop knows them.
pub(super) struct Lanes(pub(super) HashMap<LaneNo, LaneView>);

impl Lanes {
    pub(super) fn project(&self, lane: LaneNo) -> &str {
        self.0.get(&lane).map_or("", |view| view.project.as_str())
    }
}

fn known(view: &LaneView) -> KnownLane {
    KnownLane { lane: view.lane, project: view.project.clone(), has_webhook: view.has_webhook }
}

fn part(span: &Span) -> Part {
    Part {
        replay: ReplayNo::default(),
        lane: span.lane,
        first: span.first,
        last: span.last,
        cursor: span.first.before(),
        records: span.records,
        sent: 0,
        refused: 0,
    }
}

fn answer(plan: &Plan, lanes: &Lanes) -> ReplayAnswer {
    ReplayAnswer {
        no: None,
        id: None,
        records: plan.spans.iter().map(|span| span.records).sum(),
        bytes: plan.spans.iter().map(|span| span.bytes).sum(),
        lanes: counts(&plan.spans, lanes),
        without_webhook: counts(&plan.without_webhook, lanes),
        begins_late: plan.begins_late.then(|| plan.window.after.to_rfc3339()),
        documents_with_newer_records: None,
    }
}

/// Lane by lane: a lane has several spans where something was discarded.
fn counts(spans: &[Span], lanes: &Lanes) -> Vec<LaneCount> {
    let mut counts: Vec<LaneCount> = Vec::new();
    for span in spans {
        let (project, callback) = (lanes.project(span.lane), span.lane.callback().name());
        match counts.last_mut().filter(|last| last.project == project && last.callback == callback) {
            Some(last) => {
                last.records += span.records;
                last.bytes += span.bytes;
            }
            None => counts.push(LaneCount {
                project: project.to_owned(),
                callback,
                records: span.records,
                bytes: span.bytes,
            }),
        }
    }
    counts
}

/// What can be replayed.
pub(super) fn window(reader: &Reader, capture: &Capture) -> Result<Option<WindowStatus>, SpoolError> {
    let window = reader.window(epochs(reader)?.current_after())?;
    Ok(window.zip(capture.position()).map(|(window, position)| WindowStatus {
        from_lsn: window.first.commit.to_string(),
        after: window.after.to_rfc3339(),
        to_lsn: position.resume_lsn.to_string(),
    }))
}

/// Those that run, the newest first.
pub(super) fn running(reader: &Reader, lanes: &Lanes) -> Result<Vec<ReplayStatus>, SpoolError> {
    let replays = reader.replays()?.into_iter();
    let running = replays.filter(|replay| replay.state == ReplayState::Running);
    running.map(|replay| told(reader, replay, lanes)).collect()
}

fn told(reader: &Reader, replay: Replay, lanes: &Lanes) -> Result<ReplayStatus, SpoolError> {
    let parts = reader.parts(replay.no)?;
    let sum = |of: fn(&Part) -> u64| parts.iter().map(of).sum();
    let mut waiting: Vec<WaitingLane> = Vec::new();
    let is_running = replay.state == ReplayState::Running;
    for part in parts.iter().filter(|part| is_running && part.cursor < part.last) {
        let (project, callback) = (lanes.project(part.lane), part.lane.callback().name());
        let records = part.records - part.sent - part.refused;
        match waiting.last_mut().filter(|last| last.project == project && last.callback == callback) {
            Some(last) => last.records += records,
            None => waiting.push(WaitingLane {
                project: project.to_owned(),
                callback,
                state: lanes.0.get(&part.lane).map_or("", |view| view.state).to_owned(),
                records,
            }),
        }
    }
    Ok(ReplayStatus {
        no: replay.no.0,
        id: replay.id.to_string(),
        state: replay.state.name(),
        asked: serde_json::from_str(&replay.request).unwrap_or_default(),
        asked_at: replay.requested_at.to_rfc3339(),
        ended_at: replay.ended_at.map(crate::time::Timestamp::to_rfc3339),
        rate: replay.rate,
        records: sum(|part| part.records),
        sent: sum(|part| part.sent),
        refused: sum(|part| part.refused),
        waiting,
    })
}

fn epochs(reader: &Reader) -> Result<Epochs, SpoolError> {
    let bytes = reader.fact(Fact::Epoch)?.unwrap_or_default();
    Epochs::from_bytes(&bytes).ok_or_else(|| SpoolError::Damaged("the epochs".into()))
}

fn missing(no: u64) -> Refusal {
    Refusal::Missing(format!("there is no replay {no}: `sidecar replay list` shows those that there are"))
}

impl From<SpoolError> for Refusal {
    fn from(error: SpoolError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<ReplayError> for Refusal {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Wrong(why) => Self::Wrong(why),
            ReplayError::Refused(why) => Self::Conflict(why),
            ReplayError::Spool(error) => error.into(),
        }
    }
}

/// Each is looked at with every batch of its lanes.
const REPLAYS_MAX: usize = 16;
