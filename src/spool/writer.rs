//! The thread that writes, and the handle that the loops hold.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use super::cursors::Cursors;
use super::engine::{Contents, Engine, OpenEngine, OpenReader, OpenScratch, Reader, Scratch};
use super::error::SpoolError;
use super::fact::Fact;
use super::group::Group;
use super::lane::LaneState;
use super::ops::{Done, Op, Room};
use super::scratch::{ScratchError, ScratchTable};
use super::stream_position::StreamPosition;
use super::subscription::{Appended, Publisher, Subscription, SubscriptionStart};
use crate::clock::Clock;
use crate::record::Seq;
use crate::time::{Timestamp, Uptime};

/// The limits of a spool.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Live bytes of records, batches, dead letters and attempts.
    pub bytes_max: u64,
    /// How long settled records, dead letters and attempts are kept.
    pub retain: Duration,
}

/// A spool, and what was found in it.
#[derive(Debug)]
pub struct Opened {
    /// The handle.
    pub spool: Spool,
    /// Facts, by name.
    pub facts: HashMap<Fact, Vec<u8>>,
    /// Names of projects, in the order of their numbers.
    pub projects: Vec<String>,
    /// How far the stream is applied; `None` before a first start ended.
    pub position: Option<StreamPosition>,
    /// The last number that a record was given.
    pub last_seq: Seq,
    /// The uptime of earlier starts.
    pub uptime: Uptime,
    /// Lanes that have ever had a record.
    pub lanes: Vec<LaneState>,
    /// The spool was created by this call.
    pub is_new: bool,
}

/// A handle to the one writer. All clones share it.
#[derive(Clone, Debug)]
pub struct Spool {
    messages: mpsc::Sender<Message>,
    shared: Arc<Shared>,
    executor: Arc<Executor>,
}

struct Shared {
    open_reader: OpenReader,
    open_scratch: OpenScratch,
    cursors: Cursors,
    room: AtomicU8,
}

/// What runs the writer.
enum Executor {
    Thread(Mutex<Option<JoinHandle<()>>>),
    /// Each caller of [`Spool::run_submitted`].
    Caller(Box<Mutex<Writer>>),
}

type Reply = Box<dyn FnOnce(Result<Done, SpoolError>) + Send>;

/// What the writer receives.
enum Message {
    Apply(Box<Op>, Reply),
    Subscribe(Box<Publisher>, mpsc::SyncSender<Result<Subscription, SpoolError>>),
    Close,
}

impl Spool {
    /// Starts the writer of an engine on a thread of its own.
    pub(super) fn start(engine: OpenEngine, options: Options, clock: Clock) -> std::io::Result<Opened> {
        let (writer, start) = Writer::new(engine, options, clock);
        let thread = std::thread::Builder::new().name("spool".into()).spawn(move || writer.run())?;
        Ok(start(Executor::Thread(Mutex::new(Some(thread)))))
    }

    /// The same without a thread.
    pub(super) fn start_without_thread(engine: OpenEngine, options: Options, clock: Clock) -> Opened {
        let (writer, start) = Writer::new(engine, options, clock);
        start(Executor::Caller(Box::new(Mutex::new(writer))))
    }

    /// Submits an operation. `reply` is called once it is durable, or was refused; it must not block.
    pub fn submit(&self, op: Op, reply: impl FnOnce(Result<Done, SpoolError>) + Send + 'static) {
        if let Err(mpsc::SendError(Message::Apply(_, reply))) =
            self.messages.send(Message::Apply(Box::new(op), Box::new(reply)))
        {
            reply(Err(SpoolError::Closed));
        }
    }

    /// Submits an operation and waits until it is durable.
    pub fn apply(&self, op: Op) -> Result<Done, SpoolError> {
        let (sender, result) = mpsc::sync_channel(1);
        self.submit(op, move |done| drop(sender.send(done)));
        self.run_submitted();
        result.recv().unwrap_or(Err(SpoolError::Closed))
    }

    /// The lanes as they are now. `notify` is called with every group that is committed from then on,
    /// once it is durable, in commit order; it must not block. Packed bytes that were sent and not yet
    /// received are limited to `queued_bytes_max`.
    pub fn subscribe(
        &self,
        queued_bytes_max: usize,
        notify: impl Fn(Appended) + Send + 'static,
    ) -> Result<Subscription, SpoolError> {
        let (reply, replied) = mpsc::sync_channel(1);
        let publisher = Publisher::new(queued_bytes_max, Box::new(notify));
        let _ = self.messages.send(Message::Subscribe(Box::new(publisher), reply));
        self.run_submitted();
        replied.recv().unwrap_or_else(|_| Err(SpoolError::Closed))
    }

    /// A reader of its own.
    pub fn reader(&self) -> Result<Reader, SpoolError> {
        (self.shared.open_reader)()
    }

    /// Temporary space with these tables, all empty, for what may not grow in memory.
    pub fn scratch(&self, tables: &[ScratchTable]) -> Result<Scratch, ScratchError> {
        (self.shared.open_scratch)(tables)
    }

    /// Up to where each lane is settled.
    pub fn cursors(&self) -> Cursors {
        self.shared.cursors.clone()
    }

    /// Whether there is room for more records.
    pub fn room(&self) -> Room {
        match self.shared.room.load(Ordering::Acquire) {
            0 => Room::Open,
            1 => Room::Near,
            _ => Room::Full,
        }
    }

    /// Applies what was submitted, and ends the writer. Later operations are refused.
    pub fn close(&self) {
        let _ = self.messages.send(Message::Close);
        if let Executor::Thread(slot) = &*self.executor {
            let thread = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(thread) = thread {
                let _ = thread.join();
            }
        }
        self.run_submitted();
    }

    /// Applies what was submitted, where no thread does it. A caller that waits for a result calls it first.
    pub fn run_submitted(&self) {
        if let Executor::Caller(writer) = &*self.executor {
            let _ = writer.lock().unwrap_or_else(PoisonError::into_inner).run_once(None);
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Thread(_) => "Thread",
            Self::Caller(_) => "Caller",
        })
    }
}

struct Writer {
    engine: Box<dyn Engine>,
    received: mpsc::Receiver<Message>,
    shared: Arc<Shared>,
    retain: Duration,
    clock: Clock,
    swept_at: Timestamp,
    /// The last change of the shadow; `None`: the memory of what was cached was given back.
    changed_at: Option<Uptime>,
    start: SubscriptionStart,
    publishers: Vec<Publisher>,
    /// Why nothing is written any more.
    failed: Option<SpoolError>,
}

impl Writer {
    /// A writer, and what makes its handle once it is known what runs the writer.
    fn new(opened: OpenEngine, options: Options, clock: Clock) -> (Self, impl FnOnce(Executor) -> Opened) {
        let OpenEngine { engine, open_reader, open_scratch, contents } = opened;
        let cursors = Cursors::default();
        cursors.set(contents.lanes.iter().map(|state| (state.lane, state.cursor)));
        let (messages, received) = mpsc::channel();
        let room = AtomicU8::new(room_code(Room::Open));
        let shared = Arc::new(Shared { open_reader, open_scratch, cursors, room });
        let start = SubscriptionStart { projects: contents.projects.clone(), last_seq: contents.last_seq };
        let writer = Self {
            engine,
            received,
            shared: Arc::clone(&shared),
            retain: options.retain,
            clock,
            swept_at: clock.wall(),
            changed_at: Some(clock.uptime()),
            start,
            publishers: Vec::new(),
            failed: None,
        };
        let start = move |executor| {
            let spool = Spool { messages, shared, executor: Arc::new(executor) };
            let Contents { facts, projects, position, last_seq, uptime, lanes, is_new } = contents;
            Opened { spool, facts, projects, position, last_seq, uptime, lanes, is_new }
        };
        (writer, start)
    }

    fn run(mut self) {
        loop {
            let is_crowded = self.engine.is_near() && self.failed.is_none();
            let timeout = match self.changed_at {
                _ if is_crowded => CROWDED_PAUSE,
                Some(_) => RELEASE_AFTER,
                None => SWEEP_EVERY,
            };
            let first = match self.received.recv_timeout(timeout) {
                Ok(message) => Some(message),
                Err(mpsc::RecvTimeoutError::Timeout) => None,
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            };
            if self.run_once(first).is_break() {
                return;
            }
        }
    }

    /// Applies `first` and all other messages that have arrived, together, and runs retention. Breaks on
    /// [`Message::Close`].
    fn run_once(&mut self, first: Option<Message>) -> ControlFlow<()> {
        let mut flow = ControlFlow::Continue(());
        let (mut ops, mut replies) = (Vec::new(), Vec::new());
        let messages: Vec<_> = first.into_iter().chain(self.received.try_iter()).collect();
        for message in messages {
            match message {
                Message::Close => flow = ControlFlow::Break(()),
                // The operations that came with it are applied after it.
                Message::Subscribe(publisher, reply) => drop(reply.send(self.subscribe(*publisher))),
                Message::Apply(op, reply) => {
                    ops.push(*op);
                    replies.push(reply);
                }
            }
        }
        if !ops.is_empty() {
            self.apply(ops, replies);
        }
        let now = self.clock.wall();
        if flow.is_continue() && (self.engine.is_near() || now.since(self.swept_at) >= SWEEP_EVERY) {
            self.swept_at = now;
            self.sweep(now);
        }
        let uptime = self.clock.uptime();
        if self.changed_at.take_if(|at| uptime.since(*at) >= RELEASE_AFTER).is_some() {
            self.engine.release_memory();
        }
        flow
    }

    fn apply(&mut self, mut ops: Vec<Op>, replies: Vec<Reply>) {
        if let Some(error) = &self.failed {
            replies.into_iter().for_each(|reply| reply(Err(error.clone())));
            return;
        }
        let groups: Vec<_> = ops.iter().map(group_of).collect();
        if groups.iter().flatten().any(|group| !group.shadow.is_empty()) {
            self.changed_at = Some(self.clock.uptime());
        }
        // Without it, a kill would set the uptime back by a while, and every retry would be late by that.
        ops.push(Op::Tick(self.clock.uptime()));
        let done = self.engine.apply(ops);
        self.publish();
        for (group, done) in groups.iter().zip(&done) {
            if let (Some(group), Ok(_)) = (group, done)
                && self.start.count(group)
            {
                self.publishers.iter().for_each(|publisher| publisher.publish(group));
            }
        }
        for (reply, done) in replies.into_iter().zip(done) {
            if let Err(error @ SpoolError::Unknown(_)) = &done {
                self.failed.get_or_insert_with(|| error.clone());
            }
            reply(done);
        }
    }

    fn subscribe(&mut self, publisher: Publisher) -> Result<Subscription, SpoolError> {
        let subscription = publisher.subscription(&self.start, (self.shared.open_reader)()?)?;
        self.publishers.push(publisher);
        Ok(subscription)
    }

    fn sweep(&mut self, now: Timestamp) {
        if self.failed.is_some() {
            return;
        }
        let retain = i64::try_from(self.retain.as_micros()).unwrap_or(i64::MAX);
        match self.engine.sweep(Timestamp(now.0.saturating_sub(retain))) {
            Ok(swept) if swept.records > 0 => {
                tracing::debug!(records = swept.records, "removed settled records");
            }
            Ok(_) | Err(SpoolError::DiskFull) => {}
            Err(error @ SpoolError::Unknown(_)) => self.failed = Some(error),
            Err(error) => tracing::error!("remove settled records: {error}"),
        }
        self.publish();
    }

    fn publish(&mut self) {
        self.shared.cursors.set(self.engine.take_changed().into_iter());
        self.shared.room.store(room_code(self.engine.room()), Ordering::Release);
    }
}

fn room_code(room: Room) -> u8 {
    match room {
        Room::Open => 0,
        Room::Near => 1,
        Room::Full => 2,
    }
}

fn group_of(op: &Op) -> Option<Arc<Group>> {
    if let Op::Commit(group) = op { Some(Arc::clone(group)) } else { None }
}

/// How often retention by age runs.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
/// A spool whose shadow has not changed for so long is at rest.
const RELEASE_AFTER: Duration = Duration::from_secs(5);
/// Near its limit, retention runs between operations, and this often without any.
const CROWDED_PAUSE: Duration = Duration::from_millis(50);
