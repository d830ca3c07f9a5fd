//! The capture loop: frames → changes → groups of records, shadow and position → the spool → the
//! LSN that may be confirmed.
//!
//! 1. What is confirmed is never beyond what is synced: a group's position is published only
//!    after the spool has committed it.
//! 2. A keepalive's LSN is committed and published in the same way, after everything received before it.

mod apply_error;
mod dependency_index;
mod dropped_records;
mod event_loop;
mod group_writer;
mod linger;
mod notification;
mod record_filter;
mod replica_identity;
mod shadow_cache;
mod stream_applier;
mod stream_cursor;

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use tokio::sync::watch;

use self::event_loop::{Input, Shared};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::position::Lsn;
use crate::source::FrameBlock;
use crate::spool::{Opened, StreamPosition};

pub use apply_error::ApplyError;
pub use dependency_index::IndexLimits;
pub use dropped_records::{DropCounter, Dropped};
pub use event_loop::CaptureLoop;
pub use group_writer::{GroupError, GroupWriter, Listeners, RecordObserver};
pub(crate) use group_writer::{NoRecords, PositionSource};
pub use notification::Notification;
pub use record_filter::RouteFilter;
pub use replica_identity::IncompleteReplicaIdentity;
pub use stream_applier::{CatalogAnswer, CatalogLookup, Documents};

/// A handle to the running loop.
pub struct Capture {
    events: mpsc::Sender<Input>,
    confirmed: Arc<watch::Sender<Lsn>>,
    position: Arc<Mutex<Option<StreamPosition>>>,
    drop_counter: DropCounter,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Capture {
    /// Starts the thread. `on_notification` is called from it and must not block.
    pub fn start(
        opened: &Opened,
        clock: Clock,
        metrics: Metrics,
        listeners: Listeners,
        on_notification: impl Fn(Notification) + Send + 'static,
    ) -> anyhow::Result<Self> {
        let listeners = (listeners, IndexLimits::default());
        let (mut capture, state) = Self::without_thread(opened, clock, metrics, listeners, on_notification)?;
        let thread = std::thread::Builder::new().name("capture".into()).spawn(move || state.run())?;
        capture.thread = Mutex::new(Some(thread));
        Ok(capture)
    }

    /// Without a thread: the caller runs the loop.
    pub fn without_thread(
        opened: &Opened,
        clock: Clock,
        metrics: Metrics,
        listeners: (Listeners, IndexLimits),
        on_notification: impl Fn(Notification) + Send + 'static,
    ) -> anyhow::Result<(Self, CaptureLoop)> {
        let (events, inputs) = mpsc::channel();
        let notify = {
            let events = Mutex::new(events.clone());
            Arc::new(move || {
                let _ = events.lock().unwrap_or_else(PoisonError::into_inner).send(Input::GroupResult);
            })
        };
        let group_writer = GroupWriter::open(opened, clock, metrics.clone(), listeners, notify)?;
        let confirmed = Arc::new(watch::Sender::new(opened.position.unwrap_or_default().resume_lsn));
        let position = Arc::new(Mutex::new(opened.position));
        let drop_counter = group_writer.drop_counter();
        let shared = Shared { confirmed: Arc::clone(&confirmed), position: Arc::clone(&position) };
        let state = CaptureLoop::new(
            inputs,
            group_writer,
            opened.spool.clone(),
            (clock, metrics),
            on_notification,
            shared,
        );
        Ok((Self { events, confirmed, position, drop_counter, thread: Mutex::new(None) }, state))
    }

    /// Ends the stream, commits what was read, and returns the position: `None` before a first start has
    /// finished.
    pub async fn flush(&self) -> Option<StreamPosition> {
        self.work(|_| ()).await;
        self.position()
    }

    /// A connection is about to stream from `position`, which [`Capture::flush`] returned, or which
    /// follows from it. Its blocks have the number `number`.
    pub fn connected(
        &self,
        number: u64,
        documents: Documents,
        lookup: CatalogLookup,
        position: StreamPosition,
    ) {
        self.send(Input::Connected(number, Box::new((documents, lookup, position))));
    }

    /// Takes the blocks of the connection `number`.
    pub fn blocks(&self, number: u64) -> impl FnMut(FrameBlock) + Send + use<> {
        let events = self.events.clone();
        move |block| drop(events.send(Input::Block(number, block)))
    }

    /// The LSN that may be confirmed to Postgres.
    pub fn confirmed(&self) -> watch::Receiver<Lsn> {
        self.confirmed.subscribe()
    }

    /// The documents were compared with the table as of this position, durably.
    pub(crate) fn set_position(&self, position: StreamPosition) {
        *self.position.lock().unwrap_or_else(PoisonError::into_inner) = Some(position);
        self.confirmed.send_replace(position.resume_lsn);
    }

    /// How far the stream is durably applied.
    pub fn position(&self) -> Option<StreamPosition> {
        *self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counter of records without a webhook.
    pub fn dropped_records(&self) -> &DropCounter {
        &self.drop_counter
    }

    /// The webhooks changed.
    pub fn routes_changed(&self) {
        self.send(Input::RoutesChanged);
    }

    /// Runs `work` with the group writer, on the loop's thread, and waits for its result. The stream is
    /// ended first. `None`: the loop has ended.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut GroupWriter) -> T + Send + 'static,
    ) -> Option<T> {
        let (reply, replied) = tokio::sync::oneshot::channel();
        self.send(Input::Work(Box::new(move |group_writer| drop(reply.send(work(group_writer))))));
        replied.await.ok()
    }

    /// Commits what was read, and ends the loop.
    pub fn stop(&self) {
        self.send(Input::Stop);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }

    fn send(&self, event: Input) {
        let _ = self.events.send(event);
    }
}
