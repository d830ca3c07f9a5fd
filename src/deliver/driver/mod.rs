//! The loop around the [`Scheduler`]: reads records, writes cuts and outcomes to the spool, and starts
//! requests. It runs on its own thread; a test calls its steps.

pub(in crate::deliver) mod event;
mod housekeeping;
pub(in crate::deliver) mod lane_reader;
mod log;
pub(in crate::deliver) mod outage;
mod outcomes;
mod pauses;
mod pending_write;
mod replays;
mod reports;
mod send;
mod surge;
mod writes;

use std::collections::BTreeMap;

use foldhash::{HashMap, HashMapExt as _};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use uuid::Uuid;

use self::event::Event;
use self::lane_reader::{EncodedBatch, LaneReader};
use self::outage::Outages;
use self::pending_write::{PendingWrite, RequestedSkip};
use crate::deliver::params::Params;
use crate::deliver::pauses::Pauses;
use crate::deliver::scheduler::surge::Surges;
use crate::deliver::scheduler::{Action, Scheduler};
use crate::deliver::webhook::Webhook;
use crate::record::{LaneNo, Seq};
use crate::spool::{Appended, BatchId, LaneState, Op, ReplayNo, SpoolError};
use crate::time::Uptime;

/// The state of the loop. [`Driver::step`] advances it.
pub struct Driver {
    params: Params,
    events: mpsc::Sender<Event>,
    happened: mpsc::Receiver<Event>,
    /// Names of projects, by number.
    projects: Vec<String>,
    scheduler: Scheduler,
    lane_reader: LaneReader,
    /// Bodies of batches that are cut and not yet sent.
    encoded: HashMap<LaneNo, (BatchId, EncodedBatch)>,
    /// Operations for which the disk was full, and when they are submitted again.
    retries: Vec<(Uptime, PendingWrite)>,
    /// The ids of running replays, as requests carry them.
    replays: BTreeMap<ReplayNo, Uuid>,
    outages: Outages,
    surges: Surges,
    pauses: Pauses,
    /// Those that are not begun yet.
    skips: Vec<RequestedSkip>,
    housekept_at: Uptime,
    ticked_at: Uptime,
    stop_by: Option<Uptime>,
    /// The spool can no longer be written or read: nothing new is started.
    failed: bool,
}

impl Driver {
    pub(in crate::deliver) fn new(
        params: Params,
        (events, happened): (mpsc::Sender<Event>, mpsc::Receiver<Event>),
    ) -> anyhow::Result<Self> {
        let now = params.clock.uptime();
        let committed = events.clone();
        let notify = move |appended| drop(committed.send(Event::Appended(appended)));
        let mut subscription = params.spool.subscribe(RECENT_BYTES_MAX, notify)?;
        let (lanes, projects) =
            (std::mem::take(&mut subscription.lanes), std::mem::take(&mut subscription.projects));
        let lane_reader = LaneReader::new(subscription, RECENT_BYTES_MAX);
        let mut scheduler =
            Scheduler::new(params.in_flight_max, params.host_limits.clone(), params.lane_bytes_max);
        scheduler.hold(params.held);
        for state in lanes {
            let webhook = webhook_of(&params, &projects, state.lane);
            scheduler.add(state, webhook, now);
        }
        let mut driver = Self {
            surges: Surges::new(params.surge),
            params,
            events,
            happened,
            projects,
            scheduler,
            lane_reader,
            encoded: HashMap::new(),
            retries: Vec::new(),
            replays: BTreeMap::new(),
            outages: Outages::default(),
            pauses: Pauses::default(),
            skips: Vec::new(),
            housekept_at: now,
            ticked_at: now,
            stop_by: None,
            failed: false,
        };
        driver.resume_replays()?;
        driver.restore_surges();
        driver.route_all();
        Ok(driver)
    }

    pub(in crate::deliver) fn run(mut self) {
        while let Some(rest) = self.step() {
            match self.happened.recv_timeout(rest) {
                Ok(event) => self.handle(event),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// The contents of memory: what, how much, and the limit.
    pub fn memory(&self) -> Vec<(&'static str, usize, usize)> {
        self.lane_reader.memory()
    }

    /// Handles the events in the queue, and does what is due. Never waits: returns how long to wait for the
    /// next event; `None`: the driver has stopped.
    pub fn step(&mut self) -> Option<Duration> {
        let mut events_left = EVENTS_AT_ONCE;
        self.handle_events(&mut events_left);
        self.housekeep();
        let now = self.now();
        self.begin_skips(now);
        while let Some(action) = self.scheduler.poll(now) {
            self.perform(action, now);
            self.handle_events(&mut events_left);
        }
        if self.has_stopped() {
            self.params.spool.submit(Op::Tick(now), |_| {});
            return None;
        }
        Some(self.patience())
    }

    /// Events in the queue are handled before the next decision, so that the reads of many lanes do not delay
    /// a record that was just spooled for another.
    fn handle_events(&mut self, left: &mut usize) {
        while *left > 0 {
            let Ok(event) = self.happened.try_recv() else { return };
            *left -= 1;
            self.handle(event);
        }
    }

    fn has_stopped(&self) -> bool {
        let done = self.failed || self.scheduler.under_way() == 0;
        self.stop_by.is_some_and(|by| done || self.now() >= by)
    }

    fn now(&self) -> Uptime {
        self.params.clock.uptime()
    }

    fn patience(&self) -> Duration {
        let now = self.now();
        let waits = [self.scheduler.deadline(), self.stop_by, self.retries.first().map(|(at, _)| *at)];
        let next = waits.into_iter().flatten().map(|at| at.since(now)).min();
        next.unwrap_or(HOUSEKEEP_EVERY).min(HOUSEKEEP_EVERY)
    }

    fn handle(&mut self, event: Event) {
        let now = self.now();
        match event {
            Event::Appended(appended) => self.appended(appended, now),
            Event::Count(reply) => drop(reply.send(self.counts(now))),
            Event::CancelReplay { replay, reply } => self.cancel_replay(replay, reply, now),
            Event::AttemptEnded(ended) => self.ended(*ended, now),
            Event::Epoch { after, epoch } => self.params.epochs.begin(after, epoch),
            Event::Hold(held) => self.scheduler.hold(held || self.failed || self.stop_by.is_some()),
            Event::Pauses { pauses, resumed, reply } => self.set_pauses(pauses, resumed.as_ref(), &reply),
            Event::Redeliver { lanes } => {
                lanes.into_iter().for_each(|lane| self.scheduler.redeliveries(lane, true, now));
            }
            Event::Replay { replay, id, rate, ranges } => self.replay(replay, id, rate, &ranges, now),
            Event::Routed { in_flight_max, host_limits, lane_bytes_max, surge } => {
                self.surges.set_limit(surge);
                self.outages.clear();
                self.scheduler.set_limits(in_flight_max, host_limits, lane_bytes_max);
                self.route_all();
            }
            Event::Skip { lane, through, patience, reply } => {
                self.skips.push(RequestedSkip { lane, through, by: now.plus(patience), reply });
            }
            Event::Stop { patience } => {
                self.scheduler.hold(true);
                self.stop_by = Some(now.plus(patience));
            }
            Event::View(reply) => drop(reply.send(self.view(now))),
            Event::ViewOf { lanes, reply } => drop(reply.send(self.view_of(&lanes, now))),
            Event::Written(pending, result) => self.written(pending, result, now),
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

    fn appended(&mut self, appended: Appended, now: Uptime) {
        let (projects, chunks) = self.lane_reader.receive(appended);
        for (no, name) in projects {
            no.set_name(&mut self.projects, name);
        }
        for chunk in chunks {
            let lane = chunk.lane;
            self.ensure_lane(lane, Seq(chunk.first.0.saturating_sub(1)), now);
            if self.surges.is_on() {
                self.count_surge(&chunk, now);
            }
            let (records, bytes) = (u64::from(chunk.records), chunk.fragment_bytes);
            let spooled = chunk.spooled_uptime;
            self.lane_reader.offer(chunk);
            self.scheduler.appended(lane, records, bytes, spooled, now);
        }
    }

    /// Adds the lane where it is new.
    fn ensure_lane(&mut self, lane: LaneNo, cursor: Seq, now: Uptime) {
        if self.scheduler.lane(lane).is_none() {
            let state = LaneState { lane, cursor, ..LaneState::default() };
            self.scheduler.add(state, webhook_of(&self.params, &self.projects, lane), now);
            let health = self.apply_pause(lane, now);
            self.store_health(lane, health);
        }
    }

    /// A write of a lane failed: it is retried later where the disk is full.
    fn not_written(&mut self, lane: LaneNo, error: SpoolError, now: Uptime) {
        match error {
            SpoolError::DiskFull => self.scheduler.not_written(lane, WRITE_AGAIN_AFTER, now),
            error => self.fail(error),
        }
    }

    fn fail(&mut self, error: SpoolError) {
        self.scheduler.hold(true);
        if !std::mem::replace(&mut self.failed, true) {
            (self.params.on_failure)(error);
        }
    }

    fn project(&self, lane: LaneNo) -> &str {
        self.projects.get(lane.project().0 as usize).map_or("", String::as_str)
    }
}

fn webhook_of(params: &Params, projects: &[String], lane: LaneNo) -> Option<Arc<Webhook>> {
    let project = projects.get(lane.project().0 as usize)?;
    params.routes.borrow().find(project, lane.callback()).cloned()
}

/// Limit of recent chunks in memory.
const RECENT_BYTES_MAX: usize = 16 * 1024 * 1024;
const HOUSEKEEP_EVERY: Duration = Duration::from_secs(1);
/// An idle sidecar syncs no more often than this.
const TICK_EVERY: Duration = Duration::from_secs(10);
const WRITE_AGAIN_AFTER: Duration = Duration::from_secs(1);
const EVENTS_AT_ONCE: usize = 1_024;
