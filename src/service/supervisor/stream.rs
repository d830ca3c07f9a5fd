//! One stream, from its start to its end.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_postgres::Client;

use super::catch_up::Obstacle;
use super::failure_log::Said;
use super::required::ask;
use super::stream_error::StreamError;
use super::watch_catalog::until_wrong;
use super::watch_slot::{LOOK_AT_SLOT_EVERY, look_at_slot};
use super::{Next, Supervisor, told};
use crate::capture::{Halt, Notice};
use crate::clock::Clock;
use crate::service::state::Phase;
use crate::source::server_state::{Required, ServerState};
use crate::source::{Block, Connection, Ended, SourceError, StreamOptions};
use crate::spool::StreamPosition;

impl Supervisor {
    pub(super) async fn stream(
        &mut self,
        connection: Connection,
        client: Client,
        (required, found): (&Required, &ServerState),
        position: StreamPosition,
    ) -> Result<Next, StreamError> {
        self.number += 1;
        let number = self.number;
        let stream = connection.start(&self.options(position, found)).await?;
        let identity = self.known.identity.clone().unwrap_or_default();
        let ask = ask(self.settings.conninfo.clone(), found.table.oid);
        self.capture.connected(number, self.documents(identity), ask, position);
        self.state.enter(Phase::Streaming);
        self.deliver.hold(false);
        tracing::info!(from = %position.resume_lsn, slot = %self.settings.slot, "streaming");
        self.has_streamed = true;
        let began = self.clock.uptime();
        let (end, ended) = watch::channel(false);
        let running = stream.run(self.clock, self.hand_over(number), self.capture.confirmed(), ended);
        tokio::pin!(running);
        let mut look = tokio::time::interval(LOOK_AT_SLOT_EVERY);
        let mut halted = None;
        let (conninfo, capture) = (self.settings.conninfo.clone(), Arc::clone(&self.capture));
        let watching = until_wrong(&conninfo, required, found, &capture);
        tokio::pin!(watching);
        let state = self.state.clone();
        let looking = look_at_slot(&conninfo, client, &required.slot, &state);
        tokio::pin!(looking);
        let mut wrong = None;
        let (resyncs, mut asked) = (Arc::clone(&self.state.resyncs), false);
        loop {
            let mut stop = self.stop.clone();
            let ending = *end.borrow();
            tokio::select! {
                ended = &mut running => return match wrong {
                    _ if asked && halted.is_none() && !*self.stop.borrow() => {
                        ended?;
                        Ok(Next::Again)
                    }
                    Some((stream_error, good_at)) if halted.is_none() => Err(self.watch.refused(stream_error, good_at)),
                    _ => self.after_stream(halted, ended).await,
                },
                found = &mut watching, if wrong.is_none() => {
                    wrong = Some(found);
                    let _ = end.send(true);
                }
                notice = self.notices.recv() => match notice {
                    Some(Notice::Halted(of, halt)) if of == number => {
                        halted = Some(halt);
                        let _ = end.send(true);
                    }
                    Some(Notice::SpoolFailed(error)) => return Err(StreamError::SpoolFailed(error)),
                    Some(Notice::Unlearned(of)) if of == number => resyncs.wake.notify_one(),
                    Some(_) => {}
                    None => return Err(StreamError::Stopped),
                },
                () = resyncs.wake.notified(), if !ending => {
                    asked = true;
                    let _ = end.send(true);
                }
                () = told(&mut stop), if !ending => {
                    self.state.enter(Phase::Stopping);
                    let _ = end.send(true);
                }
                _ = look.tick() => self.forget_trouble(began),
                never = &mut looking => match never {},
            }
        }
    }

    /// What is asked for at START_REPLICATION.
    pub(super) fn options(&mut self, position: StreamPosition, found: &ServerState) -> StreamOptions {
        let place = (position.resume_lsn, position.open.map_or(0, |open| open.changes_applied));
        StreamOptions {
            patience: self.patience.at(place, found.settings.milliseconds("wal_sender_timeout")),
            slot: self.settings.slot.clone(),
            publication: self.settings.publication.clone(),
            from: position.resume_lsn,
        }
    }

    fn hand_over(&self, number: u64) -> impl FnMut(Block) + Send + use<> {
        let (state, mut blocks) = (self.state.clone(), self.capture.blocks(number));
        move |block| {
            state.learn(|server| server.last_message_at = Some(Clock::now()));
            blocks(block);
        }
    }

    /// What a stream's end means. Where there was no room, the next one waits until there is.
    pub(super) async fn after_stream(
        &mut self,
        halted: Option<Halt>,
        ended: Result<Ended, SourceError>,
    ) -> Result<Next, StreamError> {
        if let Err(SourceError::Silent { .. }) = &ended {
            self.patience.gave_up();
        }
        let Some(halt) = halted else { return Ok(Next::Over(ended?)) };
        match &halt {
            Halt::DiskFull | Halt::SpoolFull => {
                let why = halt.to_string();
                tracing::error!("{why}: reading stops, and goes on by itself");
                self.state.enter(Phase::Stopped(why));
                self.until_there_is_room().await?;
                tracing::info!("there is room again: reading goes on");
                Ok(Next::Again)
            }
            Halt::GroupWriter { error: crate::capture::GroupError::Spool(error), .. } => {
                Err(StreamError::SpoolFailed(error.clone()))
            }
            Halt::Catalog(_) => Err(StreamError::Later(halt.to_string())),
            _ => {
                let mut why = halt.to_string();
                if Obstacle::of_halt(&halt) == Obstacle::Permanent {
                    why.push_str(". `sidecar resync` goes past it: it compares the table instead");
                }
                Err(StreamError::Stands { why, holds: false })
            }
        }
    }

    async fn until_there_is_room(&mut self) -> Result<(), StreamError> {
        loop {
            let mut stop = self.stop.clone();
            tokio::select! {
                notice = self.notices.recv() => match notice {
                    Some(Notice::Resumed) => return Ok(()),
                    Some(Notice::SpoolFailed(error)) => return Err(StreamError::SpoolFailed(error)),
                    Some(Notice::Halted(..) | Notice::Unlearned(_)) => {}
                    None => return Err(StreamError::Stopped),
                },
                () = told(&mut stop) => return Err(StreamError::Stopped),
            }
        }
    }

    /// A stream that ends as soon as it begins is no end of trouble.
    fn forget_trouble(&mut self, began: crate::time::Uptime) {
        if self.clock.uptime().since(began) >= LOOK_AT_SLOT_EVERY {
            self.said = Said::default();
        }
    }
}
