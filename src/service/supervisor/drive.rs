//! One stream, driven from START_REPLICATION to its end: the only place where a stream is read.

use std::future::Future;

use tokio::sync::watch;

use super::required::catalog_lookup;
use super::stream_error::StreamError;
use super::{Supervisor, stopped};
use crate::capture::{ApplyError, Documents, Notification};
use crate::clock::Clock;
use crate::service::state::Phase;
use crate::source::preflight::server_state::ServerState;
use crate::source::{Connection, FrameBlock, SourceError, Stream, StreamClosed, StreamOptions};
use crate::spool::StreamPosition;

/// How a stream ended.
pub(super) enum StreamEnd<I> {
    /// The connection ended.
    Closed(Result<StreamClosed, SourceError>),
    /// Capture could not apply what came next.
    ApplyFailed(ApplyError),
    /// It was ended for this reason.
    Interrupted(I),
}

/// A stream whose first message is still to be read.
pub(super) struct Started {
    stream: Stream,
    number: u64,
    /// The stream is applied up to a snapshot, and not beyond.
    catches_up: bool,
}

impl Supervisor {
    /// Sends START_REPLICATION, and has capture apply what comes.
    pub(super) async fn start_stream(
        &mut self,
        connection: Connection,
        position: StreamPosition,
        documents: Documents,
        found: &ServerState,
    ) -> Result<Started, SourceError> {
        self.number += 1;
        let (number, catches_up) = (self.number, documents.until.is_some());
        let stream = connection.start(&self.options(position, found)).await?;
        let lookup = catalog_lookup(self.settings.conninfo.clone(), found.table.oid);
        self.capture.connected(number, documents, lookup, position);
        Ok(Started { stream, number, catches_up })
    }

    /// Reads the stream until it ends. `interrupt` ends it early; so does the stop of the process.
    pub(super) async fn drive<I>(
        &mut self,
        started: Started,
        interrupt: impl Future<Output = I>,
    ) -> Result<StreamEnd<I>, StreamError> {
        let Started { stream, number, catches_up } = started;
        let (end, ending) = watch::channel(false);
        let reading = stream.run(self.clock, self.sink(number), self.capture.confirmed(), ending);
        tokio::pin!(reading, interrupt);
        let (mut failed, mut interrupted) = (None, None);
        let ended = loop {
            let mut stop = self.stop.clone();
            let is_ending = *end.borrow();
            tokio::select! {
                ended = &mut reading => break ended,
                reason = &mut interrupt, if !is_ending => {
                    interrupted = Some(reason);
                    let _ = end.send(true);
                }
                notification = self.notifications.recv() => match notification {
                    Some(Notification::ApplyFailed(of, error)) if of == number => {
                        failed = Some(error);
                        let _ = end.send(true);
                    }
                    Some(Notification::SpoolFailed(error)) => return Err(StreamError::SpoolFailed(error)),
                    // The comparison that follows a catch-up is the backfill.
                    Some(Notification::BackfillRequired(of)) if of == number && !catches_up => self.state.resyncs.wake.notify_one(),
                    Some(_) => {}
                    None => return Err(StreamError::Stopped),
                },
                () = stopped(&mut stop), if !is_ending => {
                    self.state.enter(Phase::Stopping);
                    let _ = end.send(true);
                }
            }
        };
        if let Err(SourceError::Silent { .. }) = &ended {
            self.timeouts.timed_out();
        }
        Ok(match (failed, interrupted) {
            (Some(error), _) => StreamEnd::ApplyFailed(error),
            (None, Some(reason)) => StreamEnd::Interrupted(reason),
            (None, None) => StreamEnd::Closed(ended),
        })
    }

    fn options(&mut self, position: StreamPosition, found: &ServerState) -> StreamOptions {
        let place = (position.resume_lsn, position.open.map_or(0, |open| open.changes_applied));
        StreamOptions {
            timeout: self.timeouts.at(place, found.settings.milliseconds("wal_sender_timeout")),
            slot: self.settings.slot.clone(),
            publication: self.settings.publication.clone(),
            from: position.resume_lsn,
        }
    }

    /// Passes what is read to capture.
    fn sink(&self, number: u64) -> impl FnMut(FrameBlock) + Send + use<> {
        let (state, mut blocks) = (self.state.clone(), self.capture.blocks(number));
        move |block| {
            state.update_server(|server| server.last_message_at = Some(Clock::now()));
            blocks(block);
        }
    }
}
