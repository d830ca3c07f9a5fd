//! `sidecar demo`: an application, Postgres, `sidecar run` and a receiver, all temporary.
//!
//! A simulated application writes documents; the real `sidecar run` sends webhooks; a receiver in this process
//! checks that every expected record arrives. Everything stops with this process and leaves no files.

mod archive;
mod child_process;
mod postgres;
mod printer;
mod scenario;
mod tally;
mod traffic;

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use self::printer::Printer;
use self::scenario::Scenario;
use super::exit::Exit;
use super::runtime::block_on;
use crate::clock::Clock;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Stop after N seconds [default: at Ctrl-C]
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
}

pub(super) fn demo(args: &Args) -> Exit {
    block_on(async {
        match run(args.seconds).await {
            Ok(exit) => exit,
            Err(error) => {
                eprintln!("demo: {error:#}");
                Exit::Failed
            }
        }
    })
}

async fn run(seconds: Option<u64>) -> anyhow::Result<Exit> {
    let printer = Printer::new(Clock::now());
    let mut scenario = tokio::select! {
        // The signal handler is installed before anything is started.
        biased;
        () = stop_signal() => return Ok(Exit::Done),
        scenario = Scenario::start(printer) => scenario?,
    };
    let result = tokio::select! {
        result = scenario.run(seconds.map(Duration::from_secs)) => result,
        () = stop_signal() => Ok(()),
    };
    // A second signal stops the wait for the records that are still missing.
    let counts = tokio::select! {
        counts = scenario.settle() => counts,
        () = stop_signal() => scenario.tally.counts(),
    };
    scenario.stop();
    result?;
    Ok(if counts.missing() == 0 { Exit::Done } else { Exit::Failed })
}

/// Returns at Ctrl-C and at SIGTERM.
async fn stop_signal() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

pub(super) const AFTER_HELP: &str = "\
Creates a temporary Postgres from the server binaries of this machine (version
13 or later; SIDECAR_PG_BIN names their folder), writes documents as an
application would, runs `sidecar run` on it, and prints every record that the
receiver gets. Now and then one receiver is down for 3 seconds. The summary says
how many records were expected and arrived. No file is left behind.

  sidecar demo                   until Ctrl-C
  sidecar demo --seconds 30      for 30 seconds

Exit status: 0 if every record arrived; 1 otherwise.";
