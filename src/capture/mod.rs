//! The left loop: frames → changes → groups of records, shadow and position → the spool → the LSN
//! that may be confirmed.
//!
//! 1. What is confirmed is never beyond what is synced: the position of a group is told only when
//!    the spool has answered for it.
//! 2. A keepalive's LSN goes the same way: behind everything that was received before it.

mod carried;
mod dependency_index;
mod group_writer;
mod halt;
mod not_kept;
mod notice;
mod shadow_cache;
mod stream_applier;
mod stream_cursor;

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

use self::stream_applier::{Applied, StreamApplier};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::position::Lsn;
use crate::source::Block;
use crate::spool::{Opened, Room, Spool, SpoolError, StreamPosition};
use crate::time::Uptime;

pub use carried::Lacking;
pub use group_writer::{GroupError, GroupWriter, Listeners, RecordObserver, RouteFilter};
pub(crate) use group_writer::{Records, Silent};
pub use halt::Halt;
pub use not_kept::{Dropped, NotKept};
pub use notice::Notice;
pub use stream_applier::{CatalogAnswer, CatalogLookup, Documents};

/// Something for the left loop.
enum Event {
    /// From the connection of that number.
    Block(u64, Block),
    /// A new connection, and what it reads for.
    Connected(u64, Box<(Documents, CatalogLookup, StreamPosition)>),
    RoutesChanged,
    Stop,
    /// Something was synced.
    Wake,
    /// Work on the ledger while no stream runs: a resync.
    Work(Box<dyn FnOnce(&mut GroupWriter) + Send>),
}

/// The left loop at work.
pub struct Capture {
    events: mpsc::Sender<Event>,
    confirmed: Arc<watch::Sender<Lsn>>,
    position: Arc<Mutex<Option<StreamPosition>>>,
    not_kept: NotKept,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Capture {
    /// Starts the thread. `notice` is called from it and must not block.
    pub fn start(
        opened: &Opened,
        clock: Clock,
        metrics: Metrics,
        listeners: Listeners,
        notice: impl Fn(Notice) + Send + 'static,
    ) -> anyhow::Result<Self> {
        let (mut capture, state) = Self::still(opened, clock, metrics, listeners, notice)?;
        let thread = std::thread::Builder::new().name("capture".into()).spawn(move || state.run())?;
        capture.thread = Mutex::new(Some(thread));
        Ok(capture)
    }

    /// Without a thread: the caller turns the loop.
    pub fn still(
        opened: &Opened,
        clock: Clock,
        metrics: Metrics,
        listeners: Listeners,
        notice: impl Fn(Notice) + Send + 'static,
    ) -> anyhow::Result<(Self, Loop)> {
        let (events, happened) = mpsc::channel();
        let wake = {
            let events = Mutex::new(events.clone());
            Arc::new(move || {
                let _ = events.lock().unwrap_or_else(PoisonError::into_inner).send(Event::Wake);
            })
        };
        let group_writer = GroupWriter::open(opened, clock, metrics.clone(), listeners, wake)?;
        let confirmed = Arc::new(watch::Sender::new(opened.position.unwrap_or_default().resume_lsn));
        let position = Arc::new(Mutex::new(opened.position));
        let not_kept = group_writer.not_kept();
        let state = Loop {
            happened,
            group_writer,
            spool: opened.spool.clone(),
            clock,
            metrics,
            notice: Box::new(notice),
            confirmed: Arc::clone(&confirmed),
            position: Arc::clone(&position),
            stream: None,
            halted_for_room: false,
            answer_at_once: false,
            submitted: StreamPosition::default(),
            submitted_at: clock.uptime(),
            stopping: false,
            failed: false,
        };
        Ok((Self { events, confirmed, position, not_kept, thread: Mutex::new(None) }, state))
    }

    /// Ends what is left of a stream, makes durable what was read, and says where that leaves it:
    /// `None` before a first start has ended.
    pub async fn settle(&self) -> Option<StreamPosition> {
        self.work(|_| ()).await;
        self.position()
    }

    /// A connection is about to stream from `position`, which [`Capture::settle`] gave, or which
    /// follows from it: its blocks come under `number`.
    pub fn connected(&self, number: u64, documents: Documents, ask: CatalogLookup, position: StreamPosition) {
        self.tell(Event::Connected(number, Box::new((documents, ask, position))));
    }

    /// Where the connection of `number` hands its blocks over.
    pub fn blocks(&self, number: u64) -> impl FnMut(Block) + Send + use<> {
        let events = self.events.clone();
        move |block| drop(events.send(Event::Block(number, block)))
    }

    /// What may be confirmed to Postgres.
    pub fn confirmed(&self) -> watch::Receiver<Lsn> {
        self.confirmed.subscribe()
    }

    /// The documents were compared with the table as of this position, durably.
    pub(crate) fn seeded(&self, position: StreamPosition) {
        *self.position.lock().unwrap_or_else(PoisonError::into_inner) = Some(position);
        self.confirmed.send_replace(position.resume_lsn);
    }

    /// Where the stream stands, durably.
    pub fn position(&self) -> Option<StreamPosition> {
        *self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that no webhook takes.
    pub fn not_kept(&self) -> &NotKept {
        &self.not_kept
    }

    /// The webhooks changed.
    pub fn routes_changed(&self) {
        self.tell(Event::RoutesChanged);
    }

    /// Runs `work` on the ledger, on the loop's thread, and waits for what it returns. What is left
    /// of a stream is ended first. `None`: the loop has ended.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut GroupWriter) -> T + Send + 'static,
    ) -> Option<T> {
        let (told, tell) = tokio::sync::oneshot::channel();
        self.tell(Event::Work(Box::new(move |group_writer| drop(told.send(work(group_writer))))));
        tell.await.ok()
    }

    /// Makes durable what was read, and ends.
    pub fn stop(&self) {
        self.tell(Event::Stop);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }

    fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }
}

/// The left loop's doing: whoever holds it turns it.
#[expect(clippy::struct_excessive_bools, reason = "each is a state of its own, and any two may hold")]
pub struct Loop {
    happened: mpsc::Receiver<Event>,
    group_writer: GroupWriter,
    spool: Spool,
    clock: Clock,
    metrics: Metrics,
    notice: Box<dyn Fn(Notice) + Send>,
    confirmed: Arc<watch::Sender<Lsn>>,
    position: Arc<Mutex<Option<StreamPosition>>>,
    /// The stream under way, and its connection's number. `None` while halted: blocks are dropped.
    stream: Option<(u64, StreamApplier)>,
    halted_for_room: bool,
    /// The server waits for an answer to a keepalive.
    answer_at_once: bool,
    submitted: StreamPosition,
    submitted_at: Uptime,
    stopping: bool,
    /// The spool can no longer be written.
    failed: bool,
}

impl Loop {
    fn run(mut self) {
        while let Some(rest) = self.turn() {
            match self.happened.recv_timeout(rest) {
                Ok(event) => self.take(event),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Takes the answers that have come, and one event. Waits for nothing but a sync that must come
    /// first. Says how long to rest where nothing else comes; `None`: it has ended.
    pub fn turn(&mut self) -> Option<Duration> {
        self.take_committed(Duration::ZERO);
        match self.happened.try_recv() {
            Ok(event) => {
                self.take(event);
                Some(Duration::ZERO)
            }
            Err(mpsc::TryRecvError::Disconnected) => None,
            Err(mpsc::TryRecvError::Empty) => {
                // Everything that has come is entered: now is the time to make it durable.
                self.submit_if_due();
                // What the disk has no room for is not confirmed, and comes again.
                let is_settled = self.group_writer.in_flight() == 0 || self.group_writer.lacks_disk();
                let over = self.failed || self.stopping && is_settled;
                (!over).then_some(LOOK_AROUND_EVERY)
            }
        }
    }

    /// Groups that are handed in and not answered.
    pub fn in_flight(&self) -> usize {
        self.group_writer.in_flight()
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Block(number, block) => self.block(number, &block),
            Event::Connected(number, of) => {
                let (documents, ask, position) = *of;
                self.submitted = position;
                self.stream =
                    Some((number, StreamApplier::new(documents, ask, position, self.metrics.clone())));
            }
            Event::RoutesChanged => self.group_writer.routes_changed(),
            Event::Stop => {
                self.submit_now();
                self.stream = None;
                self.stopping = true;
            }
            Event::Wake => {}
            Event::Work(work) => {
                self.submit_now();
                self.stream = None;
                self.settle_all();
                work(&mut self.group_writer);
            }
        }
    }

    fn block(&mut self, number: u64, block: &Block) {
        for frame in block.frames() {
            let Some((_, stream_applier)) = self.stream.as_mut().filter(|(of, _)| *of == number) else {
                return;
            };
            let after = match stream_applier.frame(frame, &mut self.group_writer) {
                Ok(Applied::Truncated(committed_at)) => self.truncate(committed_at),
                Ok(Applied::Answer) => {
                    self.answer_at_once = true;
                    Ok(())
                }
                Ok(Applied::Nothing) => Ok(()),
                Err(halt) => Err(halt),
            };
            if let Err(halt) = after {
                return self.halt(halt);
            }
            if let Some((_, stream_applier)) = &mut self.stream
                && std::mem::take(&mut stream_applier.unlearned)
            {
                (self.notice)(Notice::Unlearned(number));
            }
            if self.group_writer.is_full() {
                self.submit_when_there_is_room();
            }
        }
    }

    /// Everything before is made durable; then the documents go piece by piece, each a group.
    fn truncate(&mut self, committed_at: crate::time::Timestamp) -> Result<(), Halt> {
        loop {
            self.submit_now();
            self.settle_all();
            let Some((_, stream_applier)) = &mut self.stream else { return Ok(()) };
            if stream_applier.truncate_step(committed_at, &mut self.group_writer)? {
                return Ok(());
            }
        }
    }

    /// The stream ends before what could not be applied; what was is made durable.
    fn halt(&mut self, halt: Halt) {
        self.submit_now();
        let Some((number, _)) = self.stream.take() else { return };
        self.halted_for_room = matches!(halt, Halt::DiskFull | Halt::SpoolFull);
        (self.notice)(Notice::Halted(number, halt));
    }

    fn submit_if_due(&mut self) {
        if self.group_writer.in_flight() > 0 {
            return;
        }
        let Some((_, stream_applier)) = &self.stream else { return };
        let moved = stream_applier.cursor.position() != self.submitted;
        let patient =
            self.clock.uptime().since(self.submitted_at) < IDLE_POSITION_EVERY && !self.answer_at_once;
        if self.group_writer.has_changes() || moved && !patient {
            self.submit_now();
        }
    }

    fn submit_when_there_is_room(&mut self) {
        while self.group_writer.in_flight() > 0 && self.stream.is_some() {
            self.take_committed(WAIT_FOR_SYNC);
        }
        self.submit_now();
    }

    fn submit_now(&mut self) {
        let Some((_, stream_applier)) = &mut self.stream else { return };
        let position = stream_applier.cursor.position();
        if position == self.submitted && !self.group_writer.has_changes() {
            return;
        }
        stream_applier.count();
        self.group_writer.submit(Some(position));
        self.submitted = position;
        self.submitted_at = self.clock.uptime();
        self.answer_at_once = false;
    }

    /// Waits until nothing is on its way to the disk.
    fn settle_all(&mut self) {
        while self.group_writer.in_flight() > 0 && !self.failed {
            self.take_committed(WAIT_FOR_SYNC);
        }
    }

    /// Takes the answers that have come.
    fn take_committed(&mut self, patience: Duration) {
        loop {
            match self.group_writer.committed(patience) {
                Ok(None) => break,
                Ok(Some(committed)) => {
                    if let Some(position) = committed.position {
                        *self.position.lock().unwrap_or_else(PoisonError::into_inner) = Some(position);
                        self.confirmed.send_if_modified(|lsn| {
                            let moved = position.resume_lsn > *lsn;
                            *lsn = position.resume_lsn.max(*lsn);
                            moved
                        });
                    }
                    if committed.room == Room::Full {
                        self.halt(Halt::SpoolFull);
                    }
                    if !patience.is_zero() {
                        break;
                    }
                }
                Err(SpoolError::DiskFull) => self.halt(Halt::DiskFull),
                Err(error) => {
                    self.stream = None;
                    self.failed = true;
                    (self.notice)(Notice::SpoolFailed(error));
                    break;
                }
            }
        }
        if self.halted_for_room && self.group_writer.in_flight() == 0 && self.spool.room() != Room::Full {
            self.halted_for_room = false;
            (self.notice)(Notice::Resumed);
        }
    }
}

/// An idle stream's position is made durable, and so confirmed, no more often.
const IDLE_POSITION_EVERY: Duration = Duration::from_secs(1);
const LOOK_AROUND_EVERY: Duration = Duration::from_millis(250);
const WAIT_FOR_SYNC: Duration = Duration::from_secs(1);
