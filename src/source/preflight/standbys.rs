//! What a primary reports about its standbys, and what prevents a failover slot from being present and
//! consistent after a failover. Reading is SQL; the evaluation is pure.
//! <https://www.postgresql.org/docs/current/logicaldecoding-explanation.html#LOGICALDECODING-REPLICATION-SLOTS-SYNCHRONIZATION>

use postgres_protocol::escape::{escape_identifier, escape_literal};
use tokio_postgres::Client;

use super::finding::{Finding, ok, warning};
use super::server_state::ServerState;
use crate::source::catalog::slot::FAILOVER_SLOTS;
use crate::source::{Required, SourceError};

/// The physical slot of a standby.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Standby {
    /// The slot's name.
    pub slot: String,
    /// A walsender reads it now.
    pub active: bool,
    /// The standby sends `hot_standby_feedback`.
    pub feedback: bool,
    /// Number of slot synchronisation sessions of all standbys together; `None` if our role may not see
    /// them.
    pub sync_sessions: Option<i64>,
}

/// Reads the standbys' slots.
pub async fn standbys(client: &Client) -> Result<Vec<Standby>, SourceError> {
    let rows = client.query(include_str!("../../../sql/standbys.sql"), &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(Standby {
                slot: row.try_get("name")?,
                active: row.try_get("active")?,
                feedback: row.try_get("feedback")?,
                sync_sessions: row.try_get("sync_sessions")?,
            })
        })
        .collect()
}

/// The findings if `postgres.failover_slot` is set.
pub fn evaluate(found: &ServerState, required: &Required, standbys: &[Standby]) -> Vec<Finding> {
    if !required.failover || found.server.version < FAILOVER_SLOTS {
        return Vec::new();
    }
    let mut findings: Vec<Finding> = not_a_failover_slot(found, required).into_iter().collect();
    if standbys.is_empty() {
        let none = "no standby has a slot here: the failover slot is not synchronised to any";
        findings.push(warning(none, ON_THE_STANDBY));
    }
    findings.extend(standbys.iter().filter(|standby| standby.active && !standby.feedback).map(|standby| {
        warning(
            format!("the standby that reads the slot {} sends no hot_standby_feedback", standby.slot),
            format!("Without it, the standby does not synchronise failover slots. {ON_THE_STANDBY}"),
        )
    }));
    if standbys.iter().any(|standby| standby.active)
        && standbys.iter().all(|standby| standby.sync_sessions == Some(0))
    {
        findings.push(warning("no standby synchronises failover slots", ON_THE_STANDBY));
    }
    findings.extend(standby_confirmation(found, standbys));
    if findings.is_empty() {
        findings.push(ok("the slot is synchronised to standbys, and the sidecar does not get ahead of them"));
    }
    findings
}

fn not_a_failover_slot(found: &ServerState, required: &Required) -> Option<Finding> {
    found.slot.as_ref().filter(|slot| !slot.failover)?;
    let name = &required.slot;
    Some(Finding {
        fix_sql: Some(format!("ALTER_REPLICATION_SLOT {} ( FAILOVER true );", escape_identifier(name))),
        ..warning(
            format!("the slot {name} is not a failover slot, though postgres.failover_slot is set"),
            format!(
                "It was created without. Stop the sidecar, and run this SQL on a replication connection: \
                 psql \"dbname={} replication=database\"",
                found.server.database
            ),
        )
    })
}

/// If the server does not wait for standbys before it sends changes, delivered changes may be missing after
/// a failover; if it waits for a standby that is down, nothing is delivered.
fn standby_confirmation(found: &ServerState, standbys: &[Standby]) -> Vec<Finding> {
    let setting = found.settings.figure("synchronized_standby_slots");
    let named: Vec<&str> = setting
        .split(',')
        .map(|name| name.trim().trim_matches('"'))
        .filter(|name| !name.is_empty())
        .collect();
    if named.is_empty() && !standbys.is_empty() {
        let names: Vec<&str> = standbys.iter().map(|standby| standby.slot.as_str()).collect();
        return vec![Finding {
            fix_sql: Some(format!(
                "ALTER SYSTEM SET synchronized_standby_slots = {}; SELECT pg_catalog.pg_reload_conf();",
                escape_literal(&names.join(","))
            )),
            ..warning(
                "synchronized_standby_slots is empty: the sidecar may get ahead of the standbys",
                "What it delivered and a standby never had has not happened after a failover: the sidecar then \
                 stops, and compares the table only when told to (`sidecar resync --adopt`).",
            )
        }];
    }
    let away = |name: &&&str| !standbys.iter().any(|standby| standby.active && standby.slot == **name);
    named
        .iter()
        .filter(away)
        .map(|name| {
            warning(
                format!("synchronized_standby_slots names {name}, which is not being read"),
                "The server sends the sidecar no change until that standby has it.",
            )
        })
        .collect()
}

const ON_THE_STANDBY: &str = "The standby needs sync_replication_slots = on, hot_standby_feedback = on, \
                              primary_slot_name, and dbname in primary_conninfo.";
