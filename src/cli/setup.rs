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
    block_on(async { told(set_up(settings, args).await) })
}

pub(super) fn teardown(settings: &Settings, args: &Args) -> Exit {
    block_on(async { told(tear_down(settings, args).await) })
}

async fn set_up(settings: &Settings, args: &Args) -> Result<(), CatalogError> {
    let required = required(settings, &settings.routes);
    let client = connect_sql(&settings.conninfo).await?;
    if args.print {
        let sql = setup_sql(&inspect(&client, &required).await?, &required);
        print(format_args!("{}", if sql.is_empty() { "-- all is there\n".to_owned() } else { sql }));
        return Ok(());
    }
    let watcher = connect_sql(&settings.conninfo).await?;
    say_done(&make(&client, &watcher, &required, StartMode::FirstStart, &mut say_waiting).await?);
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
    let gone = remove(&client, &required).await?;
    say_done(&gone.steps);
    for left in &gone.left {
        eprintln!("left, and costs the server nothing: {left}");
    }
    Ok(())
}

fn say_done(steps: &[SetupStep]) {
    for step in steps {
        print(format_args!("done: {}\n", step.what));
    }
    if steps.is_empty() {
        print(format_args!("nothing to do\n"));
    }
}

fn say_waiting(waited: &[BlockingTransaction]) {
    for waited in waited {
        eprintln!("waiting for {waited}");
    }
}

fn told(done: Result<(), CatalogError>) -> Exit {
    match done {
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
