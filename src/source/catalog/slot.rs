//! The replication slot: its state as the server reports it, and the transactions that its creation waits
//! for.

use postgres_protocol::escape::escape_literal;
use std::fmt;
use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::types::PgLsn;

use super::violation::Violation;
use crate::position::Lsn;
use crate::source::SourceError;

/// A replication slot. <https://www.postgresql.org/docs/current/view-pg-replication-slots.html>
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "facts of the catalog, each by itself")]
pub struct Slot {
    /// The output plugin; `None` for a physical slot.
    pub plugin: Option<String>,
    /// The database; `None` for a physical slot.
    pub database: Option<String>,
    /// The slot belongs to the database that we are connected to.
    pub here: bool,
    /// The server drops it at the end of its session.
    pub temporary: bool,
    /// It sends prepared transactions before their commit.
    pub two_phase: bool,
    /// Standbys synchronise it (17+).
    pub failover: bool,
    /// The process id of the walsender that reads it.
    pub active_pid: Option<i32>,
    /// `confirmed_flush_lsn`. Stays readable when the slot is lost.
    pub confirmed: Option<Lsn>,
    /// `restart_lsn`, the oldest WAL that the slot retains; `None` if it is lost.
    pub restart: Option<Lsn>,
    /// `reserved`, `extended`, `unreserved` or `lost`.
    pub wal_status: Option<String>,
    /// Bytes of WAL that can be written before the slot may be lost; `None` without a limit.
    pub safe_wal_size: Option<i64>,
    /// Why the server invalidated it (17+).
    pub invalidation_reason: Option<String>,
    /// It was invalidated on a standby (16+).
    pub conflicting: bool,
    /// What its walsender waits for: the type and the name of the wait event. `None`: nothing reads the slot, our
    /// role may not see it, or it waits for nothing.
    pub waits_for: Option<String>,
    /// Bytes of WAL that the slot retains.
    pub retained_bytes: Option<i64>,
    /// Bytes of WAL that are not confirmed yet.
    pub lag_bytes: Option<i64>,
}

impl Slot {
    /// The server reports that the slot can never be read again. Only then may it be dropped.
    pub fn lost(&self) -> bool {
        self.lost_because().is_some()
    }

    /// Why the slot is lost; `None` if it is not.
    /// <https://www.postgresql.org/docs/current/view-pg-replication-slots.html>
    pub fn lost_because(&self) -> Option<&'static str> {
        Some(match self.invalidation_reason.as_deref() {
            Some("wal_removed") => REMOVED,
            Some("rows_removed") => "rows of the server's catalog that it needed were removed on a standby",
            Some("wal_level_insufficient") => "wal_level was below logical for a while",
            Some("idle_timeout") => "nobody read from it for longer than idle_replication_slot_timeout",
            Some(_) => "the server invalidated it",
            None if self.conflicting => "it conflicted with recovery on a standby",
            None if self.wal_status.as_deref() == Some("lost") => REMOVED,
            None => return None,
        })
    }
}

const REMOVED: &str = "the server removed WAL that it needed: it retained more than max_slot_wal_keep_size";

/// Reads the slot `name`; `None` if it does not exist.
pub async fn slot(client: &Client, name: &str) -> Result<Option<Slot>, SourceError> {
    let Some(row) = client.query_opt(include_str!("../../../sql/slot.sql"), &[&name]).await? else {
        return Ok(None);
    };
    let lsn = |column: &str| {
        Ok::<_, SourceError>(row.try_get::<_, Option<PgLsn>>(column)?.map(|lsn| Lsn(lsn.into())))
    };
    Ok(Some(Slot {
        plugin: row.try_get("plugin")?,
        database: row.try_get("database")?,
        here: row.try_get::<_, Option<bool>>("here")?.unwrap_or(false),
        temporary: row.try_get("temporary")?,
        two_phase: row.try_get("two_phase")?,
        failover: row.try_get("failover")?,
        active_pid: row.try_get("active_pid")?,
        confirmed: lsn("confirmed")?,
        restart: lsn("restart")?,
        wal_status: row.try_get("wal_status")?,
        safe_wal_size: row.try_get("safe_wal_size")?,
        invalidation_reason: row.try_get("invalidation_reason")?,
        conflicting: row.try_get("conflicting")?,
        waits_for: row.try_get("waits_for")?,
        retained_bytes: row.try_get("retained_bytes")?,
        lag_bytes: row.try_get("lag_bytes")?,
    }))
}

/// Why the sidecar cannot use the slot `name`, with the SQL that drops it.
pub fn violation(name: &str, slot: &Slot) -> Option<Violation> {
    let plugin = slot.plugin.as_deref().unwrap_or("no");
    let why = if slot.plugin.is_none() {
        "is a physical slot".to_owned()
    } else if plugin != "pgoutput" {
        format!("is of the plugin {plugin}, not pgoutput")
    } else if !slot.here {
        format!("belongs to the database {}", slot.database.as_deref().unwrap_or("?"))
    } else if slot.temporary {
        "is temporary, and is dropped with the session that created it".to_owned()
    } else if slot.two_phase {
        "sends prepared transactions before they are committed (two-phase)".to_owned()
    } else {
        return None;
    };
    Some(Violation::with_fix(
        format!("the slot {name} {why}: set postgres.slot to another name, or, if nobody needs it, drop it"),
        drop(name),
    ))
}

/// Why the server cannot create a failover slot, if one is required.
pub fn failover_unsupported(required: bool, version: u32) -> Option<Violation> {
    (required && version < FAILOVER_SLOTS).then(|| {
        Violation::in_settings(format!(
            "postgres.failover_slot: the server is PostgreSQL {}, and failover slots need 17: set it to false; \
             after a failover the table is then compared",
            version / 10_000
        ))
    })
}

/// The SQL that creates the slot `name`: persistent, not two-phase, and a failover slot if `failover`.
pub fn create(name: &str, failover: bool) -> String {
    let more = if failover { ", temporary => false, twophase => false, failover => true" } else { "" };
    format!(
        "SELECT pg_catalog.pg_create_logical_replication_slot({}, 'pgoutput'{more});",
        escape_literal(name)
    )
}

/// The SQL that drops the slot `name`.
pub fn drop(name: &str) -> String {
    format!("SELECT pg_catalog.pg_drop_replication_slot({});", escape_literal(name))
}

/// A transaction that the creation of a slot waits for.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockingTransaction {
    /// The process id of its session.
    pub pid: Option<i32>,
    /// The identifier of a prepared transaction, which has no session.
    pub gid: Option<String>,
    /// Its role.
    pub role: Option<String>,
    /// Its database.
    pub database: Option<String>,
    /// The session's `application_name`.
    pub application: Option<String>,
    /// How long it has been open.
    pub open_for: Option<Duration>,
}

/// The transactions that session `pid` waits for while it creates a slot, longest open first. `client` is
/// another session.
pub async fn blocking_transactions(
    client: &Client,
    pid: i32,
) -> Result<Vec<BlockingTransaction>, SourceError> {
    let rows = client.query(include_str!("../../../sql/waiting_for.sql"), &[&pid]).await?;
    rows.iter()
        .map(|row| {
            let seconds: Option<f64> = row.try_get("open_seconds")?;
            Ok(BlockingTransaction {
                pid: row.try_get("pid")?,
                gid: row.try_get("gid")?,
                role: row.try_get("role")?,
                database: row.try_get("database")?,
                application: row.try_get("application")?,
                open_for: seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            })
        })
        .collect()
}

impl fmt::Display for BlockingTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.gid, self.pid) {
            (Some(gid), _) => write!(f, "the prepared transaction {gid}")?,
            (None, Some(pid)) => write!(f, "the transaction of pid {pid}")?,
            (None, None) => write!(f, "a transaction")?,
        }
        let details =
            [("role", &self.role), ("application", &self.application), ("database", &self.database)];
        for (what, name) in details {
            name.iter().try_for_each(|name| write!(f, ", {what} {name}"))?;
        }
        self.open_for.iter().try_for_each(|open| write!(f, ", open for {} s", open.as_secs()))
    }
}

/// The first version with failover slots.
pub(in crate::source) const FAILOVER_SLOTS: u32 = 170_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_slot_says_which_setting_or_event_lost_it() {
        let slot = |wal_status: &str, reason: Option<&str>, conflicting| Slot {
            plugin: Some("pgoutput".to_owned()),
            database: Some("d".to_owned()),
            here: true,
            temporary: false,
            two_phase: false,
            failover: false,
            active_pid: None,
            confirmed: None,
            restart: None,
            wal_status: Some(wal_status.to_owned()),
            safe_wal_size: None,
            invalidation_reason: reason.map(str::to_owned),
            conflicting,
            waits_for: None,
            retained_bytes: None,
            lag_bytes: None,
        };
        for (found, required) in [
            (slot("lost", None, false), "max_slot_wal_keep_size"),
            (slot("lost", Some("wal_removed"), false), "max_slot_wal_keep_size"),
            (slot("lost", Some("idle_timeout"), false), "idle_replication_slot_timeout"),
            (slot("lost", Some("wal_level_insufficient"), true), "wal_level"),
            (slot("lost", Some("rows_removed"), true), "rows"),
            (slot("reserved", None, true), "recovery"),
            (slot("lost", Some("something new"), false), "invalidated"),
        ] {
            assert!(found.lost_because().is_some_and(|why| why.contains(required)), "{found:?}");
        }
        for status in ["reserved", "extended", "unreserved"] {
            assert_eq!(slot(status, None, false).lost_because(), None);
        }
    }
}
