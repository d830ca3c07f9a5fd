//! The thread that writes, and the handle that the loops hold.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use super::cursors::Cursors;
use super::engine::{Contents, Engine, OpenReader, Reader};
use super::error::{OpenError, SpoolError};
use super::fact::Fact;
use super::group::Group;
use super::lane::LaneState;
use super::ops::{Done, Op, Room};
use super::sqlite;
use super::stream_position::StreamPosition;
use super::subscription::{Appended, Committed, Publisher, Subscription};
use crate::clock::Clock;
use crate::record::Seq;
use crate::time::{Timestamp, Uptime};

/// What a spool is held to.
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
    /// It was made just now.
    pub is_new: bool,
}

/// A handle to the one writer. All clones speak to the same.
#[derive(Clone, Debug)]
pub struct Spool {
    asks: mpsc::Sender<Ask>,
    shared: Arc<Shared>,
    doer: Arc<Doer>,
}

struct Shared {
    folder: PathBuf,
    open_reader: OpenReader,
    cursors: Cursors,
    room: AtomicU8,
}

/// Who does what is submitted.
enum Doer {
    Thread(Mutex<Option<JoinHandle<()>>>),
    /// Whoever calls [`Spool::turn`].
    Caller(Box<Mutex<Writer>>),
}

type Reply = Box<dyn FnOnce(Result<Done, SpoolError>) + Send>;

enum Ask {
    Do(Box<Op>, Reply),
    Subscribe(Box<Publisher>, mpsc::SyncSender<Result<Subscription, SpoolError>>),
    Close,
}

impl Spool {
    /// Opens or makes the spool in `folder`, for this process alone, and starts its writer.
    pub fn open(folder: &Path, options: Options) -> Result<Opened, OpenError> {
        let io = |source| OpenError::Io { path: folder.to_owned(), source };
        let start = |writer: Writer| {
            let thread =
                std::thread::Builder::new().name("spool".into()).spawn(move || writer.run()).map_err(io)?;
            Ok(Doer::Thread(Mutex::new(Some(thread))))
        };
        Self::open_with(folder, options, Clock::start(Uptime(0)), start)
    }

    /// The same without a thread: operations are done when the caller runs it, or waits for a result.
    pub fn open_still(folder: &Path, options: Options, clock: Clock) -> Result<Opened, OpenError> {
        Self::open_with(folder, options, clock, |writer| Ok(Doer::Caller(Box::new(Mutex::new(writer)))))
    }

    fn open_with(
        folder: &Path,
        options: Options,
        clock: Clock,
        start: impl FnOnce(Writer) -> Result<Doer, OpenError>,
    ) -> Result<Opened, OpenError> {
        let (engine, open_reader, found) = sqlite::open(folder, options.bytes_max, clock.wall())?;
        let Contents { facts, projects, position, last_seq, uptime, lanes, is_new } = found;
        let cursors = Cursors::default();
        cursors.set(lanes.iter().map(|state| (state.lane, state.cursor)));
        let (asks, asked) = mpsc::channel();
        let shared = Arc::new(Shared {
            folder: folder.to_owned(),
            open_reader,
            cursors,
            room: AtomicU8::new(room_code(Room::Open)),
        });
        let writer = Writer {
            engine,
            asked,
            shared: Arc::clone(&shared),
            retain: options.retain,
            clock,
            swept_at: clock.wall(),
            committed: Committed { projects: projects.clone(), last_seq },
            publishers: Vec::new(),
            dead: None,
        };
        let spool = Self { asks, shared, doer: Arc::new(start(writer)?) };
        Ok(Opened { spool, facts, projects, position, last_seq, uptime, lanes, is_new })
    }

    /// Hands an operation in. `reply` is called once it is durable, or was not done; it must not block.
    pub fn submit(&self, op: Op, reply: impl FnOnce(Result<Done, SpoolError>) + Send + 'static) {
        if let Err(mpsc::SendError(Ask::Do(_, reply))) =
            self.asks.send(Ask::Do(Box::new(op), Box::new(reply)))
        {
            reply(Err(SpoolError::Closed));
        }
    }

    /// Hands an operation in and waits until it is durable.
    pub fn apply(&self, op: Op) -> Result<Done, SpoolError> {
        let (told, tell) = mpsc::sync_channel(1);
        self.submit(op, move |done| drop(told.send(done)));
        self.turn();
        tell.recv().unwrap_or(Err(SpoolError::Closed))
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
        let _ = self.asks.send(Ask::Subscribe(Box::new(publisher), reply));
        self.turn();
        replied.recv().unwrap_or_else(|_| Err(SpoolError::Closed))
    }

    /// A reader of its own.
    pub fn reader(&self) -> Result<Reader, SpoolError> {
        (self.shared.open_reader)()
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.shared.folder
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

    /// Does what was submitted, and ends the writer. Later operations are refused.
    pub fn close(&self) {
        let _ = self.asks.send(Ask::Close);
        if let Doer::Thread(slot) = &*self.doer {
            let thread = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(thread) = thread {
                let _ = thread.join();
            }
        }
        self.turn();
    }

    /// Does what was submitted, where no thread does. Whoever waits for a result calls it.
    pub fn turn(&self) {
        if let Doer::Caller(writer) = &*self.doer {
            let _ = writer.lock().unwrap_or_else(PoisonError::into_inner).turn(None);
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Doer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Thread(_) => "a thread",
            Self::Caller(_) => "who calls",
        })
    }
}

struct Writer {
    engine: Box<dyn Engine>,
    asked: mpsc::Receiver<Ask>,
    shared: Arc<Shared>,
    retain: Duration,
    clock: Clock,
    swept_at: Timestamp,
    committed: Committed,
    publishers: Vec<Publisher>,
    /// Why nothing is written any more.
    dead: Option<SpoolError>,
}

impl Writer {
    fn run(mut self) {
        loop {
            let is_crowded = self.engine.is_near() && self.dead.is_none();
            let patience = if is_crowded { CROWDED_PAUSE } else { SWEEP_EVERY };
            let first = match self.asked.recv_timeout(patience) {
                Ok(ask) => Some(ask),
                Err(mpsc::RecvTimeoutError::Timeout) => None,
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            };
            if self.turn(first).is_break() {
                return;
            }
        }
    }

    /// Does `first` and what else has come, together, and makes room. Breaks where it is told to close.
    fn turn(&mut self, first: Option<Ask>) -> ControlFlow<()> {
        let mut flow = ControlFlow::Continue(());
        let (mut ops, mut replies) = (Vec::new(), Vec::new());
        let asks: Vec<_> = first.into_iter().chain(self.asked.try_iter()).collect();
        for ask in asks {
            match ask {
                Ask::Close => flow = ControlFlow::Break(()),
                // The operations that came with it are applied after it.
                Ask::Subscribe(publisher, reply) => drop(reply.send(self.subscribe(*publisher))),
                Ask::Do(op, reply) => {
                    ops.push(*op);
                    replies.push(reply);
                }
            }
        }
        if !ops.is_empty() {
            self.answer(ops, replies);
        }
        let now = self.clock.wall();
        if flow.is_continue() && (self.engine.is_near() || now.since(self.swept_at) >= SWEEP_EVERY) {
            self.swept_at = now;
            self.sweep(now);
        }
        flow
    }

    fn answer(&mut self, ops: Vec<Op>, replies: Vec<Reply>) {
        if let Some(error) = &self.dead {
            replies.into_iter().for_each(|reply| reply(Err(error.clone())));
            return;
        }
        let groups: Vec<_> = ops.iter().map(group_of).collect();
        let done = self.engine.apply(ops);
        self.publish();
        for (group, done) in groups.iter().zip(&done) {
            if let (Some(group), Ok(_)) = (group, done)
                && self.committed.count(group)
            {
                self.publishers.iter().for_each(|publisher| publisher.publish(group));
            }
        }
        for (reply, done) in replies.into_iter().zip(done) {
            if let Err(error @ SpoolError::Unknown(_)) = &done {
                self.dead.get_or_insert_with(|| error.clone());
            }
            reply(done);
        }
    }

    fn subscribe(&mut self, publisher: Publisher) -> Result<Subscription, SpoolError> {
        let subscription = publisher.subscription(&self.committed, (self.shared.open_reader)()?)?;
        self.publishers.push(publisher);
        Ok(subscription)
    }

    fn sweep(&mut self, now: Timestamp) {
        if self.dead.is_some() {
            return;
        }
        let retain = i64::try_from(self.retain.as_micros()).unwrap_or(i64::MAX);
        match self.engine.sweep(Timestamp(now.0.saturating_sub(retain))) {
            Ok(swept) if swept.records > 0 => {
                tracing::debug!(records = swept.records, "removed settled records");
            }
            Ok(_) | Err(SpoolError::DiskFull) => {}
            Err(error @ SpoolError::Unknown(_)) => self.dead = Some(error),
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

/// Retention by age does not hurry.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
/// Near its limit, a spool makes room between operations.
const CROWDED_PAUSE: Duration = Duration::from_millis(50);
