//! Makes what the sidecar needs on the server, publication first and then the slot, and removes it
//! again. Each step is planned from what is there, so both are safe to repeat.
//!
//! A slot made before its publication would reach changes for which there is no publication yet: the
//! server then stops for ever (to 17) or skips them with no more than a warning (18).

use postgres_protocol::escape::escape_identifier;
use std::time::Duration;

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::server_state::{ServerState, inspect, server};
use crate::source::catalog::publication::{self, Publication};
use crate::source::catalog::slot::{self, BlockingTransaction, Slot, blocking_transactions};
use crate::source::catalog::violation::{CatalogError, Violation};
use crate::source::{Required, catalog};

/// Something to do on the server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SetupStep {
    /// What it does, as a sentence without its end.
    pub what: String,
    /// How.
    pub sql: String,
    /// The privileges that it takes.
    pub needs: String,
    /// Our role has them.
    pub permitted: bool,
}

/// Whether a publication may be made when the slot is already there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StartMode {
    /// A first start follows: the stream begins at its snapshot, after the publication.
    FirstStart,
    /// The stream continues from the slot's position, before the publication.
    Resume,
}

/// Called now and then with those whom the making of a slot waits for.
pub type OnWaiting<'a> = &'a mut (dyn FnMut(&[BlockingTransaction]) + Send);

/// What is to be made, in this order; nothing where all is there.
pub fn plan(server_state: &ServerState, required: &Required) -> Vec<SetupStep> {
    let mut steps = Vec::new();
    if server_state.publication.is_none() {
        steps.push(SetupStep {
            what: format!("make the publication {}", required.publication),
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
            what: format!("make the replication slot {}", required.slot),
            sql: slot::create(&required.slot, required.failover),
            needs: "REPLICATION".to_owned(),
            permitted: server_state.server.may_replicate,
        });
    }
    steps
}

/// The SQL of [`plan`] with the cures of what refuses it, for somebody with more privileges to run.
pub fn print(server_state: &ServerState, required: &Required) -> String {
    let violations = server_state.violations(required).into_iter();
    let cures = violations.map(|violation| (violation.what, violation.cure_sql.unwrap_or_default()));
    let steps = plan(server_state, required)
        .into_iter()
        .map(|step| (format!("{}; needs {}", step.what, step.needs), step.sql));
    cures.chain(steps).fold(String::new(), |out, (what, sql)| {
        out + "-- " + &what.replace('\n', "\n-- ") + "\n" + &sql + "\n"
    })
}

/// Makes what is missing and returns the steps taken. `watcher` is a second session, on which it is
/// asked every five seconds whom the making of the slot waits for.
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
        // One that was taken and is still to do was undone by somebody else: no race with them.
        let Some(step) = plan(&found, required).into_iter().find(|step| !taken.contains(step)) else {
            return Ok(taken);
        };
        take(client, watcher, &step, on_waiting).await?;
        taken.push(step);
    }
}

/// What [`teardown`] does, or would do.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Teardown {
    /// In this order: the slot goes first, since one that nobody reads keeps the server's log.
    pub steps: Vec<SetupStep>,
    /// What stays, and the SQL for whoever may remove it. It costs the server nothing.
    pub left: Vec<Violation>,
}

/// What [`teardown`] would do: the slot goes first, since it cannot be read without its publication.
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

/// Removes what [`setup`] makes; refuses while the slot is read, and leaves what is not ours alone or not
/// ours to drop.
pub async fn teardown(client: &Client, required: &Required) -> Result<Teardown, CatalogError> {
    let plan = teardown_plan(client, required).await?;
    plan.steps.iter().try_for_each(permitted)?;
    for step in &plan.steps {
        in_transaction(client, &step.sql).await.map_err(|error| refused(step, error))?;
    }
    Ok(plan)
}

/// Waits for `making`, which makes a slot on session `pid`, and reports every five seconds which transactions it waits for.
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
                // A watcher that fails takes nothing from the making, and that tells of it too.
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
        // Somebody made it meanwhile; whether as it must be, the next survey says.
        Err(error) if error.code() == Some(&SqlState::DUPLICATE_OBJECT) => Ok(()),
        made => made.map_err(|error| refused(step, error)),
    }
}

/// A lock that is not to be had soon is given up: behind it the application's own sessions would queue.
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
            format!("to {} takes {}; let such a role run it", step.what, step.needs),
            &step.sql,
        )
    };
    if step.permitted { Ok(()) } else { Err(violation()) }
}

fn refused(step: &SetupStep, error: tokio_postgres::Error) -> CatalogError {
    let said = error.as_db_error().map_or_else(String::new, |said| said.message().to_owned());
    match error.code() {
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            Violation::with_fix(format!("to {} takes {}: {said}", step.what, step.needs), &step.sql).into()
        }
        Some(&SqlState::CONFIGURATION_LIMIT_EXCEEDED) => Violation::with_fix(
            format!("cannot {}: {said} (the server must be restarted after)", step.what),
            "ALTER SYSTEM SET max_replication_slots = 20;",
        )
        .into(),
        _ => error.into(),
    }
}

fn in_use(name: &str, slot: &Slot) -> Option<Violation> {
    let active = slot.active_pid.map(|pid| {
        Violation::in_settings(format!(
            "the slot {name} is read by the process {pid} on the server: stop that sidecar first"
        ))
    });
    active.or_else(|| slot::violation(name, slot))
}

fn shared(name: &str, publication: &Publication) -> Option<Violation> {
    let more = publication.others > 0 || publication.all_tables;
    more.then(|| {
        Violation::with_fix(
            format!("the publication {name} holds other tables too, so it is not dropped"),
            format!("DROP PUBLICATION {};", escape_identifier(name)),
        )
    })
}

/// No relation has this oid.
const NO_TABLE: u32 = 0;
const REPORT_EVERY: Duration = Duration::from_secs(5);
