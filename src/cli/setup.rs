//! `sidecar setup` and `sidecar teardown`.

use super::exit::Exit;
use super::output::{print, print_error};
use super::runtime::block_on;
use crate::service::required;
use crate::settings::Settings;
use crate::source::catalog::slot::BlockingTransaction;
use crate::source::catalog::violation::CatalogError;
use crate::source::preflight::server_state::inspect;
use crate::source::preflight::setup::{
    SetupStep, StartMode, print as setup_sql, setup as make, teardown as remove, teardown_plan,
};
use crate::source::{SourceError, connect_sql};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Print the SQL instead of running it
    #[arg(long)]
    print: bool,
}

pub(super) fn setup(settings: &Settings, args: &Args) -> Exit {
    block_on(async { exit_of(set_up(settings, args).await) })
}

pub(super) fn teardown(settings: &Settings, args: &Args) -> Exit {
    block_on(async { exit_of(tear_down(settings, args).await) })
}

async fn set_up(settings: &Settings, args: &Args) -> Result<(), CatalogError> {
    let required = required(settings, &settings.routes);
    let client = connect_sql(&settings.conninfo).await?;
    if args.print {
        let sql = setup_sql(&inspect(&client, &required).await?, &required);
        print(format_args!(
            "{}",
            if sql.is_empty() { "-- nothing to do: publication and slot exist\n".to_owned() } else { sql }
        ));
        return Ok(());
    }
    let watcher = connect_sql(&settings.conninfo).await?;
    print_steps(&make(&client, &watcher, &required, StartMode::FirstStart, &mut print_waiting).await?);
    Ok(())
}

async fn tear_down(settings: &Settings, args: &Args) -> Result<(), CatalogError> {
    let required = required(settings, &settings.routes);
    let client = connect_sql(&settings.conninfo).await?;
    if args.print {
        let plan = teardown_plan(&client, &required).await?;
        for step in plan.steps {
            print(format_args!("-- {}; needs {}\n{}\n", step.what, step.needs, step.sql));
        }
        plan.left.iter().for_each(|left| eprintln!("{left}"));
        return Ok(());
    }
    let removed = remove(&client, &required).await?;
    print_steps(&removed.steps);
    for left in &removed.left {
        eprintln!("not removed, and harmless to the server: {left}");
    }
    Ok(())
}

fn print_steps(steps: &[SetupStep]) {
    for step in steps {
        print(format_args!("done: {}\n", step.what));
    }
    if steps.is_empty() {
        print(format_args!("nothing to do\n"));
    }
}

fn print_waiting(blocking: &[BlockingTransaction]) {
    for transaction in blocking {
        eprintln!("waiting for {transaction}");
    }
}

/// Prints an error, and maps the result to an exit status.
fn exit_of(result: Result<(), CatalogError>) -> Exit {
    match result {
        Ok(()) => Exit::Done,
        Err(
            error @ (CatalogError::Refused(_)
            | CatalogError::Source(SourceError::Refused(_) | SourceError::Unreadable { .. })),
        ) => {
            print_error(error);
            Exit::Refused
        }
        Err(error @ CatalogError::Source(SourceError::Unreachable(_) | SourceError::Closed(_))) => {
            print_error(error);
            Exit::Unreachable
        }
        Err(error) => {
            print_error(error);
            Exit::Failed
        }
    }
}

pub(super) const AFTER_HELP: &str = "\
Creates the publication, then the slot, where they are missing; it is safe to
repeat. `sidecar run` does the same at its first start. Creating a slot waits
for transactions that are open: each is printed.

  sidecar setup                                setup with the role of `postgres.url`
  sidecar setup --print | psql -U postgres     setup with another role";

pub(super) const TEARDOWN_AFTER_HELP: &str = "\
Drops the slot, then the publication. Refuses while a sidecar runs on the slot.
A publication that has other tables or another owner is not dropped, but named.
The spool's folder is not touched.

  sidecar teardown --print     show what would be dropped
  sidecar teardown             drop it";
