//! Checks everything on the server that could cause a failure later: the server's state in, findings out,
//! each with the SQL that fixes it. Nothing is written to the server.

use postgres_protocol::escape::escape_identifier;
use tokio_postgres::Client;

use super::finding::{Finding, Severity, note, ok, warning};
use super::server_state::{Server, ServerState, inspect};
use super::standbys::{self, standbys};
use super::{column_roles, encoding, sample, setup};
use crate::amount;
use crate::relation::{Generated, Kind, Table, UniqueIndex, sql_names};
use crate::source::catalog::identity;
use crate::source::catalog::publication::PUBLISHES_GENERATED;
use crate::source::catalog::slot::{FAILOVER_SLOTS, Slot};
use crate::source::catalog::violation::{CatalogError, Violation};
use crate::source::documents::select::{DocumentKey, SharedIds, shared_ids};
use crate::source::{Required, SourceError};

/// Runs all checks.
pub async fn doctor(client: &Client, required: &Required) -> Result<Vec<Finding>, SourceError> {
    let found = match inspect(client, required).await {
        Ok(found) => found,
        Err(CatalogError::Refused(violations)) => return Ok(violations.into_iter().map(problem).collect()),
        Err(CatalogError::Source(error)) => return Err(error),
    };
    let mut findings = evaluate(&found, required);
    findings.extend(standbys::evaluate(&found, required, &standbys(client).await?));
    findings.extend(other_slots(client, required).await?);
    if findings.iter().all(|finding| finding.severity < Severity::Problem) {
        findings.extend(encoding::findings(client, &found, required).await?);
        findings.extend(shared_id_findings(client, &found, required).await);
        findings.extend(sample::warnings(client, &found, required).await?);
    }
    Ok(findings)
}

/// The findings that follow from the server's state. Pure.
pub fn evaluate(found: &ServerState, required: &Required) -> Vec<Finding> {
    let mut findings = vec![server(&found.server)];
    findings.extend(found.violations(required).into_iter().map(problem));
    findings.extend(missing(found, required));
    findings.extend(identity::choose(&found.table, &required.id).ok().map(|columns| {
        ok(format!("rows of {} are identified by ({})", found.table.name, columns.join(", ")))
    }));
    findings.extend(free_capacity(found));
    findings.extend(
        found.slot.as_ref().into_iter().flat_map(|slot| of_slot(required, slot, found.server.version)),
    );
    findings.extend(limits(found));
    findings.extend(of_table(&found.table, found.server.version));
    findings.extend(swappable_ids(&found.table, required));
    findings.push(column_roles::finding(found, required));
    findings.extend(column_roles::warnings(found, required));
    findings
}

/// Explains a rejected replication connection, if ordinary SQL succeeded on the same address.
pub fn replication_refused(message: &str) -> Finding {
    let pooled =
        message.contains("unsupported startup parameter") || message.to_lowercase().contains("pgbouncer");
    let explanation = if pooled {
        "A connection pooler answered, and poolers cannot carry replication: set postgres.url to the server itself."
    } else {
        "Ordinary SQL works, a replication connection does not: check pg_hba.conf, max_wal_senders and the role's REPLICATION attribute."
    };
    Finding {
        severity: Severity::Problem,
        title: format!("no replication connection: {message}"),
        explanation: explanation.to_owned(),
        fix_sql: None,
    }
}

fn server(server: &Server) -> Finding {
    let (major, minor) = (server.version / 10_000, server.version % 10_000);
    if (NEWEST_TRIED / 10_000) < major {
        return note(
            format!("PostgreSQL {major}.{minor}"),
            "A later version than this sidecar was tested with.",
        );
    }
    ok(format!("PostgreSQL {major}.{minor}, database {}, role {}", server.database, server.role))
}

fn missing(found: &ServerState, required: &Required) -> Vec<Finding> {
    let of_step = |step: setup::SetupStep| Finding {
        severity: if step.permitted { Severity::Note } else { Severity::Problem },
        title: format!("missing: to {}", step.what),
        explanation: if step.permitted {
            "`sidecar setup` creates it, and so does `sidecar run` when it starts.".to_owned()
        } else {
            format!("The role {} lacks the privileges: {}.", found.server.role, step.needs)
        },
        fix_sql: Some(step.sql),
    };
    setup::plan(found, required).into_iter().map(of_step).collect()
}

/// Checks for free slots and walsenders: one of each for the stream, and briefly one more for a snapshot.
fn free_capacity(found: &ServerState) -> Vec<Finding> {
    let slots_needed = if found.slot.is_some() { 1 } else { 2 };
    let active = found.slot.as_ref().is_some_and(|slot| slot.active_pid.is_some());
    let senders_needed = if active { 1 } else { 2 };
    let of = |setting: &str, used: i64, needed: i64, what: &str| {
        let most = found.settings.number(setting).unwrap_or(0);
        if most - used >= needed {
            return ok(format!("{what}: {} of {most} are free", most - used));
        }
        Finding {
            severity: Severity::Problem,
            title: format!("{what}: {used} of {most} are in use, {needed} more are needed"),
            explanation:
                "Two at the first start and on a resync, one otherwise. The server must be restarted after."
                    .to_owned(),
            fix_sql: Some(format!("ALTER SYSTEM SET {setting} = {};", used + needed + 2)),
        }
    };
    vec![
        of("max_replication_slots", found.server.slots, slots_needed, "replication slots"),
        of("max_wal_senders", found.server.senders, senders_needed, "walsenders"),
    ]
}

fn of_slot(required: &Required, slot: &Slot, version: u32) -> Vec<Finding> {
    let name = &required.slot;
    if let Some(why) = slot.lost_because() {
        let reason = slot.invalidation_reason.as_deref().or(slot.wal_status.as_deref()).unwrap_or("conflict");
        let from = slot.confirmed.map_or_else(|| "?".to_owned(), |lsn| lsn.to_string());
        return vec![warning(
            format!("the slot {name} is lost ({reason})"),
            format!(
                "It is so because {why}. Nothing after {from} can be read from it. `sidecar run` creates a new one and \
                 compares the table."
            ),
        )];
    }
    let mut findings = Vec::new();
    if let Some(pid) = slot.active_pid {
        findings.push(note(
            format!("the slot {name} is being read"),
            format!("By the process {pid} on the server."),
        ));
    }
    if slot.wal_status.as_deref() == Some("unreserved") {
        findings.push(warning(
            format!("the slot {name} is about to be lost"),
            "It retains more WAL than max_slot_wal_keep_size allows.",
        ));
    }
    if let Some(bytes) = slot.retained_bytes.filter(|bytes| *bytes > MUCH_LOG) {
        findings.push(warning(
            format!("the slot {name} retains {} of WAL", amount::size(bytes.unsigned_abs())),
            "It is not being read, or not fast enough.",
        ));
    }
    if version >= FAILOVER_SLOTS && !slot.failover && !required.failover {
        findings.push(note(
            format!("the slot {name} is not synchronised to standbys"),
            "After a failover the sidecar creates a new one and compares the table. To have it synchronised, set postgres.failover_slot before it is created.",
        ));
    }
    findings
}

fn limits(found: &ServerState) -> Vec<Finding> {
    let settings = &found.settings;
    let mut findings = Vec::new();
    match settings.number("max_slot_wal_keep_size") {
        Some(-1) => findings.push(note(
            "max_slot_wal_keep_size is not set",
            "While no sidecar runs, the slot retains WAL until the server's disk is full. With a limit, the slot is lost instead, and the table is compared.",
        )),
        Some(_) => findings.push(note(
            format!("max_slot_wal_keep_size is {}", settings.shown("max_slot_wal_keep_size")),
            "If the sidecar falls behind by more WAL than that, it loses its slot, and then compares the table.",
        )),
        None => {}
    }
    if settings.number("idle_replication_slot_timeout").is_some_and(|limit| limit > 0) {
        findings.push(warning(
            format!("idle_replication_slot_timeout is {}", settings.shown("idle_replication_slot_timeout")),
            "If the sidecar is down for longer than that, it loses its slot, and then compares the table.",
        ));
    }
    if settings.number("wal_sender_timeout").is_some_and(|limit| limit > 0 && limit < SHORT_TIMEOUT_MS) {
        findings.push(Finding {
            fix_sql: Some(
                "ALTER SYSTEM SET wal_sender_timeout = '60s'; SELECT pg_catalog.pg_reload_conf();".to_owned(),
            ),
            ..warning(
                format!("wal_sender_timeout is {}", settings.shown("wal_sender_timeout")),
                "A short network delay is enough for the server to end the connection.",
            )
        });
    }
    findings.push(note(
        format!("logical_decoding_work_mem is {}", settings.shown("logical_decoding_work_mem")),
        "The server spills a transaction with more changes than that to its disk until the commit.",
    ));
    findings
}

fn of_table(table: &Table, version: u32) -> Vec<Finding> {
    let mut findings = Vec::new();
    if table.kind == Kind::Partitioned {
        findings.push(note(
            format!("{} is partitioned into {}", table.name, table.partitions.len()),
            "Logical replication does not carry a partition that is truncated, attached or detached: run `sidecar resync` after that. Creating or dropping an empty partition is harmless.",
        ));
    }
    if table.has_children {
        findings.push(warning(
            format!("other tables inherit from {}", table.name),
            "Their rows are not replicated, only those of the table itself.",
        ));
    }
    let computed: Vec<&str> = table
        .columns
        .iter()
        .filter(|column| match column.generated {
            Generated::No => false,
            Generated::Stored => version < PUBLISHES_GENERATED,
            Generated::Virtual => true,
        })
        .map(|column| column.name.as_str())
        .collect();
    if !computed.is_empty() {
        findings.push(note(
            format!("generated columns: {}", computed.join(", ")),
            "This server does not publish them, so they are not content; the columns that they are computed from are.",
        ));
    }
    let tracked = u64::try_from(table.columns.len()).unwrap_or(0);
    let each = SHADOW_ROW + SHADOW_COLUMN * tracked;
    let (title, explanation) = match table.rows {
        Some(rows) => {
            let shadow = amount::size(rows.saturating_mul(each));
            let explanation = format!("The shadow will take about {shadow} of the spool's disk.");
            (
                format!("{} holds about {}", table.name, amount::count(rows, "document", "documents")),
                explanation,
            )
        }
        None => (
            format!("{} was never analysed: the number of its documents is unknown", table.name),
            format!("The shadow takes about {each} bytes of the spool's disk for each."),
        ),
    };
    findings.push(note(title, explanation));
    findings
}

/// Rows may swap their ids within a statement if the constraint on the id is deferrable. Each row change is
/// classified by itself, so the last record of one of the two ids is `excluded`.
fn swappable_ids(table: &Table, required: &Required) -> Option<Finding> {
    let identity = identity::choose(table, &required.id).ok()?;
    let of_ids = |index: &&UniqueIndex| {
        let known =
            |column: &String| required.id.contains(column) || required.project.as_ref() == Some(column);
        !index.immediate && index.columns.iter().all(known) && index.columns != identity
    };
    let index = table.unique_indexes.iter().find(of_ids)?;
    let (quoted, name) = (table.quoted(), escape_identifier(&index.name));
    let kind = if index.primary { "PRIMARY KEY" } else { "UNIQUE" };
    let columns = sql_names::column_list(&index.columns);
    Some(Finding {
        fix_sql: Some(format!(
            "ALTER TABLE {quoted} DROP CONSTRAINT {name}, ADD CONSTRAINT {name} {kind} ({columns});"
        )),
        ..warning(
            format!("two documents may swap their ids: the constraint {} is deferrable", index.name),
            "Rows are identified by other columns, and each change is classified by itself: when two swap their ids in one \
             statement, a receiver is left without one of them. Not deferrable, it cannot happen.",
        )
    })
}

async fn other_slots(client: &Client, required: &Required) -> Result<Vec<Finding>, SourceError> {
    let rows =
        client.query(include_str!("../../../sql/other_slots.sql"), &[&required.slot, &MUCH_LOG]).await?;
    rows.iter()
        .map(|row| {
            let (name, bytes): (String, i64) = (row.try_get("name")?, row.try_get("retained_bytes")?);
            Ok(warning(
                format!(
                    "the slot {name} retains {} of WAL and is not being read",
                    amount::size(bytes.unsigned_abs())
                ),
                "It does not belong to this sidecar.",
            ))
        })
        .collect()
}

/// Counts documents that share an id: one pass over the whole table, skipped if the identity rules it out.
/// A count that takes longer than a minute is cancelled and reported as such.
async fn shared_id_findings(client: &Client, found: &ServerState, required: &Required) -> Vec<Finding> {
    let key = DocumentKey::of(required, found);
    let told_apart =
        identity::choose(&found.table, &required.id).is_ok_and(|columns| key.is_unique_by(&columns));
    if told_apart {
        return vec![ok("no two documents of a project can share an id")];
    }
    match count_shared_ids(client, &found.table, &key).await {
        Ok(SharedIds { ids: 0, .. }) => vec![ok("no two live documents of a project share an id")],
        Ok(SharedIds { ids, rows }) => vec![warning(
            format!("{ids} ids are shared by {rows} live documents of the same project"),
            "Each row is a document of its own, and receivers cannot distinguish them.",
        )],
        Err(error) => vec![note("documents that share an id could not be counted", error.to_string())],
    }
}

async fn count_shared_ids(
    client: &Client,
    table: &Table,
    key: &DocumentKey,
) -> Result<SharedIds, SourceError> {
    client
        .batch_execute("BEGIN READ ONLY; SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '60s'")
        .await?;
    let counted = shared_ids(client, table, key).await;
    client.batch_execute("ROLLBACK").await?;
    counted
}

fn problem(violation: Violation) -> Finding {
    Finding {
        severity: Severity::Problem,
        title: violation.what,
        explanation: String::new(),
        fix_sql: violation.fix_sql,
    }
}

/// 18, with any minor version.
const NEWEST_TRIED: u32 = 180_000;
/// The retained WAL from which on a warning is given: 1 GiB.
const MUCH_LOG: i64 = 1 << 30;
const SHORT_TIMEOUT_MS: i64 = 10_000;
/// Bytes per document in the shadow: id, key, project and index, and a fingerprint per column.
const SHADOW_ROW: u64 = 100;
const SHADOW_COLUMN: u64 = 8;
