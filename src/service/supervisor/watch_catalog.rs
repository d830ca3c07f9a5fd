//! The catalog, looked at while the stream runs. Postgres does not tell in the stream, or passes over in
//! silence, that the publication no longer gives all changes, and that the table is another one.

use std::collections::BTreeSet;
use std::time::Duration;

use super::stream_error::StreamError;
use crate::capture::Capture;
use crate::position::Lsn;
use crate::source::catalog::Table;
use crate::source::refusal::{CatalogError, Refusal};
use crate::source::server_state::{Required, ServerState, server_state, version};
use crate::source::{Conninfo, connect_sql, identity};

/// What is remembered between streams.
#[derive(Debug, Default)]
pub(super) struct CatalogWatch {
    /// The publication gave less than all changes from here on, at the earliest; `None` where it is as
    /// it must be.
    wrong_since: Option<Lsn>,
    identity: IdentityWatch,
}

/// What was last said of a replica identity that no longer serves.
#[derive(Clone, Debug, Default)]
struct IdentityWatch(Option<String>);

impl IdentityWatch {
    fn of(table: &Table, required: &Required) -> Self {
        Self(identity::choose(table, &required.id).err().map(|refusal| refusal.to_string()))
    }

    /// Says it where it is new: the stream stops before the first change that it does not tell, and what
    /// is changed before the cure is not to be had from it.
    fn tell(&mut self, table: &Table, required: &Required) {
        let now = Self::of(table, required);
        if let Some(wrong) = now.0.as_ref().filter(|wrong| self.0.as_ref() != Some(wrong)) {
            tracing::warn!("{wrong}");
        }
        *self = now;
    }
}

impl CatalogWatch {
    /// What a refused publication left out behind `good_at` does not come back when it is cured: that is
    /// said with the cure, and again when the stream goes on.
    pub(super) fn refused(&mut self, stream_error: StreamError, good_at: Lsn) -> StreamError {
        let StreamError::Refused(why) = stream_error else { return stream_error };
        self.wrong_since.get_or_insert(good_at);
        StreamError::Refused(format!("{why}\n{WHAT_IS_MISSED}"))
    }

    /// A stream begins.
    pub(super) fn tell_identity(&mut self, table: &Table, required: &Required) {
        self.identity.tell(table, required);
    }

    /// A stream begins, so all is as it must be.
    pub(super) fn cured(&mut self, required: &Required, log_ends: Lsn) {
        if let Some(since) = self.wrong_since.take() {
            tracing::warn!(
                "the publication {} gives all changes of {} again, and reading goes on. It may have left out some between \
                 {} and {}: `sidecar resync` sends what they made",
                required.publication,
                required.table,
                since,
                log_ends
            );
        }
    }
}

/// Looks now and then, on a session of its own, and returns when the stream must end: why, and where it
/// stood when all was right. A look that fails is made again.
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
    let mut seen = None;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now_at = place();
        let look = async {
            let client = match session.take() {
                Some(client) => client,
                None => connect_sql(conninfo).await?,
            };
            // What is read first is no newer than what is surveyed: a change in between is found next time.
            let version = version(&client, required).await?;
            let same = version.is_some() && version == seen;
            let found = if same { None } else { Some(server_state(&client, required).await?) };
            Ok::<_, CatalogError>((client, version, found))
        };
        match tokio::time::timeout(LOOK_PATIENCE, look).await {
            Ok(Ok((client, version, now))) => {
                if let Some(now) = now {
                    if let Some(wrong) =
                        wrong(&before, &now, required).or_else(|| retold(found, &now, required))
                    {
                        return (wrong, good_at);
                    }
                    tell_partitions(&before, &now.table);
                    identity.tell(&now.table, required);
                    before = now.table;
                }
                good_at = now_at;
                (seen, session) = (version, Some(client));
            }
            Ok(Err(error @ CatalogError::Refused(_))) => return (error.into(), good_at),
            Ok(Err(CatalogError::Source(error))) => tracing::debug!("look at the catalog: {error}"),
            Err(_) => tracing::debug!("look at the catalog: no answer for {LOOK_PATIENCE:?}"),
        }
    }
}

/// A label that was renamed, a domain that checks more: what tells excluded documents tells others now. Nothing in
/// the stream says so. Of a column that is gone or of another type it does, in its place.
fn retold(before: &ServerState, now: &ServerState, required: &Required) -> Option<StreamError> {
    let same_column = before.told.form == now.told.form;
    (same_column && before.told != now.told).then(|| {
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
    let refusals = now.publication_refusals(required);
    (!refusals.is_empty()).then(|| {
        let sentences: Vec<String> = refusals.iter().map(Refusal::to_string).collect();
        StreamError::Refused(sentences.join("\n"))
    })
}

/// The rows that a partition brings or takes come in no stream; an empty one brings and takes none.
fn tell_partitions(before: &Table, now: &Table) {
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

const WHAT_IS_MISSED: &str = "What changes until the cure may never be in the stream: after it, reading goes on by itself, and \
                              `sidecar resync` sends what is missing.";
const VALUES_CHANGED: &str = "What tells excluded documents is not what it was. When the setting fits again, `sidecar resync` sends what was \
                              missed meanwhile.";
const ROWS_UNSEEN: &str = "if there were rows in it, the stream did not tell, and `sidecar resync` does";
const LOOK_EVERY: Duration = Duration::from_secs(10);
const LOOK_PATIENCE: Duration = Duration::from_secs(15);
