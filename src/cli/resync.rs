//! `sidecar resync`: asks the running sidecar to compare the table with what it remembers.

use std::path::Path;
use std::time::Duration;

use hyper::Method;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use super::client;
use super::exit::Exit;
use super::output::{print, print_error};
use super::runtime::block_on;
use crate::admin::{Progress, ResyncRequest, ResyncState, ResyncStatus, Status};

#[derive(clap::Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "flags")]
pub(super) struct Args {
    /// Count what would be sent; send and remember nothing
    #[arg(long, conflicts_with_all = ["learn", "adopt", "as_ingested"])]
    dry_run: bool,

    /// Also where more documents are gone than `recovery.missing_max` lets pass
    #[arg(long)]
    force: bool,

    /// Take the differences over without sending anything
    #[arg(long, conflicts_with = "as_ingested")]
    learn: bool,

    /// Take a database over that is not the one known so far; a new epoch begins
    #[arg(long, conflicts_with = "as_ingested")]
    adopt: bool,

    /// Send every live document of --project as `ingested`, and nothing else
    #[arg(long, requires = "project")]
    as_ingested: bool,

    /// The project of --as-ingested
    #[arg(long, requires = "as_ingested")]
    project: Option<String>,
}

pub(super) fn resync(spool: &Path, args: &Args) -> Exit {
    let asked = ResyncRequest {
        dry_run: args.dry_run,
        force: args.force,
        learn: args.learn,
        adopt: args.adopt,
        as_ingested: args.project.clone(),
    };
    block_on(async {
        let body = serde_json::to_vec(&asked).unwrap_or_default();
        let (status, answer) = match client::call(spool, Method::POST, "/api/v1/resync", body.into()).await {
            Ok(answered) => answered,
            Err(why) => return client::unreachable(&why),
        };
        let json = serde_json::from_slice::<Value>(&answer).unwrap_or_default();
        let number = json.get("number").and_then(Value::as_u64);
        if let Some(number) = number.filter(|_| status.is_success()) {
            return follow(spool, number).await;
        }
        print_error(String::from_utf8_lossy(&answer));
        Exit::Failed
    })
}

/// Shows how far it is until it has ended.
async fn follow(spool: &Path, number: u64) -> Exit {
    let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
    if let Ok(style) =
        ProgressStyle::with_template("resync [{bar:40}] {human_pos}/{human_len} documents, {per_sec}")
    {
        bar.set_style(style);
    }
    loop {
        let status = match client::fetch(spool, "/api/v1/status").await {
            Ok((_, body)) => client::read::<Status>(&body),
            Err(why) => return client::unreachable(&why),
        };
        let source = match status {
            Ok(status) => status.source,
            Err(exit) => return exit,
        };
        if let Some(Progress { done, estimate }) = source.seeding {
            bar.set_length(estimate.max(1));
            bar.set_position(done);
        }
        if let Some(resync) = source.resync.filter(|resync| resync.number >= number)
            && let Some(exit) = end_of(&resync, &bar)
        {
            return exit;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// How it ended, where it has: shown, and as an exit status.
fn end_of(resync: &ResyncStatus, bar: &ProgressBar) -> Option<Exit> {
    let result = resync.result.as_deref().unwrap_or_default();
    let exit = match resync.state {
        ResyncState::Running | ResyncState::Waiting => return None,
        ResyncState::Done => Exit::Done,
        ResyncState::Failed | ResyncState::Held => Exit::Failed,
        ResyncState::Refused => Exit::Refused,
    };
    bar.finish_and_clear();
    if exit == Exit::Done {
        print(format_args!("{result}\n"));
    } else {
        print_error(result);
    }
    if exit == Exit::Refused {
        eprintln!("the resync starts when that is fixed: `sidecar status` shows it");
    }
    Some(exit)
}

const LOOK_EVERY: Duration = Duration::from_millis(250);

pub(super) const AFTER_HELP: &str = "\
Sends exactly what is different: excluded for documents that are gone, ingested and modified as
the rules say. A lost slot is mended by itself; by hand it is for a changed mapping, a restored
spool, a database that was replaced (--adopt), or partitions that came and went, of which the
stream does not tell.

  sidecar resync --dry-run                       what would it send?
  sidecar resync --learn                         know the table as it is, and send nothing
  sidecar resync --as-ingested --project acme    send a new webhook what exists

Interrupting this command does not stop the resync: `sidecar status` shows how far it is.";
