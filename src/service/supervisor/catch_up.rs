//! The stream, applied up to the snapshot that a resync compares the table as of.
//!
//! Whatever stops the stream before that place must not stop the resync as well: it is the way past. What
//! is over any time is waited for; what will be the same at the next try is passed over, and said.

use tokio::sync::watch;

use super::Supervisor;
use super::required::ask;
use super::resync_job::ResyncJob;
use super::stream_error::StreamError;
use crate::capture::{Documents, GroupError, Halt, Notice};
use crate::position::Lsn;
use crate::source::server_state::ServerState;
use crate::source::{Connection, SourceError};

/// What a resync does where the stream stopped before its snapshot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Obstacle {
    /// It may be over at the next try.
    Passing,
    /// It is the same at each try: the table is compared instead.
    Permanent,
    /// It looks like one that passes. After [`TRIES_MAX`] tries it is taken for a permanent one.
    Unclear,
}

impl Obstacle {
    /// Of a halt that is none at the place asked for.
    pub(super) fn of_halt(halt: &Halt) -> Self {
        match halt {
            Halt::ColumnMissing(_)
            | Halt::Malformed { .. }
            | Halt::NotCarried { .. }
            | Halt::TableReplaced { .. }
            | Halt::GroupWriter { error: GroupError::Order(_) | GroupError::Unreadable(_), .. } => {
                Self::Permanent
            }
            Halt::Catalog(_) => Self::Unclear,
            Halt::DiskFull
            | Halt::Reached(_)
            | Halt::SpoolFull
            | Halt::GroupWriter { error: GroupError::Damaged(_) | GroupError::Spool(_), .. } => Self::Passing,
        }
    }

    /// Of an error of the connection. One of the slot is judged at the next connection.
    fn of_error(error: &SourceError) -> Self {
        match error {
            SourceError::Malformed { .. } | SourceError::Unreadable { .. } => Self::Permanent,
            SourceError::Closed(_)
            | SourceError::Refused(_)
            | SourceError::Server(_)
            | SourceError::Silent { .. } => Self::Unclear,
            SourceError::SlotActive(_)
            | SourceError::SlotMissing(_)
            | SourceError::SlotUnusable(_)
            | SourceError::Unreachable(_) => Self::Passing,
        }
    }
}

/// How the stream ended before a comparison.
enum Stopped {
    Halted(Halt),
    Failed(SourceError),
}

impl Supervisor {
    /// Applies the stream up to the snapshot, under the mapping that the shadow was made under. Where it
    /// stands before what it cannot read, that is passed over, and said. Where the stream then stands.
    pub(super) async fn catch_up(
        &mut self,
        until: Lsn,
        found: &ServerState,
        job: &ResyncJob,
    ) -> Result<Lsn, StreamError> {
        let stopped = match self.stream_until(until, found).await? {
            Stopped::Halted(Halt::Reached(_)) => {
                return Ok(self.capture.settle().await.unwrap_or_default().resume_lsn);
            }
            Stopped::Halted(Halt::GroupWriter { error: GroupError::Spool(error), .. }) => {
                return Err(StreamError::SpoolFailed(error));
            }
            stopped => stopped,
        };
        let (obstacle, why, stream_error) = match stopped {
            Stopped::Halted(halt) => {
                (Obstacle::of_halt(&halt), halt.to_string(), StreamError::Later(halt.to_string()))
            }
            Stopped::Failed(error) => (Obstacle::of_error(&error), error.to_string(), error.into()),
        };
        self.catch_ups_failed += u32::from(obstacle == Obstacle::Unclear);
        let passes = match obstacle {
            Obstacle::Passing => false,
            Obstacle::Permanent => true,
            Obstacle::Unclear => self.catch_ups_failed >= TRIES_MAX,
        };
        if !passes {
            return Err(stream_error);
        }
        // Other differences would be passed over.
        if job.as_ingested.is_some() {
            return Err(StreamError::Unfit(format!(
                "{why}: --as-ingested needs a stream that goes on: `sidecar resync` first"
            )));
        }
        let position = self.capture.settle().await.unwrap_or_default();
        tracing::warn!(
            "{why}: what changed from {} to {} is not read, and the table is compared instead",
            position.resume_lsn,
            until
        );
        Ok(Lsn(0))
    }

    async fn stream_until(&mut self, until: Lsn, found: &ServerState) -> Result<Stopped, StreamError> {
        let Some(position) = self.capture.settle().await else {
            return Ok(Stopped::Halted(Halt::Reached(Lsn(0))));
        };
        let (identity, mapping) = (self.known.identity.clone(), self.known.mapping.clone());
        let documents = Documents {
            mapping: mapping.unwrap_or_else(|| self.on_table.mapping.clone()),
            // The comparison that follows mends what another type may have made of it.
            excluded_type: None,
            until: Some(until),
            ..self.documents(identity.unwrap_or_default())
        };
        let connection = Connection::open(&self.settings.conninfo).await?;
        let stream = match connection.start(&self.options(position, found)).await {
            Ok(stream) => stream,
            Err(error) => return Ok(Stopped::Failed(error)),
        };
        self.number += 1;
        let number = self.number;
        let ask = ask(self.settings.conninfo.clone(), found.table.oid);
        self.capture.connected(number, documents, ask, position);
        let (end, ended) = watch::channel(false);
        let running = stream.run(self.clock, self.capture.blocks(number), self.capture.confirmed(), ended);
        tokio::pin!(running);
        let mut halted = None;
        loop {
            tokio::select! {
                over = &mut running => {
                    if let Some(halt) = halted {
                        break Ok(Stopped::Halted(halt));
                    }
                    break match over {
                        Err(error) => {
                            if let SourceError::Silent { .. } = &error {
                                self.patience.gave_up();
                            }
                            Ok(Stopped::Failed(error))
                        }
                        Ok(_) => Err(StreamError::Later("the stream ended before the snapshot was reached".to_owned())),
                    };
                }
                notice = self.notices.recv() => match notice {
                    Some(Notice::Halted(of, halt)) if of == number => {
                        halted = Some(halt);
                        let _ = end.send(true);
                    }
                    Some(Notice::SpoolFailed(error)) => return Err(StreamError::SpoolFailed(error)),
                    Some(_) => {}
                    None => return Err(StreamError::Stopped),
                },
            }
        }
    }
}

/// Tries of one resync, each a connection, with the pauses of [`Supervisor::run`] in between: about half a
/// minute.
pub(super) const TRIES_MAX: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::ServerError;

    /// One of each kind of halt that the stream knows, but the place that was asked for.
    fn halts() -> Vec<(Halt, Obstacle)> {
        let table = || "public.documents".parse().unwrap();
        let group_writer = |error| Halt::GroupWriter { lsn: Lsn(7), table: table(), error };
        let null = crate::classify::Unreadable::NullId { column: "id".into() };
        let lacking = crate::capture::Lacking { table: "s.t".parse().unwrap(), columns: vec!["id".into()] };
        vec![
            (Halt::Catalog("no answer".into()), Obstacle::Unclear),
            (Halt::DiskFull, Obstacle::Passing),
            (Halt::SpoolFull, Obstacle::Passing),
            (Halt::Malformed { lsn: Lsn(7), what: "tag".into() }, Obstacle::Permanent),
            (Halt::NotCarried { lsn: Lsn(7), lacking }, Obstacle::Permanent),
            (Halt::TableReplaced { lsn: Lsn(7), table: "t".into() }, Obstacle::Permanent),
            (group_writer(GroupError::Order("twice".into())), Obstacle::Permanent),
            (group_writer(GroupError::Unreadable(null)), Obstacle::Permanent),
            (group_writer(GroupError::Spool(crate::spool::SpoolError::DiskFull)), Obstacle::Passing),
        ]
    }

    #[test]
    fn a_resync_passes_every_halt_that_a_next_try_would_meet_again() {
        for (halt, obstacle) in halts() {
            assert_eq!(Obstacle::of_halt(&halt), obstacle, "{halt}");
        }
    }

    #[test]
    fn what_the_connection_says_of_the_stream_is_passed_and_of_the_slot_is_judged_anew() {
        let server = || ServerError { sqlstate: "XX000".into(), ..ServerError::default() };
        let errors = [
            (SourceError::Malformed { lsn: Lsn(7), what: "tag".into() }, Obstacle::Permanent),
            (SourceError::Unreadable { lsn: None, what: "2".into() }, Obstacle::Permanent),
            (SourceError::Refused("gone".into()), Obstacle::Unclear),
            (SourceError::Server(server()), Obstacle::Unclear),
            (SourceError::Closed("by the server".into()), Obstacle::Unclear),
            (SourceError::SlotMissing(server()), Obstacle::Passing),
            (SourceError::Unreachable("refused".into()), Obstacle::Passing),
        ];
        for (error, obstacle) in errors {
            assert_eq!(Obstacle::of_error(&error), obstacle, "{error}");
        }
    }
}
