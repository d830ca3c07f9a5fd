//! `sidecar demo`: everything, on a temporary Postgres.
//!
//! An imagined application writes; the real `sidecar run` reads and posts; a receiver in this process
//! crosses out what was expected. What was started ends with this process, and leaves nothing behind.

mod archive;
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
    /// End after so many seconds, with a summary [default: at Ctrl-C]
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
        // First the ear, then what it may have to end.
        biased;
        () = stop_signal() => return Ok(Exit::Done),
        scenario = Scenario::set(printer) => scenario?,
    };
    let played = tokio::select! {
        played = scenario.run(seconds.map(Duration::from_secs)) => played,
        () = stop_signal() => Ok(()),
    };
    // Not asked twice: the second time we are gone at once, and so is the rest.
    let counts = tokio::select! {
        counts = scenario.settle() => counts,
        () = stop_signal() => scenario.tally.counts(),
    };
    scenario.end();
    played?;
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
