//! `sidecar webhooks pause`, `resume` and `skip`.

use std::path::Path;

use hyper::Method;

use crate::admin::{LaneName, PauseRequest, PauseResult, SkipRequest, SkipResult, plain};
use crate::amount::count;
use crate::cli::client;
use crate::cli::exit::Exit;
use crate::cli::output::{confirmed, print, print_error};
use crate::record::Callback;

#[derive(clap::Args, Debug)]
pub(super) struct PauseArgs {
    /// Lanes of this project
    #[arg(long)]
    project: Option<String>,

    /// Lanes of this callback: ingested, modified or excluded
    #[arg(long)]
    callback: Option<Callback>,

    /// Lanes whose webhook is on this host: example.com, or example.com:8443
    #[arg(long)]
    host: Option<String>,

    /// All lanes
    #[arg(long, conflicts_with_all = ["project", "callback", "host"])]
    all: bool,

    /// Why, for `list` and the log
    #[arg(long)]
    reason: Option<String>,
}

#[derive(clap::Args, Debug)]
pub(super) struct SkipArgs {
    /// The project
    #[arg(long)]
    project: String,

    /// Only this callback: ingested, modified or excluded
    #[arg(long)]
    callback: Option<Callback>,

    /// The last record: now, an LSN or position, or a time like 2026-01-31T09:00:00Z
    #[arg(long)]
    until: String,

    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

impl PauseArgs {
    fn request(&self) -> PauseRequest {
        let Self { project, callback, host, all, reason } = self;
        PauseRequest {
            project: project.clone(),
            callback: *callback,
            host: host.clone(),
            all: *all,
            reason: reason.clone(),
        }
    }
}

pub(super) async fn pause(spool: &Path, args: &PauseArgs) -> Result<Exit, Exit> {
    let path = "/api/v1/webhooks/pause";
    let result: PauseResult = client::json(spool, Method::POST, path, &args.request(), PATIENCE).await?;
    for lane in &result.in_flight {
        print_error(format_args!("{}: a request is still in flight, and may arrive", shown(lane)));
    }
    let lanes = count(result.lanes, "lane is paused", "lanes are paused");
    print(format_args!("{lanes}; later ones in this scope will be, too\n"));
    Ok(if result.in_flight.is_empty() { Exit::Done } else { Exit::Failed })
}

pub(super) async fn resume(spool: &Path, args: &PauseArgs) -> Result<Exit, Exit> {
    let path = "/api/v1/webhooks/resume";
    let result: PauseResult = client::json(spool, Method::POST, path, &args.request(), PATIENCE).await?;
    for still in &result.still_paused {
        let by = serde_json::to_string(&still.by).unwrap_or_default();
        let by = if by == "{}" { "all lanes".to_owned() } else { plain(&by) };
        print_error(format_args!(
            "{}: it stays paused by the pause of {by}: resume that",
            shown(&still.lane)
        ));
    }
    let resumed = result.lanes.saturating_sub(result.still_paused.len() as u64);
    print(format_args!("{}\n", count(resumed, "lane is not paused", "lanes are not paused")));
    Ok(if result.still_paused.is_empty() { Exit::Done } else { Exit::Failed })
}

pub(super) async fn skip(spool: &Path, args: &SkipArgs) -> Result<Exit, Exit> {
    let (path, project) = ("/api/v1/webhooks/skip", plain(&args.project));
    let SkipArgs { callback, until, .. } = args;
    let mut request = SkipRequest {
        project: args.project.clone(),
        callback: *callback,
        until: Some(until.clone()),
        counted: None,
        dry_run: true,
    };
    let counted: SkipResult = client::json(spool, Method::POST, path, &request, PATIENCE).await?;
    for lane in &counted.lanes {
        let records = count(lane.records, "record", "records");
        print(format_args!("{project} {}: {records}\n", lane.callback));
    }
    if counted.records == 0 {
        print("nothing waits\n");
        return Ok(Exit::Done);
    }
    if !args.yes && !confirmed("Skip them? They are not sent, unless by a replay.") {
        eprintln!("nothing was skipped: use --yes to skip without confirmation");
        return Err(Exit::Usage);
    }
    (request.until, request.counted, request.dry_run) = (None, Some(counted.lanes), false);
    let skipped: SkipResult = client::json(spool, Method::POST, path, &request, PATIENCE).await?;
    let records = count(skipped.records, "record was skipped", "records were skipped");
    print(format_args!("{records}: `sidecar replay` sends what was skipped\n"));
    Ok(Exit::Done)
}

fn shown(lane: &LaneName) -> String {
    format!("{} {}", plain(&lane.project), lane.callback)
}

/// Requests in flight are waited for.
const PATIENCE: std::time::Duration = std::time::Duration::from_mins(5);

pub(super) const PAUSE_AFTER_HELP: &str = "\
  sidecar webhooks pause --project acme --callback modified
  sidecar webhooks pause --host acme.example --reason 'moves to another host'
  sidecar webhooks pause --all

It waits up to 30 s for requests in flight, and exits 1 where one is left. The
pause stands until `resume`, over restarts, and for lanes that are new by then.";

pub(super) const SKIP_AFTER_HELP: &str = "\
  sidecar webhooks skip --project acme --until now
  sidecar webhooks skip --project acme --callback modified --until 0/16B3748
  sidecar webhooks skip --project acme --until 2026-01-31T09:00:00Z --yes

A batch that was cut is skipped whole, or not where it reaches beyond the end.";
