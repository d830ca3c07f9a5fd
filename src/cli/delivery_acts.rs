//! `sidecar deliveries redeliver`, `discard` and `replay`.

use std::path::Path;

use hyper::Method;

use super::client;
use super::delivery_filter::FilterArgs;
use super::exit::Exit;
use super::jobs;
use super::output::{confirm_discard, print};
use crate::admin::{DeliveryCounts, DeliverySelection};
use crate::amount::count;

#[derive(clap::Args, Debug)]
pub(super) struct SelectionArgs {
    /// The `webhook-id`s of the batches, as `list` shows them
    #[arg(conflicts_with_all = ["FilterArgs", "all"])]
    ids: Vec<String>,

    #[command(flatten)]
    filter: FilterArgs,

    /// Every batch
    #[arg(long, conflicts_with = "FilterArgs")]
    all: bool,

    /// Only count them, and estimate how long it takes
    #[arg(long)]
    dry_run: bool,
}

impl SelectionArgs {
    fn to_request(&self, rate: Option<u32>) -> DeliverySelection {
        DeliverySelection {
            ids: self.ids.clone(),
            filter: self.filter.to_filter(),
            all: self.all,
            rate,
            dry_run: self.dry_run,
        }
    }
}

pub(super) async fn redeliver(spool: &Path, selection: &SelectionArgs) -> Result<Exit, Exit> {
    let counts = post(spool, "redeliver", &selection.to_request(None)).await?;
    finish(spool, selection, counts, "one more attempt is made for").await
}

pub(super) async fn discard(spool: &Path, selection: &SelectionArgs, yes: bool) -> Result<Exit, Exit> {
    if !selection.dry_run {
        confirm_discard(yes)?;
    }
    let counts = post(spool, "discard", &selection.to_request(None)).await?;
    finish(spool, selection, counts, "discarded").await
}

pub(super) async fn replay(spool: &Path, selection: &SelectionArgs, rate: Option<u32>) -> Result<Exit, Exit> {
    let counts = post(spool, "replay", &selection.to_request(rate)).await?;
    if let Some(no) = counts.replay {
        print(format_args!("replay {no} has started: `sidecar replay list` shows its progress\n"));
    }
    finish(spool, selection, counts, "a replay sends again").await
}

/// Says what was done, or waits for the job that does it.
async fn finish(
    spool: &Path,
    selection: &SelectionArgs,
    counts: DeliveryCounts,
    done: &str,
) -> Result<Exit, Exit> {
    if let Some(job) = counts.job {
        return jobs::follow(spool, job).await;
    }
    let DeliveryCounts { deliveries, records, left_out, more, estimated_seconds, .. } = counts;
    let what = if selection.dry_run { "selected:" } else { done };
    let more = if more { "more than " } else { "" };
    let (batches, records) = (count(deliveries, "batch", "batches"), count(records, "record", "records"));
    print(format_args!("{what} {more}{batches} with {records}"));
    if let Some(seconds) = estimated_seconds.filter(|_| selection.dry_run) {
        print(format_args!(", which takes about {}", jobs::seconds(seconds)));
    }
    if left_out > 0 {
        let left_out = count(left_out, "other is left out", "others are left out");
        print(format_args!("; {left_out}: in another state, or not kept"));
    }
    print(format_args!("\n"));
    Ok(Exit::Done)
}

async fn post(spool: &Path, act: &str, selection: &DeliverySelection) -> Result<DeliveryCounts, Exit> {
    let path = format!("/api/v1/deliveries/{act}");
    client::json(spool, Method::POST, &path, selection, client::TIMEOUT * 6).await
}
