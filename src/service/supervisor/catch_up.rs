//! The stream, applied up to the snapshot of a resync before the comparison.
//!
//! A failure of the stream must not fail the resync as well: the resync is the way past it. A transient failure
//! is retried; a permanent one is skipped and logged.

use std::convert::Infallible;
use std::future::pending;

use super::Supervisor;
use super::drive::StreamEnd;
use super::resync_job::ResyncJob;
use super::stream_error::StreamError;
use crate::capture::{ApplyError, Documents, GroupError};
use crate::position::Lsn;
use crate::service::resync_queue::CANCELLED;
use crate::source::preflight::server_state::ServerState;
use crate::source::{Connection, SourceError};

/// Whether another try can succeed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum FailureKind {
    /// Every try fails: the table is compared instead.
    Permanent,
    /// A later try may succeed.
    Transient,
    /// Not known. After [`TRIES_MAX`] tries it counts as permanent.
    Unknown,
}

impl FailureKind {
    pub(super) fn of_apply_error(error: &ApplyError) -> Self {
        match error {
            ApplyError::ColumnMissing(_)
            | ApplyError::Malformed { .. }
            | ApplyError::IncompleteReplicaIdentity { .. }
            | ApplyError::TableReplaced { .. }
            | ApplyError::GroupWriter { error: GroupError::Order(_) | GroupError::Unreadable(_), .. } => {
                Self::Permanent
            }
            ApplyError::Catalog(_) => Self::Unknown,
            ApplyError::DiskFull
            | ApplyError::TargetReached(_)
            | ApplyError::SpoolFull
            | ApplyError::GroupWriter { error: GroupError::Damaged(_) | GroupError::Spool(_), .. } => {
                Self::Transient
            }
        }
    }

    /// A failure of the slot is transient here: the next connection assesses the slot.
    fn of_error(error: &SourceError) -> Self {
        match error {
            SourceError::Malformed { .. } | SourceError::Unreadable { .. } => Self::Permanent,
            SourceError::Closed(_)
            | SourceError::Refused(_)
            | SourceError::Server(_)
            | SourceError::Silent { .. } => Self::Unknown,
            SourceError::SlotActive(_)
            | SourceError::SlotMissing(_)
            | SourceError::SlotUnusable(_)
            | SourceError::Unreachable(_) => Self::Transient,
        }
    }
}

impl Supervisor {
    /// Applies the stream up to the snapshot, under the mapping that the shadow was made under, and skips what
    /// can never be applied. Returns the LSN up to which the stream is applied.
    pub(super) async fn catch_up(
        &mut self,
        until: Lsn,
        found: &ServerState,
        job: &ResyncJob,
    ) -> Result<Lsn, StreamError> {
        let (kind, why, stream_error) = match self.stream_until(until, found).await? {
            StreamEnd::ApplyFailed(ApplyError::TargetReached(_)) => {
                return Ok(self.capture.flush().await.unwrap_or_default().resume_lsn);
            }
            StreamEnd::ApplyFailed(ApplyError::GroupWriter { error: GroupError::Spool(error), .. }) => {
                return Err(StreamError::SpoolFailed(error));
            }
            StreamEnd::ApplyFailed(error) => (
                FailureKind::of_apply_error(&error),
                error.to_string(),
                StreamError::Transient(error.to_string()),
            ),
            StreamEnd::Closed(Err(error)) => (FailureKind::of_error(&error), error.to_string(), error.into()),
            StreamEnd::Closed(Ok(_)) if *self.stop.borrow() => return Err(StreamError::Stopped),
            StreamEnd::Closed(Ok(_)) => {
                return Err(StreamError::Transient(
                    "the stream ended before the snapshot was reached".to_owned(),
                ));
            }
            StreamEnd::Interrupted(never) => match never {},
        };
        self.failed_catch_ups += u32::from(kind == FailureKind::Unknown);
        let skips = match kind {
            FailureKind::Transient => false,
            FailureKind::Permanent => true,
            FailureKind::Unknown => self.failed_catch_ups >= TRIES_MAX,
        };
        if !skips {
            return Err(stream_error);
        }
        // It would pass over other differences.
        if job.as_ingested.is_some() {
            return Err(StreamError::Unfit(format!(
                "{why}: --as-ingested needs a stream that goes on: `sidecar resync` first"
            )));
        }
        let position = self.capture.flush().await.unwrap_or_default();
        let skipped = format!(
            "{why}: what changed from {} to {until} is not read, and the table is compared instead",
            position.resume_lsn
        );
        if self.state.resyncs.closes_gap(&skipped) {
            return Err(StreamError::Unfit(CANCELLED.to_owned()));
        }
        tracing::warn!("{skipped}");
        Ok(Lsn(0))
    }

    async fn stream_until(
        &mut self,
        until: Lsn,
        found: &ServerState,
    ) -> Result<StreamEnd<Infallible>, StreamError> {
        let Some(position) = self.capture.flush().await else {
            return Ok(StreamEnd::ApplyFailed(ApplyError::TargetReached(Lsn(0))));
        };
        let (identity, mapping) = (self.known.identity.clone(), self.known.mapping.clone());
        let documents = Documents {
            mapping: mapping.unwrap_or_else(|| self.mapping.mapping.clone()),
            // The comparison that follows corrects what another type may have made of it.
            excluded_type: None,
            until: Some(until),
            ..self.documents(identity.unwrap_or_default())
        };
        let connection = Connection::open(&self.settings.conninfo).await?;
        match self.start_stream(connection, position, documents, found).await {
            Ok(started) => self.drive(started, pending()).await,
            Err(error) => Ok(StreamEnd::Closed(Err(error))),
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

    /// One error of each kind, except `TargetReached`.
    fn apply_errors() -> Vec<(ApplyError, FailureKind)> {
        let table = || "public.documents".parse().unwrap();
        let group_writer = |error| ApplyError::GroupWriter { lsn: Lsn(7), table: table(), error };
        let null = crate::classify::Unreadable::NullId { column: "id".into() };
        let found = crate::capture::IncompleteReplicaIdentity {
            table: "s.t".parse().unwrap(),
            columns: vec!["id".into()],
        };
        vec![
            (ApplyError::Catalog("no answer".into()), FailureKind::Unknown),
            (ApplyError::DiskFull, FailureKind::Transient),
            (ApplyError::SpoolFull, FailureKind::Transient),
            (ApplyError::Malformed { lsn: Lsn(7), what: "tag".into() }, FailureKind::Permanent),
            (ApplyError::IncompleteReplicaIdentity { lsn: Lsn(7), found }, FailureKind::Permanent),
            (ApplyError::TableReplaced { lsn: Lsn(7), table: "t".into() }, FailureKind::Permanent),
            (group_writer(GroupError::Order("twice".into())), FailureKind::Permanent),
            (group_writer(GroupError::Unreadable(null)), FailureKind::Permanent),
            (group_writer(GroupError::Spool(crate::spool::SpoolError::DiskFull)), FailureKind::Transient),
        ]
    }

    #[test]
    fn an_apply_error_that_every_try_would_meet_is_permanent() {
        for (error, kind) in apply_errors() {
            assert_eq!(FailureKind::of_apply_error(&error), kind, "{error}");
        }
    }

    #[test]
    fn an_error_in_the_stream_is_permanent_and_one_of_the_slot_transient() {
        let server = || ServerError { sqlstate: "XX000".into(), ..ServerError::default() };
        let errors = [
            (SourceError::Malformed { lsn: Lsn(7), what: "tag".into() }, FailureKind::Permanent),
            (SourceError::Unreadable { lsn: None, what: "2".into() }, FailureKind::Permanent),
            (SourceError::Refused("gone".into()), FailureKind::Unknown),
            (SourceError::Server(server()), FailureKind::Unknown),
            (SourceError::Closed("by the server".into()), FailureKind::Unknown),
            (SourceError::SlotMissing(server()), FailureKind::Transient),
            (SourceError::Unreachable("refused".into()), FailureKind::Transient),
        ];
        for (error, kind) in errors {
            assert_eq!(FailureKind::of_error(&error), kind, "{error}");
        }
    }
}
