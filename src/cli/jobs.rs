//! `sidecar jobs`, and how commands wait for one.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use hyper::Method;
use serde_json::json;

use super::client;
use super::exit::Exit;
use super::output::{print, print_error};
use super::runtime::block_on;
use crate::admin::{JobList, JobState, JobStatus, plain};
use crate::amount::{count, span};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the last jobs since the start
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Wait for a job, and print its progress
    Follow {
        /// Its number, as `list` shows it
        number: u64,
    },
    /// Stop a job: what was done stays done
    Cancel {
        /// Its number, as `list` shows it
        number: u64,
    },
}

pub(super) fn jobs(spool: &Path, args: &Args) -> Exit {
    let done = async {
        match args.action {
            Action::List { json } => list(spool, json).await,
            Action::Follow { number } => follow(spool, number).await,
            Action::Cancel { number } => cancel(spool, number).await,
        }
    };
    block_on(async { done.await.unwrap_or_else(|exit| exit) })
}

async fn list(spool: &Path, json: bool) -> Result<Exit, Exit> {
    let Some(JobList { jobs }) = client::print_json_or_parse(spool, "/api/v1/jobs", json).await? else {
        return Ok(Exit::Done);
    };
    for job in &jobs {
        print(format_args!("{}\n", line(job)));
    }
    Ok(Exit::Done)
}

/// Waits for a job, and prints its progress to standard error.
pub(super) async fn follow(spool: &Path, number: u64) -> Result<Exit, Exit> {
    let path = format!("/api/v1/jobs/{number}");
    loop {
        let response = client::text(spool, Method::GET, &path, &json!({}), client::TIMEOUT).await?;
        let job: JobStatus = client::parse(response.as_bytes())?;
        match job.state {
            JobState::Running => print_error(line(&job)),
            JobState::Done => {
                print(format_args!("{}\n", line(&job)));
                return Ok(Exit::Done);
            }
            JobState::Cancelled | JobState::Failed => {
                print_error(line(&job));
                return Err(Exit::Failed);
            }
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

async fn cancel(spool: &Path, number: u64) -> Result<Exit, Exit> {
    let path = format!("/api/v1/jobs/{number}");
    let response = client::text(spool, Method::DELETE, &path, &json!({}), client::TIMEOUT).await?;
    let job: JobStatus = client::parse(response.as_bytes())?;
    print(format_args!("{}\n", line(&job)));
    Ok(Exit::Done)
}

fn line(job: &JobStatus) -> String {
    let JobStatus {
        no, what, project, by, state, total, done, records, started_at, left_seconds, error, ..
    } = job;
    let project = project.as_deref().map(|project| format!(" of {}", plain(project))).unwrap_or_default();
    let mut line = format!(
        "job {no}: {}{project} by {} at {}, {}: {done} of {} with {}",
        plain(what),
        plain(by),
        plain(started_at),
        state.name(),
        count(*total, "dead letter", "dead letters"),
        count(*records, "record", "records")
    );
    if let Some(left) = left_seconds {
        let _ = write!(line, ", {} left", seconds(*left));
    }
    if let Some(error) = error {
        let _ = write!(line, ": {}", plain(error));
    }
    line
}

/// As people read it.
pub(super) fn seconds(seconds: f64) -> String {
    span(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

const ASK_EVERY: Duration = Duration::from_millis(500);

pub(super) const AFTER_HELP: &str = "\
`dead-letters redeliver` and `discard` of many are jobs: the commands wait for
them, and a job goes on where a command is stopped. A job ends with the process.

  sidecar jobs list
  sidecar jobs cancel 3";
