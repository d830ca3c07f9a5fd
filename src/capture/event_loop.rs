//! The loop of capture: applies its inputs, submits groups when they are due, and publishes the position that
//! is committed.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use tokio::sync::watch;

use super::apply_error::ApplyError;
use super::group_writer::GroupWriter;
use super::linger::linger;
use super::notification::Notification;
use super::stream_applier::{Applied, CatalogLookup, Documents, StreamApplier};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::position::Lsn;
use crate::source::FrameBlock;
use crate::spool::{Room, Spool, SpoolError, StreamPosition};
use crate::time::Uptime;

/// An input of the loop.
pub(super) enum Input {
    /// Frames from the connection of this number.
    Block(u64, FrameBlock),
    /// A new connection, and what it starts from.
    Connected(u64, Box<(Documents, CatalogLookup, StreamPosition)>),
    RoutesChanged,
    Stop,
    /// The spool has the result of a group: committed or refused.
    GroupResult,
    /// Work with the group writer while no stream runs: a resync.
    Work(Box<dyn FnOnce(&mut GroupWriter) + Send>),
}

/// What the loop publishes: the LSN that may be confirmed, and how far the stream is applied, durably.
pub(super) struct Shared {
    pub(super) confirmed: Arc<watch::Sender<Lsn>>,
    pub(super) position: Arc<Mutex<Option<StreamPosition>>>,
}

/// The state of the loop. Its owner calls [`CaptureLoop::step`].
#[expect(clippy::struct_excessive_bools, reason = "each is a state of its own, and any two may hold")]
pub struct CaptureLoop {
    inputs: mpsc::Receiver<Input>,
    group_writer: GroupWriter,
    spool: Spool,
    clock: Clock,
    metrics: Metrics,
    on_notification: Box<dyn Fn(Notification) + Send>,
    shared: Shared,
    /// The current stream, and its connection's number. `None` after an error: blocks are dropped.
    stream: Option<(u64, StreamApplier)>,
    waits_for_room: bool,
    /// The server waits for a reply to a keepalive.
    reply_requested: bool,
    submitted: StreamPosition,
    submitted_at: Uptime,
    stopping: bool,
    /// The spool can no longer be written.
    failed: bool,
}

impl CaptureLoop {
    pub(super) fn new(
        inputs: mpsc::Receiver<Input>,
        group_writer: GroupWriter,
        spool: Spool,
        (clock, metrics): (Clock, Metrics),
        on_notification: impl Fn(Notification) + Send + 'static,
        shared: Shared,
    ) -> Self {
        Self {
            inputs,
            group_writer,
            spool,
            clock,
            metrics,
            on_notification: Box::new(on_notification),
            shared,
            stream: None,
            waits_for_room: false,
            reply_requested: false,
            submitted: StreamPosition::default(),
            submitted_at: clock.uptime(),
            stopping: false,
            failed: false,
        }
    }

    pub(super) fn run(mut self) {
        while let Some(rest) = self.step() {
            match self.inputs.recv_timeout(rest) {
                Ok(event) => self.on_input(event),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Handles the results that are ready, and one input. Waits only for a commit that must come first.
    /// Returns how long to wait for the next input; `None`: the loop has ended.
    pub fn step(&mut self) -> Option<Duration> {
        self.take_committed(Duration::ZERO);
        match self.inputs.try_recv() {
            Ok(event) => {
                self.on_input(event);
                Some(Duration::ZERO)
            }
            Err(mpsc::TryRecvError::Disconnected) => None,
            Err(mpsc::TryRecvError::Empty) => {
                // All inputs are applied, so the group is submitted.
                let wait = self.submit_if_due();
                if !self.group_writer.has_changes() {
                    self.group_writer.rest();
                }
                // What a full disk did not take is not confirmed, and the server sends it again.
                let is_settled = self.group_writer.in_flight() == 0 || self.group_writer.waits_for_disk();
                let over = self.failed || self.stopping && is_settled;
                (!over).then_some(wait)
            }
        }
    }

    /// Groups that are submitted and not yet committed.
    pub fn in_flight(&self) -> usize {
        self.group_writer.in_flight()
    }

    /// The contents of memory: what, how much, and the limit.
    pub fn memory(&self) -> Vec<(&'static str, usize, usize)> {
        self.group_writer.memory()
    }

    fn on_input(&mut self, event: Input) {
        match event {
            Input::Block(number, block) => self.on_block(number, &block),
            Input::Connected(number, of) => {
                let (documents, lookup, position) = *of;
                self.submitted = position;
                self.stream =
                    Some((number, StreamApplier::new(documents, lookup, position, self.metrics.clone())));
            }
            Input::RoutesChanged => self.group_writer.routes_changed(),
            Input::Stop => {
                self.submit_now();
                self.stream = None;
                self.stopping = true;
            }
            Input::GroupResult => {}
            Input::Work(work) => {
                self.submit_now();
                self.stream = None;
                self.wait_for_commits();
                work(&mut self.group_writer);
            }
        }
    }

    fn on_block(&mut self, number: u64, block: &FrameBlock) {
        for frame in block.frames() {
            let Some((_, stream_applier)) = self.stream.as_mut().filter(|(of, _)| *of == number) else {
                return;
            };
            let after = match stream_applier.frame(frame, &mut self.group_writer) {
                Ok(Applied::Truncated(committed_at)) => self.truncate(committed_at),
                Ok(Applied::ReplyRequested) => {
                    self.reply_requested = true;
                    Ok(())
                }
                Ok(Applied::Nothing) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = after {
                return self.end_stream(error);
            }
            if let Some((_, stream_applier)) = &mut self.stream
                && std::mem::take(&mut stream_applier.needs_backfill)
            {
                (self.on_notification)(Notification::BackfillRequired(number));
            }
            if self.group_writer.is_full() {
                self.submit_when_there_is_room();
            }
        }
    }

    /// Commits everything before, then removes the documents in several groups.
    fn truncate(&mut self, committed_at: crate::time::Timestamp) -> Result<(), ApplyError> {
        loop {
            self.submit_now();
            self.wait_for_commits();
            let Some((_, stream_applier)) = &mut self.stream else { return Ok(()) };
            if stream_applier.truncate_step(committed_at, &mut self.group_writer)? {
                return Ok(());
            }
        }
    }

    /// Ends the stream before the message that was not applied, and submits what was.
    fn end_stream(&mut self, error: ApplyError) {
        self.submit_now();
        let Some((number, _)) = self.stream.take() else { return };
        self.waits_for_room = matches!(error, ApplyError::DiskFull | ApplyError::SpoolFull);
        (self.on_notification)(Notification::ApplyFailed(number, error));
    }

    /// Submits the group if it is due, and returns how long to wait for the next input.
    fn submit_if_due(&mut self) -> Duration {
        let Some((_, stream_applier)) = &self.stream else { return IDLE_WAIT };
        if self.group_writer.in_flight() > 0 {
            return IDLE_WAIT;
        }
        let since_last = self.clock.uptime().since(self.submitted_at);
        if self.group_writer.has_changes() {
            let wait = if self.reply_requested {
                Duration::ZERO
            } else {
                linger(self.group_writer.changes(), since_last, stream_applier.behind)
            };
            if !wait.is_zero() {
                return wait;
            }
            self.submit_now();
        } else if stream_applier.cursor.position() != self.submitted
            && (since_last >= IDLE_POSITION_EVERY || self.reply_requested)
        {
            self.submit_now();
        }
        IDLE_WAIT
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
        self.submitted = position;
        self.submitted_at = self.clock.uptime();
        self.group_writer.submit(Some(position));
        self.reply_requested = false;
    }

    /// Waits until no group is in flight.
    fn wait_for_commits(&mut self) {
        while self.group_writer.in_flight() > 0 && !self.failed {
            self.take_committed(WAIT_FOR_SYNC);
        }
    }

    /// Handles the results that are ready.
    fn take_committed(&mut self, patience: Duration) {
        loop {
            match self.group_writer.committed(patience) {
                Ok(None) => break,
                Ok(Some(committed)) => {
                    if let Some(position) = committed.position {
                        *self.shared.position.lock().unwrap_or_else(PoisonError::into_inner) = Some(position);
                        self.shared.confirmed.send_if_modified(|lsn| {
                            let moved = position.resume_lsn > *lsn;
                            *lsn = position.resume_lsn.max(*lsn);
                            moved
                        });
                    }
                    if committed.room == Room::Full {
                        self.end_stream(ApplyError::SpoolFull);
                    }
                    if !patience.is_zero() {
                        break;
                    }
                }
                Err(SpoolError::DiskFull) => self.end_stream(ApplyError::DiskFull),
                Err(error) => {
                    self.stream = None;
                    self.failed = true;
                    (self.on_notification)(Notification::SpoolFailed(error));
                    break;
                }
            }
        }
        if self.waits_for_room && self.group_writer.in_flight() == 0 && self.spool.room() != Room::Full {
            self.waits_for_room = false;
            (self.on_notification)(Notification::RoomAvailable);
        }
    }
}

/// The position of an idle stream is committed, and so confirmed, no more often.
const IDLE_POSITION_EVERY: Duration = Duration::from_secs(1);
const IDLE_WAIT: Duration = Duration::from_millis(250);
const WAIT_FOR_SYNC: Duration = Duration::from_secs(1);
