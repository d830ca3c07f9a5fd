//! The stream that goes on from where it was left, and what its end means.

use std::sync::Arc;

use tokio_postgres::Client;

use super::catch_up::FailureKind;
use super::drive::StreamEnd;
use super::failure_log::FailureLog;
use super::stream_error::StreamError;
use super::watch_catalog::until_unusable;
use super::watch_slot::{POLL_SLOT_EVERY, poll_slot};
use super::{ConnectionEnd, Supervisor, stopped};
use crate::capture::{ApplyError, GroupError, Notification};
use crate::position::Lsn;
use crate::service::state::Phase;
use crate::source::preflight::server_state::ServerState;
use crate::source::{Connection, Required};
use crate::spool::StreamPosition;

/// Why a stream that could go on is ended.
enum Interrupt {
    /// The catalog no longer allows it. All was right up to the LSN.
    Catalog(StreamError, Lsn),
    /// A resync is requested or required.
    Resync,
}

impl Supervisor {
    pub(super) async fn stream(
        &mut self,
        connection: Connection,
        client: Client,
        (required, found): (&Required, &ServerState),
        position: StreamPosition,
    ) -> Result<ConnectionEnd, StreamError> {
        let documents = self.documents(self.known.identity.clone().unwrap_or_default());
        let started = self.start_stream(connection, position, documents, found).await?;
        self.state.enter(Phase::Streaming);
        self.deliver.hold(false);
        tracing::info!(from = %position.resume_lsn, slot = %self.settings.slot, "streaming");
        self.has_streamed = true;
        let since = self.clock.uptime();
        let (conninfo, capture) = (self.settings.conninfo.clone(), Arc::clone(&self.capture));
        let state = self.state.clone();
        let interrupt = async {
            tokio::select! {
                (error, good_at) = until_unusable(&conninfo, required, found, &capture) => Interrupt::Catalog(error, good_at),
                () = state.resyncs.wake.notified() => Interrupt::Resync,
                never = poll_slot(&conninfo, client, &required.slot, &state) => match never {},
            }
        };
        let ended = Box::pin(self.drive(started, interrupt)).await;
        // A stream that ends as soon as it begins does not end a series of failures.
        if self.clock.uptime().since(since) >= POLL_SLOT_EVERY {
            self.failures = FailureLog::default();
        }
        match ended? {
            StreamEnd::Closed(ended) => Ok(ConnectionEnd::StreamEnded(ended?)),
            StreamEnd::ApplyFailed(error) => self.after_apply_error(error).await,
            StreamEnd::Interrupted(Interrupt::Catalog(error, good_at)) => {
                Err(self.watch.refused(error, good_at))
            }
            StreamEnd::Interrupted(Interrupt::Resync) => Ok(ConnectionEnd::Reconnect),
        }
    }

    /// Where there is no room, the next stream waits until there is.
    async fn after_apply_error(&mut self, error: ApplyError) -> Result<ConnectionEnd, StreamError> {
        match &error {
            ApplyError::DiskFull | ApplyError::SpoolFull => {
                let why = error.to_string();
                tracing::error!("{why}: reading stops, and resumes by itself");
                self.state.enter(Phase::Stopped(why));
                self.until_there_is_room().await?;
                tracing::info!("there is room again: reading resumes");
                Ok(ConnectionEnd::Reconnect)
            }
            ApplyError::GroupWriter { error: GroupError::Spool(error), .. } => {
                Err(StreamError::SpoolFailed(error.clone()))
            }
            ApplyError::Catalog(_) => Err(StreamError::Transient(error.to_string())),
            _ => {
                let mut why = error.to_string();
                if FailureKind::of_apply_error(&error) == FailureKind::Permanent {
                    why.push_str(". `sidecar resync` goes past it: it compares the table instead");
                }
                Err(StreamError::blocked(why))
            }
        }
    }

    async fn until_there_is_room(&mut self) -> Result<(), StreamError> {
        loop {
            let mut stop = self.stop.clone();
            tokio::select! {
                notification = self.notifications.recv() => match notification {
                    Some(Notification::RoomAvailable) => return Ok(()),
                    Some(Notification::SpoolFailed(error)) => return Err(StreamError::SpoolFailed(error)),
                    Some(Notification::ApplyFailed(..) | Notification::BackfillRequired(_)) => {}
                    None => return Err(StreamError::Stopped),
                },
                () = stopped(&mut stop) => return Err(StreamError::Stopped),
            }
        }
    }
}
