//! The catalog, polled while the stream runs: the stream does not say that the publication no longer publishes
//! every change, or that the table was replaced.

use std::collections::BTreeSet;
use std::time::Duration;

use super::stream_error::StreamError;
use crate::capture::Capture;
use crate::position::Lsn;
use crate::relation::Table;
use crate::source::catalog::identity;
use crate::source::catalog::violation::{CatalogError, Violation};
use crate::source::preflight::server_state::{ServerState, inspect, version};
use crate::source::{Conninfo, Required, connect_sql};

/// What was found wrong before, kept between streams.
#[derive(Debug, Default)]
pub(super) struct CatalogWatch {
    /// From here on, the publication may have left out changes; `None` while it publishes every change.
    lossy_since: Option<Lsn>,
    identity: IdentityWatch,
}

/// The warning last logged about the replica identity.
#[derive(Clone, Debug, Default)]
struct IdentityWatch(Option<String>);

impl IdentityWatch {
    fn of(table: &Table, required: &Required) -> Self {
        Self(identity::choose(table, &required.id).err().map(|refusal| refusal.to_string()))
    }

    /// Warns where the replica identity does not serve, once: the stream will stop at the first change without
    /// an identity, and cannot deliver the changes made before it is fixed.
    fn check(&mut self, table: &Table, required: &Required) {
        let now = Self::of(table, required);
        if let Some(wrong) = now.0.as_ref().filter(|wrong| self.0.as_ref() != Some(wrong)) {
            tracing::warn!("{wrong}");
        }
        *self = now;
    }
}

impl CatalogWatch {
    /// What a refused publication left out after `good_at` stays missing once it is fixed: the error says so, and
    /// so does a warning when the stream goes on.
    pub(super) fn refused(&mut self, stream_error: StreamError, good_at: Lsn) -> StreamError {
        let StreamError::Refused(why) = stream_error else { return stream_error };
        self.lossy_since.get_or_insert(good_at);
        StreamError::Refused(format!("{why}\n{WHAT_IS_MISSED}"))
    }

    /// A stream begins.
    pub(super) fn log_identity(&mut self, table: &Table, required: &Required) {
        self.identity.check(table, required);
    }

    /// A stream begins, so the publication is right.
    pub(super) fn fixed(&mut self, required: &Required, wal_end: Lsn) {
        if let Some(since) = self.lossy_since.take() {
            tracing::warn!(
                "the publication {} publishes every change of {} again, and reading goes on. Changes between \
                 {} and {} may be missing: `sidecar resync` sends the differences",
                required.publication,
                required.table,
                since,
                wal_end
            );
        }
    }
}

/// Polls on a session of its own, and returns when the stream must end: why, and the LSN up to which all was
/// right. A poll that fails is repeated.
pub(super) async fn until_unusable(
    conninfo: &Conninfo,
    required: &Required,
    found: &ServerState,
    capture: &Capture,
) -> (StreamError, Lsn) {
    let place = || capture.position().unwrap_or_default().resume_lsn;
    let mut before = found.table.clone();
    let mut identity = IdentityWatch::of(&before, required);
    let mut good_at = place();
    let mut session = None;
    let mut polled = None;
    loop {
        tokio::time::sleep(POLL_EVERY).await;
        let now_at = place();
        let poll = async {
            let client = match session.take() {
                Some(client) => client,
                None => connect_sql(conninfo).await?,
            };
            // The version is read first: a change in between is found by the next poll.
            let version = version(&client, required).await?;
            let same = version.is_some() && version == polled;
            let found = if same { None } else { Some(inspect(&client, required).await?) };
            Ok::<_, CatalogError>((client, version, found))
        };
        match tokio::time::timeout(POLL_TIMEOUT, poll).await {
            Ok(Ok((client, version, now))) => {
                if let Some(now) = now {
                    if let Some(wrong) = wrong(&before, &now, required)
                        .or_else(|| excluded_when_changed(found, &now, required))
                    {
                        return (wrong, good_at);
                    }
                    log_partitions(&before, &now.table);
                    identity.check(&now.table, required);
                    before = now.table;
                }
                good_at = now_at;
                (polled, session) = (version, Some(client));
            }
            Ok(Err(error @ CatalogError::Refused(_))) => return (error.into(), good_at),
            Ok(Err(CatalogError::Source(error))) => tracing::debug!("poll the catalog: {error}"),
            Err(_) => tracing::debug!("poll the catalog: no response for {POLL_TIMEOUT:?}"),
        }
    }
}

/// The values of `documents.excluded` mean something else now: an enum label was renamed, or a domain changed.
/// The stream does not say so. A column that is gone or has another type it reports, in its place.
fn excluded_when_changed(
    before: &ServerState,
    now: &ServerState,
    required: &Required,
) -> Option<StreamError> {
    let same_column = before.exclusion.form == now.exclusion.form;
    (same_column && before.exclusion != now.exclusion).then(|| {
        let refusals = now.of_roles(required).into_iter().map(|refusal| refusal.what + "\n");
        StreamError::blocked(refusals.collect::<String>() + VALUES_CHANGED)
    })
}

fn wrong(before: &Table, now: &ServerState, required: &Required) -> Option<StreamError> {
    if now.table.oid != before.oid {
        return Some(StreamError::Transient(format!(
            "the table {}.{} is another one",
            required.schema, required.table
        )));
    }
    let refusals = now.publication_violations(required);
    (!refusals.is_empty()).then(|| {
        let sentences: Vec<String> = refusals.iter().map(Violation::to_string).collect();
        StreamError::Refused(sentences.join("\n"))
    })
}

/// Attaching or detaching a partition with rows makes no change in the stream.
fn log_partitions(before: &Table, now: &Table) {
    let names = |table: &Table| -> BTreeSet<String> {
        table.partitions.iter().map(|part| format!("{}.{}", part.schema, part.name)).collect()
    };
    let (old, new) = (names(before), names(now));
    for gone in old.difference(&new) {
        tracing::warn!(
            "the partition {gone} of {} was detached, dropped or renamed: {ROWS_UNSEEN}",
            now.name
        );
    }
    for come in new.difference(&old) {
        tracing::info!("the partition {come} of {} is new: {ROWS_UNSEEN}", now.name);
    }
}

const WHAT_IS_MISSED: &str = "Changes made until then may be missing from the stream: reading goes on by itself afterwards, and \
                              `sidecar resync` sends what is missing.";
const VALUES_CHANGED: &str = "The values of the column that marks excluded documents have changed. When the setting fits again, `sidecar resync` \
                              sends what was missed meanwhile.";
const ROWS_UNSEEN: &str = "rows in it are not in the stream: `sidecar resync` sends them";
const POLL_EVERY: Duration = Duration::from_secs(10);
const POLL_TIMEOUT: Duration = Duration::from_secs(15);
