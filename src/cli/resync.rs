//! `sidecar resync`: lets the running sidecar compare the table with the shadow.

use std::path::Path;
use std::time::Duration;

use hyper::Method;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use super::client;
use super::exit::Exit;
use super::output::{print, print_error};
use super::runtime::block_on;
use crate::admin::{Progress, ResyncAccepted, ResyncRequest, ResyncState, ResyncStatus, Status};

#[derive(clap::Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "flags")]
pub(super) struct Args {
    /// Count the differences; send nothing and leave the shadow as it is
    #[arg(long, conflicts_with_all = ["learn", "adopt", "as_ingested"])]
    dry_run: bool,

    /// Proceed even if more documents are gone than `recovery.missing_max` allows
    #[arg(long)]
    force: bool,

    /// Update the shadow without sending anything
    #[arg(long, conflicts_with = "as_ingested")]
    learn: bool,

    /// Accept another database or another history of it; a new epoch begins
    #[arg(long, conflicts_with = "as_ingested")]
    adopt: bool,

    /// Send an `ingested` record for every live document of --project, and nothing else
    #[arg(long, requires = "project")]
    as_ingested: bool,

    /// The project of --as-ingested
    #[arg(long, requires = "as_ingested")]
    project: Option<String>,

    /// End the resync that runs; records that it has made are sent
    #[arg(long, conflicts_with_all = ["dry_run", "force", "learn", "adopt", "as_ingested", "project"])]
    cancel: bool,
}

pub(super) fn resync(spool: &Path, args: &Args) -> Exit {
    if args.cancel {
        return block_on(async { cancel(spool).await.unwrap_or_else(|exit| exit) });
    }
    let request = ResyncRequest {
        dry_run: args.dry_run,
        force: args.force,
        learn: args.learn,
        adopt: args.adopt,
        as_ingested: args.project.clone(),
    };
    block_on(async {
        let body = serde_json::to_vec(&request).unwrap_or_default();
        let (status, response) = match client::call(spool, Method::POST, "/api/v1/resync", body.into()).await
        {
            Ok(response) => response,
            Err(why) => return client::unreachable(&why),
        };
        let json = serde_json::from_slice::<Value>(&response).unwrap_or_default();
        let number = json.get("number").and_then(Value::as_u64);
        if let Some(number) = number.filter(|_| status.is_success()) {
            return follow(spool, number).await;
        }
        print_error(client::why(&response));
        Exit::Failed
    })
}

async fn cancel(spool: &Path) -> Result<Exit, Exit> {
    let path = "/api/v1/resync";
    let ended: ResyncAccepted =
        client::json(spool, Method::DELETE, path, &Value::Null, client::TIMEOUT).await?;
    print(format_args!("resync {} ends: `sidecar status` shows its result\n", ended.number));
    Ok(Exit::Done)
}

/// Shows the progress of a resync until it has ended.
async fn follow(spool: &Path, number: u64) -> Exit {
    let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
    if let Ok(style) =
        ProgressStyle::with_template("resync [{bar:40}] {human_pos}/{human_len} documents, {per_sec}")
    {
        bar.set_style(style);
    }
    loop {
        let status = match client::fetch(spool, "/api/v1/status").await {
            Ok((_, body)) => client::parse::<Status>(&body),
            Err(why) => return client::unreachable(&why),
        };
        let source = match status {
            Ok(status) => status.source,
            Err(exit) => return exit,
        };
        if let Some(Progress { done, estimate, .. }) = source.seeding {
            bar.set_length(estimate.max(1));
            bar.set_position(done);
        }
        if let Some(resync) = source.resync.filter(|resync| resync.number >= number)
            && let Some(exit) = end_of(&resync, &bar)
        {
            return exit;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// The exit status of a resync that has ended. Its result is printed.
fn end_of(resync: &ResyncStatus, bar: &ProgressBar) -> Option<Exit> {
    let result = resync.result.as_deref().unwrap_or_default();
    let exit = match resync.state {
        ResyncState::Running | ResyncState::Waiting => return None,
        ResyncState::Done => Exit::Done,
        ResyncState::Cancelled | ResyncState::Failed | ResyncState::Held => Exit::Failed,
        ResyncState::Refused => Exit::Refused,
    };
    bar.finish_and_clear();
    if exit == Exit::Done {
        print(format_args!("{result}\n"));
    } else {
        print_error(result);
    }
    if exit == Exit::Refused {
        eprintln!("the resync starts by itself when this is fixed; `sidecar status` shows its state");
    }
    Some(exit)
}

const POLL_INTERVAL: Duration = Duration::from_millis(250);

pub(super) const AFTER_HELP: &str = "\
Compares the table with the shadow, which is the last known state of each
document, and sends the differences:
`excluded` for documents that are gone, `ingested` and `modified` by the usual
rules. After a lost slot this happens automatically. Run it by hand after
`[documents]` changed, the spool was restored, the database was replaced
(--adopt), or partitions were attached, detached or truncated.

  sidecar resync --dry-run                       count the differences
  sidecar resync                                 send them
  sidecar resync --learn                         accept the table as it is, and send nothing
  sidecar resync --as-ingested --project acme    send all documents to a new webhook
  sidecar resync --cancel                        end the one that runs

The command shows the progress until the resync ends. Interrupting it does not
stop the resync.

Exit status: 0 done; 1 failed, cancelled, or held until --force; 78 a setting or SQL must
change first.";
