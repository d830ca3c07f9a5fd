//! `sidecar webhooks test`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::Method;

use crate::admin::{PauseRequest, PauseResult, TestBody, TestRequest, TestResult, plain};
use crate::cli::client;
use crate::cli::exit::Exit;
use crate::cli::output::{print, print_error};
use crate::record::Callback;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The project
    #[arg(long)]
    project: String,

    /// The callback: ingested, modified or excluded
    #[arg(long, default_value = "ingested")]
    callback: Callback,

    /// Send one record of each shape; without an option, an empty list is sent
    #[arg(long, conflicts_with_all = ["last", "body"])]
    specimen: bool,

    /// Send the last batch of the lane again
    #[arg(long, conflicts_with = "body")]
    last: bool,

    /// Send this file
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,

    /// Resume the lane where it is paused and the test succeeds
    #[arg(long)]
    resume: bool,
}

pub(super) async fn test(spool: &Path, args: &Args) -> Result<Exit, Exit> {
    let body = match &args.body {
        Some(file) => TestBody::Text(std::fs::read_to_string(file).map_err(|error| {
            print_error(format_args!("read {}: {error}", file.display()));
            Exit::Usage
        })?),
        None if args.last => TestBody::Last,
        None if args.specimen => TestBody::Specimen,
        None => TestBody::Empty,
    };
    let request = TestRequest { project: args.project.clone(), callback: args.callback, body };
    let path = "/api/v1/webhooks/test";
    let result: TestResult = client::json(spool, Method::POST, path, &request, PATIENCE).await?;
    let TestResult { host, id, bytes, took_seconds, .. } = &result;
    print(format_args!("sent {bytes} bytes to {} with webhook-id {}\n", plain(host), plain(id)));
    let status = result.status.map_or_else(|| "no status".to_owned(), |status| format!("status {status}"));
    print(format_args!("{}: {status} after {took_seconds:.3} s\n", result.outcome));
    let steps = result.steps;
    for (name, seconds) in [
        ("dns", steps.dns_seconds),
        ("connect", steps.connect_seconds),
        ("tls", steps.tls_seconds),
        ("first byte after", steps.first_byte_seconds),
    ] {
        if let Some(seconds) = seconds {
            print(format_args!("  {name} {seconds:.3} s\n"));
        }
    }
    if let Some(detail) = &result.detail {
        print(format_args!("{}\n", plain(detail)));
    }
    if !result.delivered {
        return Ok(Exit::Failed);
    }
    if result.paused && args.resume {
        return resume(spool, args).await;
    }
    if result.paused {
        print("the lane is paused: `--resume` resumes it after a test that succeeds\n");
    }
    Ok(Exit::Done)
}

async fn resume(spool: &Path, args: &Args) -> Result<Exit, Exit> {
    let (project, callback) = (Some(args.project.clone()), Some(args.callback));
    let request = PauseRequest { project, callback, ..PauseRequest::default() };
    let path = "/api/v1/webhooks/resume";
    let result: PauseResult = client::json(spool, Method::POST, path, &request, client::TIMEOUT).await?;
    if result.still_paused.is_empty() {
        print("the lane is resumed\n");
        return Ok(Exit::Done);
    }
    print_error("the lane stays paused by a pause of a wider scope: `sidecar webhooks resume` ends it");
    Ok(Exit::Failed)
}

/// A webhook's timeout may be long.
const PATIENCE: Duration = Duration::from_mins(5);

pub(super) const AFTER_HELP: &str = "\
  sidecar webhooks test --project acme                   an empty list
  sidecar webhooks test --project acme --callback modified --specimen
  sidecar webhooks test --project acme --last --resume   resume where it succeeds

The request is signed and has the headers of the webhook, and `sidecar-test: 1`.
It exits 1 where the answer is not 2xx.";
