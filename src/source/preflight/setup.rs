//! Creates what the sidecar needs on the server, first the publication and then the slot, and drops it
//! again. Each step is planned from the current state, so both are safe to repeat.
//!
//! A slot created before its publication would reach changes for which no publication exists yet: the
//! server then stops at them for good (up to 17) or skips them with only a warning (18).

use postgres_protocol::escape::escape_identifier;
use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::server_state::{ServerState, inspect, server};
use crate::source::catalog::publication::{self, Publication};
use crate::source::catalog::slot::{self, BlockingTransaction, Slot, blocking_transactions};
use crate::source::catalog::violation::{CatalogError, Violation};
use crate::source::{Required, catalog};

/// One step on the server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SetupStep {
    /// What it does, as a sentence without its end.
    pub what: String,
    /// The SQL.
    pub sql: String,
    /// The privileges that it needs.
    pub needs: String,
    /// Our role has these privileges.
    pub permitted: bool,
}

/// Whether a publication may be created if the slot exists already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StartMode {
    /// A first start follows: the stream begins at its snapshot, after the publication.
    FirstStart,
    /// The stream continues from the slot's position, before the publication.
    Resume,
}

/// Called periodically with the transactions that the creation of a slot waits for.
pub type OnWaiting<'a> = &'a mut (dyn FnMut(&[BlockingTransaction]) + Send);

/// The missing objects, in the order of their creation; empty if nothing is missing.
pub fn plan(server_state: &ServerState, required: &Required) -> Vec<SetupStep> {
    let mut steps = Vec::new();
    if server_state.publication.is_none() {
        steps.push(SetupStep {
            what: format!("create the publication {}", required.publication),
            sql: publication::create(
                &required.publication,
                &server_state.table,
                server_state.needs_generated(required),
            ),
            needs: format!(
                "CREATE on the database {} and ownership of {}.{} (owner: {})",
                server_state.server.database, required.schema, required.table, server_state.table.owner
            ),
            permitted: server_state.server.may_create && server_state.table.owned,
        });
    }
    if server_state.slot.is_none() {
        steps.push(SetupStep {
            what: format!("create the replication slot {}", required.slot),
            sql: slot::create(&required.slot, required.failover),
            needs: "REPLICATION".to_owned(),
            permitted: server_state.server.may_replicate,
        });
    }
    steps
}

/// The SQL of [`plan`], with the SQL that fixes the violations, for a role with more privileges.
pub fn print(server_state: &ServerState, required: &Required) -> String {
    let violations = server_state.violations(required).into_iter();
    let cures = violations.map(|violation| (violation.what, violation.fix_sql.unwrap_or_default()));
    let steps = plan(server_state, required)
        .into_iter()
        .map(|step| (format!("{}; needs {}", step.what, step.needs), step.sql));
    cures.chain(steps).fold(String::new(), |out, (what, sql)| {
        out + "-- " + &what.replace('\n', "\n-- ") + "\n" + &sql + "\n"
    })
}

/// Creates what is missing and returns the steps taken. `watcher` is a second session that is queried every
/// five seconds for the transactions that the creation of the slot waits for.
pub async fn setup(
    client: &Client,
    watcher: &Client,
    required: &Required,
    stage: StartMode,
    on_waiting: OnWaiting<'_>,
) -> Result<Vec<SetupStep>, CatalogError> {
    let mut taken: Vec<SetupStep> = Vec::new();
    loop {
        let found = inspect(client, required).await?;
        let mut violations = found.violations(required);
        if stage == StartMode::Resume {
            violations.extend(found.publication_gone(required));
        }
        if !violations.is_empty() {
            return Err(CatalogError::Refused(violations));
        }
        // A step that was taken and is missing again was undone by another session: do not race with it.
        let Some(step) = plan(&found, required).into_iter().find(|step| !taken.contains(step)) else {
            return Ok(taken);
        };
        take(client, watcher, &step, on_waiting).await?;
        taken.push(step);
    }
}

/// What [`teardown`] does.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Teardown {
    /// The slot comes first, since an unread slot retains WAL.
    pub steps: Vec<SetupStep>,
    /// What stays, with the SQL for a role that may drop it. It has no cost on the server.
    pub left: Vec<Violation>,
}

/// The plan of [`teardown`]. The slot comes first, since it cannot be read without its publication.
pub async fn teardown_plan(client: &Client, required: &Required) -> Result<Teardown, CatalogError> {
    let role = server(client).await?;
    let oid = match catalog::table(client, &required.schema, &required.table).await {
        Ok(table) => table.oid,
        Err(CatalogError::Refused(_)) => NO_TABLE,
        Err(error) => return Err(error),
    };
    let slot = slot::slot(client, &required.slot).await?;
    let publication = publication::publication(client, &required.publication, oid).await?;
    let mut plan = Teardown::default();
    if let Some(slot) = slot {
        in_use(&required.slot, &slot).map_or(Ok(()), Err)?;
        plan.steps.push(SetupStep {
            what: format!("drop the replication slot {}", required.slot),
            sql: slot::drop(&required.slot),
            needs: "REPLICATION".to_owned(),
            permitted: role.may_replicate,
        });
    }
    let Some(publication) = publication else { return Ok(plan) };
    let step = SetupStep {
        what: format!("drop the publication {}", required.publication),
        sql: format!("DROP PUBLICATION {};", escape_identifier(&required.publication)),
        needs: "ownership of the publication".to_owned(),
        permitted: publication.owned,
    };
    let kept = shared(&required.publication, &publication).or_else(|| permitted(&step).err());
    match kept {
        Some(violation) => plan.left.push(violation),
        None => plan.steps.push(step),
    }
    Ok(plan)
}

/// Drops what [`setup`] creates. An error while the slot is being read. Objects that others use, or that
/// our role may not drop, are left.
pub async fn teardown(client: &Client, required: &Required) -> Result<Teardown, CatalogError> {
    let plan = teardown_plan(client, required).await?;
    plan.steps.iter().try_for_each(permitted)?;
    for step in &plan.steps {
        in_transaction(client, &step.sql).await.map_err(|error| refused(step, error))?;
    }
    Ok(plan)
}

/// Awaits `making`, which creates a slot on session `pid`, and reports every five seconds which
/// transactions it waits for.
pub(in crate::source) async fn while_waiting<T>(
    making: impl Future<Output = T>,
    watcher: &Client,
    pid: i32,
    on_waiting: OnWaiting<'_>,
) -> T {
    tokio::pin!(making);
    loop {
        tokio::select! {
            made = &mut making => return made,
            () = tokio::time::sleep(REPORT_EVERY) => {
                // An error of the watcher does not fail the creation, which reports errors of its own.
                on_waiting(&blocking_transactions(watcher, pid).await.unwrap_or_default());
            }
        }
    }
}

async fn take(
    client: &Client,
    watcher: &Client,
    step: &SetupStep,
    on_waiting: OnWaiting<'_>,
) -> Result<(), CatalogError> {
    permitted(step)?;
    let pid: i32 = client.query_one("SELECT pg_catalog.pg_backend_pid()", &[]).await?.try_get(0)?;
    let made = if step.sql.starts_with("SELECT") {
        while_waiting(client.batch_execute(&step.sql), watcher, pid, on_waiting).await
    } else {
        in_transaction(client, &step.sql).await
    };
    match made {
        // Another session created it meanwhile; the next inspection checks it.
        Err(error) if error.code() == Some(&SqlState::DUPLICATE_OBJECT) => Ok(()),
        made => made.map_err(|error| refused(step, error)),
    }
}

/// Gives up soon if a lock is not available: the application's sessions would queue behind ours.
async fn in_transaction(client: &Client, sql: &str) -> Result<(), tokio_postgres::Error> {
    let done = client.batch_execute(&format!("BEGIN; SET LOCAL lock_timeout = '5s'; {sql} COMMIT;")).await;
    if done.is_err() {
        client.batch_execute("ROLLBACK").await?;
    }
    done
}

fn permitted(step: &SetupStep) -> Result<(), Violation> {
    let violation = || {
        Violation::with_fix(
            format!("to {} needs {}; let a role with them run it", step.what, step.needs),
            &step.sql,
        )
    };
    if step.permitted { Ok(()) } else { Err(violation()) }
}

fn refused(step: &SetupStep, error: tokio_postgres::Error) -> CatalogError {
    let message = error.as_db_error().map_or_else(String::new, |message| message.message().to_owned());
    match error.code() {
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            Violation::with_fix(format!("to {} needs {}: {message}", step.what, step.needs), &step.sql).into()
        }
        Some(&SqlState::CONFIGURATION_LIMIT_EXCEEDED) => Violation::with_fix(
            format!("cannot {}: {message} (the server must be restarted after)", step.what),
            "ALTER SYSTEM SET max_replication_slots = 20;",
        )
        .into(),
        _ => error.into(),
    }
}

fn in_use(name: &str, slot: &Slot) -> Option<Violation> {
    let active = slot.active_pid.map(|pid| {
        Violation::in_settings(format!(
            "the slot {name} is being read by the process {pid} on the server: stop that sidecar first"
        ))
    });
    active.or_else(|| slot::violation(name, slot))
}

fn shared(name: &str, publication: &Publication) -> Option<Violation> {
    let more = publication.others > 0 || publication.all_tables;
    more.then(|| {
        Violation::with_fix(
            format!("the publication {name} contains other tables too, so it is not dropped"),
            format!("DROP PUBLICATION {};", escape_identifier(name)),
        )
    })
}

/// An OID that no relation has.
const NO_TABLE: u32 = 0;
const REPORT_EVERY: Duration = Duration::from_secs(5);
