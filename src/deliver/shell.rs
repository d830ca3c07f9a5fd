//! The thread that does what [`Dispatch`] says.

use std::collections::HashMap;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Handle;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::client::{Ask, Client};
use super::dispatch::{Action, Dispatch, GiveUp, Run, Settled};
use super::heads::{Heads, Made};
use super::request::{About, headers};
use super::retry::Outcome;
use super::webhook::{Routes, Webhook};
use crate::clock::Clock;
use crate::metrics::{AttemptLabel, CallbackLabel, Metrics, ReasonLabel};
use crate::moment::{Moment, Running};
use crate::record::{LaneNo, ProjectNo, Seq};
use crate::spool::{
    Attempted, Batch, BatchId, Chunk, DeadReason, Done, Fate, LaneState, Op, Room, Spool, SpoolError,
    Standing,
};

/// What the right loop starts from.
pub struct Params {
    /// Where records are and outcomes go.
    pub spool: Spool,
    /// As the spool found them.
    pub lanes: Vec<LaneState>,
    /// Names of projects, by number.
    pub projects: Vec<String>,
    /// The last number that a record was given.
    pub last_seq: Seq,
    /// The epoch of what is cut.
    pub epoch: Uuid,
    /// Which webhook answers for which lane.
    pub routes: Arc<Routes>,
    /// Requests in flight over all webhooks.
    pub in_flight_max: usize,
    /// Most that a failing or paused lane holds.
    pub lane_bytes_max: u64,
    /// `spool.bytes_max`
    pub spool_bytes_max: u64,
    /// How long a lane without a webhook is kept.
    pub retain: Duration,
    /// Makes requests.
    pub client: Client,
    /// Where requests run.
    pub runtime: Handle,
    /// The time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
    /// Told once, when the spool can no longer be written or read.
    pub on_failure: Box<dyn Fn(SpoolError) + Send>,
}

/// The right loop at work. Dropping it stops nothing: [`Deliver::stop`] does.
#[derive(Debug)]
pub struct Deliver {
    events: mpsc::Sender<Event>,
    thread: std::sync::Mutex<Option<JoinHandle<()>>>,
}

/// A lane, as it is shown.
#[derive(Clone, Debug)]
pub struct LaneView {
    /// Which.
    pub lane: LaneNo,
    /// Its project's name.
    pub project: String,
    /// `idle`, `busy`, `waiting`, `failing`, `paused` or `without webhook`.
    pub state: &'static str,
    /// Records that are not settled.
    pub pending_records: u64,
    /// Bytes of their fragments.
    pub pending_bytes: u64,
    /// For how long the oldest has waited.
    pub oldest: Option<Duration>,
    /// Failed attempts since the last success.
    pub failures: u32,
    /// How long until the next attempt.
    pub next_attempt: Option<Duration>,
    /// How the last attempt ended.
    pub last_outcome: Option<&'static str>,
    /// Why it is paused.
    pub reason: Option<String>,
}

enum Event {
    Appended {
        projects: Vec<(ProjectNo, String)>,
        chunks: Vec<Chunk>,
    },
    Cut {
        lane: LaneNo,
        batch: Batch,
        written: Result<Done, SpoolError>,
    },
    Ended {
        lane: LaneNo,
        batch: Batch,
        outcome: Outcome,
        started_at: Moment,
        took: Duration,
        committed_at: Moment,
    },
    GaveUp {
        lane: LaneNo,
        through: Seq,
        reason: Option<DeadReason>,
        written: Result<Done, SpoolError>,
    },
    Hold(bool),
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

/// An outcome on its way to the disk.
#[derive(Clone, Debug)]
struct Write {
    attempted: Attempted,
    batch: Batch,
    successors: Option<Vec<Batch>>,
}

impl Deliver {
    /// Starts the thread.
    pub fn start(params: Params) -> anyhow::Result<Self> {
        let (events, happened) = mpsc::channel();
        let shell = Shell::new(params, events.clone())?;
        let thread =
            std::thread::Builder::new().name("deliver".into()).spawn(move || shell.run(&happened))?;
        Ok(Self { events, thread: std::sync::Mutex::new(Some(thread)) })
    }

    /// Chunks were spooled, durably, and these projects seen for the first time.
    pub fn appended(&self, projects: Vec<(ProjectNo, String)>, chunks: Vec<Chunk>) {
        self.tell(Event::Appended { projects, chunks });
    }

    /// While held, nothing is cut or sent; what is in flight ends.
    pub fn hold(&self, held: bool) {
        self.tell(Event::Hold(held));
    }

    /// The settings are these from now on.
    pub fn routed(&self, routes: Arc<Routes>, in_flight_max: usize, lane_bytes_max: u64) {
        self.tell(Event::Routed { routes, in_flight_max, lane_bytes_max });
    }

    /// Every lane. Empty where the loop has ended.
    pub fn view(&self) -> Vec<LaneView> {
        let (told, tell) = mpsc::sync_channel(1);
        self.tell(Event::View(told));
        tell.recv_timeout(Duration::from_secs(5)).unwrap_or_default()
    }

    /// Begins nothing new, waits up to `patience` for what is in flight and its outcome, and ends.
    pub fn stop(&self, patience: Duration) {
        self.tell(Event::Stop { patience });
        let thread = self.thread.lock().ok().and_then(|mut slot| slot.take());
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }

    fn tell(&self, event: Event) {
        // A loop that has ended needs to know nothing more.
        let _ = self.events.send(event);
    }
}

struct Shell {
    params: Params,
    events: mpsc::Sender<Event>,
    dispatch: Dispatch,
    heads: Heads,
    /// Bodies that were just cut, until they are sent: at most one a slot.
    made: HashMap<BatchId, Made>,
    /// Outcomes that could not be written, to be tried again.
    unwritten: Vec<(Running, Box<Write>)>,
    looked_at: Running,
    stop_by: Option<Running>,
    failed: bool,
}

impl Shell {
    fn new(mut params: Params, events: mpsc::Sender<Event>) -> anyhow::Result<Self> {
        let now = params.clock.running();
        let heads = Heads::new(params.spool.reader()?, params.last_seq, HEADS_BYTES_MAX);
        let mut dispatch = Dispatch::new(params.in_flight_max, params.lane_bytes_max);
        for state in std::mem::take(&mut params.lanes) {
            let webhook = webhook_of(&params, state.lane);
            dispatch.add(state, webhook, now);
        }
        let mut shell = Self {
            params,
            events,
            dispatch,
            heads,
            made: HashMap::new(),
            unwritten: Vec::new(),
            looked_at: now,
            stop_by: None,
            failed: false,
        };
        shell.route_all();
        Ok(shell)
    }

    fn run(mut self, happened: &mpsc::Receiver<Event>) {
        loop {
            let now = self.now();
            while let Some(action) = self.dispatch.poll(now) {
                self.perform(action, now);
            }
            if self.stop_by.is_some_and(|by| self.dispatch.under_way() == 0 || self.now() >= by) {
                return;
            }
            match happened.recv_timeout(self.patience()) {
                Ok(event) => self.handle(event),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
            // What has come meanwhile is taken together.
            for event in happened.try_iter().take(EVENTS_AT_ONCE) {
                self.handle(event);
            }
            self.look_around();
        }
    }

    fn now(&self) -> Running {
        self.params.clock.running()
    }

    fn patience(&self) -> Duration {
        let now = self.now();
        let waits = [self.dispatch.deadline(), self.stop_by, self.unwritten.first().map(|(at, _)| *at)];
        let next = waits.into_iter().flatten().map(|at| at.since(now)).min();
        next.unwrap_or(LOOK_AROUND_EVERY).min(LOOK_AROUND_EVERY)
    }

    fn handle(&mut self, event: Event) {
        let now = self.now();
        match event {
            Event::Appended { projects, chunks } => self.appended(projects, chunks, now),
            Event::Cut { lane, batch, written: Ok(_) } => self.dispatch.cut(lane, batch, now),
            Event::Cut { lane, batch, written: Err(error) } => {
                self.made.remove(&batch.id);
                self.not_written(lane, error, now);
            }
            Event::Ended { lane, batch, outcome, started_at, took, committed_at } => {
                self.ended(lane, batch, outcome, started_at, took, committed_at, now);
            }
            Event::GaveUp { lane, through, reason, written } => {
                self.gave_up(lane, through, reason, written, now);
            }
            Event::Hold(held) => self.dispatch.hold(held || self.stop_by.is_some()),
            Event::Routed { routes, in_flight_max, lane_bytes_max } => {
                self.params.routes = routes;
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

    fn perform(&mut self, action: Action, now: Running) {
        let (lane, done) = match action {
            Action::Cut(lane) => (lane, self.cut(lane, now)),
            Action::GiveUp(lane, what) => (lane, self.give_up(lane, what, now)),
            Action::Send(lane, batch) => (lane, self.send(lane, batch)),
        };
        if let Err(error) = done {
            self.not_written(lane, error, now);
        }
    }

    fn cut(&mut self, lane: LaneNo, now: Running) -> Result<(), SpoolError> {
        let Some(state) = self.dispatch.lane(lane) else { return Ok(()) };
        let limits = state.webhook.as_ref().map(|webhook| webhook.limits.clone()).unwrap_or_default();
        let head = self.heads.head(lane, state.cursor, limits.records_max, limits.bytes_max)?;
        let heads = head.heads()?;
        let records = match self.dispatch.run(lane, &heads, now) {
            Run::Records(records) => records,
            Run::Blocked => {
                let after = heads.first().map(|head| head.after).unwrap_or_default();
                self.dispatch.blocked(lane, after, now);
                return Ok(());
            }
        };
        let made = head.make(records)?;
        let batch = self.batch(lane, &made);
        self.made.insert(batch.id, made);
        let events = self.events.clone();
        self.params.spool.submit(Op::Cut(batch.clone()), move |written| {
            let _ = events.send(Event::Cut { lane, batch, written });
        });
        Ok(())
    }

    fn batch(&self, lane: LaneNo, made: &Made) -> Batch {
        Batch {
            id: Uuid::now_v7(),
            lane,
            first: made.ends.0,
            last: made.ends.1,
            records: made.records,
            body_bytes: made.body.len() as u64,
            body_sum: xxh3_64(&made.body),
            cut_at: Clock::now(),
            epoch: self.params.epoch,
            attempts: 0,
        }
    }

    fn send(&mut self, lane: LaneNo, batch: Batch) -> Result<(), SpoolError> {
        let Some(webhook) = self.dispatch.lane(lane).and_then(|lane| lane.webhook.clone()) else {
            return Ok(());
        };
        let made = match self.made.remove(&batch.id) {
            Some(made) => made,
            None => self.heads.remake(&batch)?,
        };
        let started_at = Clock::now();
        let about = About {
            batch: &batch,
            project: self.params.projects.get(lane.project().0 as usize).map_or("", String::as_str),
            first: made.first,
            last: made.last,
            attempt: batch.attempts.saturating_add(1),
            now: started_at,
        };
        let ask = Ask {
            headers: headers(&webhook, &about, &made.body),
            url: webhook.url.clone(),
            body: made.body,
            timeout: webhook.limits.timeout,
            connect_timeout: webhook.limits.connect_timeout,
            response_bytes_max: webhook.limits.response_bytes_max,
        };
        let (client, events, committed_at) =
            (self.params.client.clone(), self.events.clone(), made.committed_at);
        let clock = self.params.clock;
        self.params.runtime.spawn(async move {
            let began = clock.elapsed();
            let outcome = client.attempt(ask).await;
            let took = clock.elapsed().saturating_sub(began);
            let _ = events.send(Event::Ended { lane, batch, outcome, started_at, took, committed_at });
        });
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one event")]
    fn ended(
        &mut self,
        lane: LaneNo,
        batch: Batch,
        outcome: Outcome,
        started_at: Moment,
        took: Duration,
        committed_at: Moment,
        now: Running,
    ) {
        let Some(decided) = self.dispatch.ended(lane, &outcome, dice(), now) else { return };
        self.count(lane, &outcome, decided.fate, took, committed_at);
        if decided.fate == Fate::Waits {
            tracing::debug!(%lane, outcome = outcome.word, status = outcome.status, "an attempt failed");
        }
        let successors = if decided.halve {
            match self.halves(&batch) {
                Ok(successors) => Some(successors),
                Err(error) => return self.not_written(lane, error, now),
            }
        } else {
            None
        };
        let attempted = Attempted {
            batch: batch.id,
            lane,
            number: batch.attempts.saturating_add(1),
            started_at,
            took_micros: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            status: outcome.status,
            outcome: outcome.word,
            detail: outcome.detail,
            fate: decided.fate,
            standing: decided.standing,
        };
        self.write(Box::new(Write { attempted, batch, successors }));
    }

    /// Two batches with the records of one.
    fn halves(&mut self, batch: &Batch) -> Result<Vec<Batch>, SpoolError> {
        let half = batch.records / 2;
        let after = Seq(batch.first.0.saturating_sub(1));
        let first = self.heads.head(batch.lane, after, half, u64::MAX)?.make(half as usize)?;
        let rest = batch.records - half;
        let second = self.heads.head(batch.lane, first.ends.1, rest, u64::MAX)?.make(rest as usize)?;
        Ok([first, second]
            .iter()
            .map(|made| Batch { epoch: batch.epoch, ..self.batch(batch.lane, made) })
            .collect())
    }

    fn write(&self, write: Box<Write>) {
        let events = self.events.clone();
        let retire =
            write.successors.clone().map(|successors| Op::Retire { batch: write.batch.id, successors });
        let attempted = Op::Attempted(write.attempted.clone());
        let told = move |written| drop(events.send(Event::Written { write, written }));
        match retire {
            None => self.params.spool.submit(attempted, told),
            Some(retire) => {
                self.params.spool.submit(attempted, |_| {});
                self.params.spool.submit(retire, told);
            }
        }
    }

    fn written(&mut self, write: Box<Write>, written: Result<Done, SpoolError>, now: Running) {
        let lane = write.attempted.lane;
        if let Err(error) = written {
            if error == SpoolError::DiskFull {
                self.unwritten.push((now.plus(WRITE_AGAIN_AFTER), write));
            } else {
                self.fail(error);
            }
            return;
        }
        let Write { attempted, batch, successors } = *write;
        if attempted.fate == Fate::Waits {
            self.dispatch.tried(lane, attempted.standing, successors, now);
            return;
        }
        if let Fate::Dead(reason) = attempted.fate {
            self.count_dead(lane, reason, u64::from(batch.records));
        }
        let around = lane.callback().prefix().len() as u64 + crate::record::SUFFIX.len() as u64;
        let bytes = batch.body_bytes.saturating_sub(around + u64::from(batch.records.saturating_sub(1)));
        self.settled(lane, batch.last, u64::from(batch.records), bytes, Some(attempted.standing), now);
    }

    fn settled(
        &mut self,
        lane: LaneNo,
        through: Seq,
        records: u64,
        bytes: u64,
        standing: Option<Standing>,
        now: Running,
    ) {
        self.heads.settled(lane, through);
        let left = self.dispatch.lane(lane).is_some_and(|lane| lane.pending_records > records);
        let oldest = if left { self.heads.oldest(lane, through) } else { Ok(None) };
        match oldest {
            Ok(oldest) => {
                self.dispatch.settled(lane, Settled { through, records, bytes, oldest, standing }, now);
            }
            Err(error) => self.fail(error),
        }
    }

    fn give_up(&mut self, lane: LaneNo, what: GiveUp, now: Running) -> Result<(), SpoolError> {
        let Some(state) = self.dispatch.lane(lane) else { return Ok(()) };
        let reader = self.heads.reader();
        let (through, reason) = match what {
            GiveUp::Bytes(bytes, reason) => {
                let through = reader.seq_freeing(lane, state.cursor, bytes)?;
                // A batch is given up whole.
                let whole = through.map(|through| {
                    let cut =
                        state.batches.iter().find(|batch| batch.first <= through && through < batch.last);
                    cut.map_or(through, |batch| batch.last)
                });
                (whole, reason)
            }
            GiveUp::SpooledBy(by) => {
                let through = reader.last_spooled_by(lane, by)?;
                let whole = through.map(|through| {
                    let cut =
                        state.batches.iter().find(|batch| batch.first <= through && through < batch.last);
                    cut.map_or(through, |batch| Seq(batch.first.0.saturating_sub(1)))
                });
                (whole, DeadReason::GivenUp)
            }
        };
        let Some(through) = through.filter(|through| *through > state.cursor) else {
            self.dispatch.unseize(lane, now);
            return Ok(());
        };
        let events = self.events.clone();
        let op = Op::GiveUp { lane, through, reason, at: Clock::now() };
        self.params.spool.submit(op, move |written| {
            let _ = events.send(Event::GaveUp { lane, through, reason: Some(reason), written });
        });
        Ok(())
    }

    fn gave_up(
        &mut self,
        lane: LaneNo,
        through: Seq,
        reason: Option<DeadReason>,
        written: Result<Done, SpoolError>,
        now: Running,
    ) {
        match written {
            Ok(Done::Settled { records, bytes }) => {
                match reason {
                    Some(reason) => self.count_dead(lane, reason, records),
                    None => drop(self.params.metrics.records_discarded.inc_by(records)),
                }
                self.settled(lane, through, records, bytes, None, now);
            }
            Ok(_) => self.dispatch.unseize(lane, now),
            Err(error) => self.not_written(lane, error, now),
        }
    }

    fn appended(&mut self, projects: Vec<(ProjectNo, String)>, chunks: Vec<Chunk>, now: Running) {
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
            if self.dispatch.lane(lane).is_none() {
                let cursor = Seq(chunk.first.0.saturating_sub(1));
                let state = LaneState { lane, cursor, ..LaneState::default() };
                self.dispatch.add(state, webhook_of(&self.params, lane), now);
            }
            let (records, bytes) = (u64::from(chunk.records), chunk.fragment_bytes);
            let spooled = chunk.spooled_running;
            self.heads.offer(chunk);
            self.dispatch.appended(lane, records, bytes, spooled, now);
        }
    }

    /// Gives every lane the webhook that answers for it now, and notes since when there is none.
    fn route_all(&mut self) {
        let now = self.now();
        let lanes: Vec<(LaneNo, Standing)> =
            self.dispatch.lanes().map(|(no, lane)| (*no, lane.standing.clone())).collect();
        for (no, standing) in lanes {
            let webhook = webhook_of(&self.params, no);
            let without_webhook = match (&webhook, standing.without_webhook) {
                (Some(_), _) => None,
                (None, since) => since.or(Some(Clock::now())),
            };
            self.dispatch.routed(no, webhook, now);
            if without_webhook != standing.without_webhook {
                let standing = Standing { without_webhook, ..standing };
                self.params.spool.submit(Op::Standing { lane: no, standing: standing.clone() }, |_| {});
                self.dispatch.stands(no, standing, now);
            }
        }
    }

    /// What is looked after now and then: writes to be tried again, lanes without a webhook, room.
    fn look_around(&mut self) {
        let now = self.now();
        let again: Vec<_> = self.unwritten.extract_if(.., |(at, _)| *at <= now).collect();
        again.into_iter().for_each(|(_, write)| self.write(write));
        if now.since(self.looked_at) < LOOK_AROUND_EVERY || self.failed {
            return;
        }
        self.looked_at = now;
        self.params.spool.submit(Op::Tick(now), |_| {});
        let wall = Clock::now();
        let forsaken: Vec<LaneNo> = self
            .dispatch
            .lanes()
            .filter(|(_, lane)| lane.forsaken(wall, self.params.retain))
            .map(|(no, _)| *no)
            .collect();
        forsaken.into_iter().for_each(|lane| self.discard(lane, now));
        if self.params.spool.room() != Room::Open {
            let piece = self.params.spool_bytes_max / 16;
            if let Some(lane) = self.dispatch.largest_ailing().filter(|lane| self.dispatch.seize(*lane)) {
                self.perform(Action::GiveUp(lane, GiveUp::Bytes(piece, DeadReason::SpoolFull)), now);
            }
        }
    }

    fn discard(&mut self, lane: LaneNo, now: Running) {
        if !self.dispatch.seize(lane) {
            return;
        }
        match self.heads.reader().last_spooled_by(lane, Running(u64::MAX >> 1)) {
            Ok(Some(through)) => {
                tracing::warn!(%lane, "its webhook was removed longer than `spool.retain` ago: its records are discarded");
                let events = self.events.clone();
                self.params.spool.submit(Op::Discard { lane, through }, move |written| {
                    let _ = events.send(Event::GaveUp { lane, through, reason: None, written });
                });
            }
            Ok(None) => self.dispatch.unseize(lane, now),
            Err(error) => self.not_written(lane, error, now),
        }
    }

    /// What was begun for a lane is begun again later, or never, where the spool has failed.
    fn not_written(&mut self, lane: LaneNo, error: SpoolError, now: Running) {
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

    fn count(&self, lane: LaneNo, outcome: &Outcome, fate: Fate, took: Duration, committed_at: Moment) {
        let metrics = &self.params.metrics;
        let callback = lane.callback();
        metrics.attempts.get_or_create(&AttemptLabel { callback, outcome: outcome.word }).inc();
        metrics.attempt_duration.observe(took.as_secs_f64());
        if fate == Fate::Delivered {
            metrics.batches_delivered.get_or_create(&CallbackLabel { callback }).inc();
            metrics.delivery_latency.observe(Clock::now().since(committed_at).as_secs_f64());
        }
    }

    fn count_dead(&self, lane: LaneNo, reason: DeadReason, records: u64) {
        tracing::warn!(%lane, records, reason = reason.name(), "records were given up and are dead letters");
        self.params
            .metrics
            .dead_letters
            .get_or_create(&ReasonLabel { reason: reason.name() })
            .inc_by(records);
    }

    fn view(&self, now: Running) -> Vec<LaneView> {
        let mut views: Vec<LaneView> = self
            .dispatch
            .lanes()
            .map(|(no, lane)| LaneView {
                lane: *no,
                project: self.params.projects.get(no.project().0 as usize).cloned().unwrap_or_default(),
                state: lane.state(),
                pending_records: lane.pending_records,
                pending_bytes: lane.pending_bytes,
                oldest: lane.oldest.map(|oldest| now.since(oldest)),
                failures: lane.standing.failures,
                next_attempt: lane.standing.retry_at.map(|at| at.since(now)),
                last_outcome: lane.last_outcome,
                reason: lane.standing.paused.as_ref().map(|(_, reason)| reason.clone()),
            })
            .collect();
        views.sort_by(|a, b| (&a.project, a.lane).cmp(&(&b.project, b.lane)));
        views
    }
}

fn webhook_of(params: &Params, lane: LaneNo) -> Option<Arc<Webhook>> {
    let project = params.projects.get(lane.project().0 as usize)?;
    params.routes.find(project, lane.callback()).cloned()
}

/// Chance for jitter, 0.0..1.0: the random bits of a UUID.
fn dice() -> f64 {
    let (high, _) = Uuid::new_v4().as_u64_pair();
    f64::from(u32::try_from(high >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

/// Recent chunks that need not be read again.
const HEADS_BYTES_MAX: usize = 16 * 1024 * 1024;
const LOOK_AROUND_EVERY: Duration = Duration::from_secs(1);
const WRITE_AGAIN_AFTER: Duration = Duration::from_secs(1);
const EVENTS_AT_ONCE: usize = 1_024;
