//! Does what [`Dispatch`] says: reads heads, writes cuts down, has requests made. A thread turns it.

mod again;
mod care;
mod outcomes;
mod say;
mod send;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use uuid::Uuid;

use self::again::Redelivery;
use self::outcomes::{Ended, Unwritten, Write};
use super::dispatch::{Action, Dispatch};
use super::handle::{LaneView, Params};
use super::heads::{Heads, Made};
use super::outage::Outages;
use super::webhook::{Routes, Webhook};
use crate::record::{LaneNo, ProjectNo, Seq};
use crate::spool::{Batch, BatchId, Chunk, DeadReason, Done, LaneState, Op, Part, ReplayNo, SpoolError};
use crate::time::Uptime;

/// What happened.
pub(super) enum Event {
    Appended {
        projects: Vec<(ProjectNo, String)>,
        chunks: Vec<Chunk>,
    },
    CancelReplay {
        replay: ReplayNo,
        told: Option<mpsc::SyncSender<Result<(), SpoolError>>>,
    },
    Cancelled {
        replay: ReplayNo,
        told: Option<mpsc::SyncSender<Result<(), SpoolError>>>,
        written: Result<Done, SpoolError>,
    },
    Cut {
        lane: LaneNo,
        batch: Batch,
        written: Result<Done, SpoolError>,
    },
    /// A dead letter was cut, to be sent once more.
    DeadCut {
        lane: LaneNo,
        written: Result<Done, SpoolError>,
    },
    Ended(Box<Ended>),
    Epoch {
        after: Seq,
        epoch: Uuid,
    },
    /// Records were given up, or, without a reason, discarded.
    GaveUp {
        lane: LaneNo,
        through: Seq,
        reason: Option<DeadReason>,
        written: Result<Done, SpoolError>,
    },
    Hold(bool),
    Pause {
        lanes: Vec<LaneNo>,
        reason: String,
    },
    /// Dead letters of these lanes wait for one more attempt.
    Redeliver {
        lanes: Vec<LaneNo>,
    },
    Redelivered {
        write: Box<Redelivery>,
        written: Result<Done, SpoolError>,
    },
    Replay {
        replay: ReplayNo,
        id: Uuid,
        rate: Option<u32>,
        parts: Vec<Part>,
    },
    Resume {
        lanes: Vec<LaneNo>,
    },
    Routed {
        routes: Arc<Routes>,
        in_flight_max: usize,
        lane_bytes_max: u64,
    },
    Stop {
        patience: Duration,
    },
    View(mpsc::SyncSender<Vec<LaneView>>),
    Written {
        write: Box<Write>,
        written: Result<Done, SpoolError>,
    },
}

/// The right loop's doing: whoever holds it turns it.
pub struct Shell {
    params: Params,
    events: mpsc::Sender<Event>,
    happened: mpsc::Receiver<Event>,
    handed_in: Arc<AtomicUsize>,
    dispatch: Dispatch,
    heads: Heads,
    /// Bodies that were just cut, until they are sent.
    made: HashMap<LaneNo, (BatchId, Made)>,
    /// Outcomes that could not be written, to be tried again.
    unwritten: Vec<(Uptime, Unwritten)>,
    /// The ids of running replays, as requests bear them.
    replays: BTreeMap<ReplayNo, Uuid>,
    outages: Outages,
    looked_at: Uptime,
    ticked_at: Uptime,
    stop_by: Option<Uptime>,
    /// The spool can no longer be written or read: nothing is begun any more.
    failed: bool,
}

impl Shell {
    pub(super) fn new(
        mut params: Params,
        (events, happened): (mpsc::Sender<Event>, mpsc::Receiver<Event>),
        handed_in: Arc<AtomicUsize>,
    ) -> anyhow::Result<Self> {
        let now = params.clock.uptime();
        let heads = Heads::new(params.spool.reader()?, params.last_seq, HEADS_BYTES_MAX);
        let mut dispatch = Dispatch::new(params.in_flight_max, params.lane_bytes_max);
        dispatch.hold(params.held);
        for state in std::mem::take(&mut params.lanes) {
            let webhook = webhook_of(&params, state.lane);
            dispatch.add(state, webhook, now);
        }
        let mut shell = Self {
            params,
            events,
            happened,
            handed_in,
            dispatch,
            heads,
            made: HashMap::new(),
            unwritten: Vec::new(),
            replays: BTreeMap::new(),
            outages: Outages::default(),
            looked_at: now,
            ticked_at: now,
            stop_by: None,
            failed: false,
        };
        shell.resume_replays()?;
        shell.route_all();
        Ok(shell)
    }

    pub(super) fn run(mut self) {
        while let Some(rest) = self.turn() {
            match self.happened.recv_timeout(rest) {
                Ok(event) => self.take_in(event),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Takes in what has come, and does what is due. Never waits: says how long to rest where
    /// nothing else comes; `None`: it has stopped.
    pub fn turn(&mut self) -> Option<Duration> {
        // What has come meanwhile is taken together.
        for _ in 0..EVENTS_AT_ONCE {
            let Ok(event) = self.happened.try_recv() else { break };
            self.take_in(event);
        }
        self.look_around();
        let now = self.now();
        while let Some(action) = self.dispatch.poll(now) {
            self.perform(action, now);
        }
        if self.has_stopped() {
            self.params.spool.submit(Op::Tick(now), |_| {});
            return None;
        }
        Some(self.patience())
    }

    fn has_stopped(&self) -> bool {
        let done = self.failed || self.dispatch.under_way() == 0;
        self.stop_by.is_some_and(|by| done || self.now() >= by)
    }

    fn now(&self) -> Uptime {
        self.params.clock.uptime()
    }

    fn patience(&self) -> Duration {
        let now = self.now();
        let waits = [self.dispatch.deadline(), self.stop_by, self.unwritten.first().map(|(at, _)| *at)];
        let next = waits.into_iter().flatten().map(|at| at.since(now)).min();
        next.unwrap_or(LOOK_AROUND_EVERY).min(LOOK_AROUND_EVERY)
    }

    fn take_in(&mut self, event: Event) {
        let now = self.now();
        match event {
            Event::Appended { projects, chunks } => self.appended(projects, chunks, now),
            Event::CancelReplay { replay, told } => self.cancel_replay(replay, told, now),
            Event::Cancelled { replay, told, written } => self.cancelled(replay, told, written, now),
            Event::Cut { lane, batch, written: Ok(_) } => self.dispatch.cut(lane, batch, now),
            Event::Cut { lane, written: Err(error), .. } => {
                self.made.remove(&lane);
                self.not_written(lane, error, now);
            }
            Event::DeadCut { lane, written: Ok(_) } => self.dispatch.unseize(lane, now),
            Event::DeadCut { lane, written: Err(error) } => self.not_written(lane, error, now),
            Event::Ended(ended) => self.ended(*ended, now),
            Event::Epoch { after, epoch } => self.params.epochs.begin(after, epoch),
            Event::GaveUp { lane, through, reason, written } => {
                self.gave_up(lane, through, reason, written, now);
            }
            Event::Hold(held) => self.dispatch.hold(held || self.failed || self.stop_by.is_some()),
            Event::Pause { lanes, reason } => {
                lanes.into_iter().for_each(|lane| self.pause(lane, &reason, now));
            }
            Event::Redeliver { lanes } => {
                lanes.into_iter().for_each(|lane| self.dispatch.redeliveries(lane, true, now));
            }
            Event::Redelivered { write, written } => self.redelivered(write, written, now),
            Event::Replay { replay, id, rate, parts } => self.replay(replay, id, rate, &parts, now),
            Event::Resume { lanes } => lanes.into_iter().for_each(|lane| self.resume(lane, now)),
            Event::Routed { routes, in_flight_max, lane_bytes_max } => {
                self.params.routes = routes;
                self.outages.clear();
                self.dispatch.set_limits(in_flight_max, lane_bytes_max);
                self.route_all();
            }
            Event::Stop { patience } => {
                self.dispatch.hold(true);
                self.stop_by = Some(now.plus(patience));
            }
            Event::View(told) => drop(told.send(self.view(now))),
            Event::Written { write, written } => self.written(write, written, now),
        }
    }

    fn perform(&mut self, action: Action, now: Uptime) {
        let (lane, done) = match action {
            Action::Cut(lane) => (lane, self.cut(lane, now)),
            Action::GiveUp(lane, what) => (lane, self.give_up(lane, what, now)),
            Action::Redeliver(lane) => (lane, self.redeliver(lane, now)),
            Action::Send(lane, batch) => (lane, self.send(lane, batch)),
        };
        if let Err(error) = done {
            self.not_written(lane, error, now);
        }
    }

    fn appended(&mut self, projects: Vec<(ProjectNo, String)>, chunks: Vec<Chunk>, now: Uptime) {
        for (no, name) in projects {
            let at = no.0 as usize;
            if self.params.projects.len() <= at {
                self.params.projects.resize(at + 1, String::new());
            }
            if let Some(slot) = self.params.projects.get_mut(at) {
                *slot = name;
            }
        }
        for chunk in chunks {
            let lane = chunk.lane;
            self.handed_in.fetch_sub(chunk.packed.len(), Ordering::Relaxed);
            self.know(lane, Seq(chunk.first.0.saturating_sub(1)), now);
            self.params.last_seq = self.params.last_seq.max(chunk.last);
            let (records, bytes) = (u64::from(chunk.records), chunk.fragment_bytes);
            let spooled = chunk.spooled_uptime;
            self.heads.offer(chunk);
            self.dispatch.appended(lane, records, bytes, spooled, now);
        }
    }

    /// A lane is made where it is new.
    fn know(&mut self, lane: LaneNo, cursor: Seq, now: Uptime) {
        if self.dispatch.lane(lane).is_none() {
            let state = LaneState { lane, cursor, ..LaneState::default() };
            self.dispatch.add(state, webhook_of(&self.params, lane), now);
        }
    }

    /// What was begun for a lane is begun again later, or never, where the spool has failed.
    fn not_written(&mut self, lane: LaneNo, error: SpoolError, now: Uptime) {
        match error {
            SpoolError::DiskFull => self.dispatch.not_written(lane, WRITE_AGAIN_AFTER, now),
            error => self.fail(error),
        }
    }

    fn fail(&mut self, error: SpoolError) {
        self.dispatch.hold(true);
        if !std::mem::replace(&mut self.failed, true) {
            (self.params.on_failure)(error);
        }
    }

    fn project(&self, lane: LaneNo) -> &str {
        self.params.projects.get(lane.project().0 as usize).map_or("", String::as_str)
    }
}

fn webhook_of(params: &Params, lane: LaneNo) -> Option<Arc<Webhook>> {
    let project = params.projects.get(lane.project().0 as usize)?;
    params.routes.find(project, lane.callback()).cloned()
}

/// Recent chunks that need not be read again.
pub(super) const HEADS_BYTES_MAX: usize = 16 * 1024 * 1024;
const LOOK_AROUND_EVERY: Duration = Duration::from_secs(1);
/// An idle sidecar syncs no more often than this.
const TICK_EVERY: Duration = Duration::from_secs(10);
const WRITE_AGAIN_AFTER: Duration = Duration::from_secs(1);
const EVENTS_AT_ONCE: usize = 1_024;
