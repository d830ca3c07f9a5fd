//! `sidecar demo`: everything, on a temporary Postgres.
//!
//! An imagined application writes; the real `sidecar run` reads and posts; a receiver in this process
//! crosses out what was expected. What was started ends with this process, and leaves nothing behind.

mod archive;
mod ledger;
mod show;
mod stage;
mod traffic;

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use self::show::Show;
use self::stage::Stage;
use super::{Exit, block_on};
use crate::clock::Clock;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// End after so many seconds, with a summary [default: at Ctrl-C]
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
}

pub(super) fn demo(args: &Args) -> Exit {
    block_on(async {
        match play(args.seconds).await {
            Ok(exit) => exit,
            Err(error) => {
                eprintln!("demo: {error:#}");
                Exit::Failed
            }
        }
    })
}

async fn play(seconds: Option<u64>) -> anyhow::Result<Exit> {
    let show = Show::new(Clock::now());
    let mut stage = tokio::select! {
        // First the ear, then what it may have to end.
        biased;
        () = asked_to_end() => return Ok(Exit::Done),
        stage = Stage::set(show) => stage?,
    };
    let played = tokio::select! {
        played = stage.play(seconds.map(Duration::from_secs)) => played,
        () = asked_to_end() => Ok(()),
    };
    // Not asked twice: the second time we are gone at once, and so is the rest.
    let counts = tokio::select! {
        counts = stage.settle() => counts,
        () = asked_to_end() => stage.ledger.counts(),
    };
    stage.end();
    played?;
    Ok(if counts.missing() == 0 { Exit::Done } else { Exit::Failed })
}

/// Returns at Ctrl-C and at SIGTERM.
async fn asked_to_end() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
