//! `sidecar deliveries`.

use std::fmt::Write as _;
use std::path::Path;

use hyper::Method;
use serde_json::json;

use super::batch_lines::{print_attempt, print_record};
use super::client;
use super::delivery_acts::{self, SelectionArgs};
use super::delivery_filter::FilterArgs;
use super::exit::Exit;
use super::output::print;
use super::runtime::block_on;
use crate::admin::{
    self, DeliveryDetail, DeliveryPage, DeliveryQuery, DeliveryStatus, FoundRecordStatus, plain,
};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List batches, the newest first, or search for them
    List(Box<ListArgs>),
    /// Show one batch: its request, its records and its attempts
    Show {
        /// Its `webhook-id`
        id: String,

        /// Print JSON
        #[arg(long, conflicts_with = "curl")]
        json: bool,

        /// Print the request as a curl command, with its secrets replaced
        #[arg(long)]
        curl: bool,
    },
    /// Make one more attempt for each that is a dead letter: the same batch with the same id
    Redeliver {
        #[command(flatten)]
        selection: SelectionArgs,
    },
    /// Discard those that are dead letters: nothing can send them again
    Discard {
        #[command(flatten)]
        selection: SelectionArgs,

        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
    /// Send the records of those that are settled again, in new batches
    Replay {
        #[command(flatten)]
        selection: SelectionArgs,

        /// The most records a second, over all lanes
        #[arg(long, value_name = "RECORDS", value_parser = clap::value_parser!(u32).range(1..))]
        rate: Option<u32>,
    },
}

#[derive(clap::Args, Debug)]
struct ListArgs {
    #[command(flatten)]
    filter: FilterArgs,

    /// Search for batches with a record about this document; needs --project
    #[arg(long, value_name = "ID")]
    document: Option<String>,

    /// Search for batches with a record that carries this key; needs --project
    #[arg(long)]
    key: Option<String>,

    /// Search for the batch with the record at this position, as in 0-16B3748/3
    #[arg(long)]
    position: Option<String>,

    /// The most to print
    #[arg(long, default_value_t = 50)]
    limit: usize,

    /// Print NDJSON
    #[arg(long)]
    json: bool,
}

pub(super) fn deliveries(spool: &Path, args: &Args) -> Exit {
    let done = async {
        match &args.action {
            Action::List(list_args) => list(spool, list_args).await,
            Action::Show { id, json, curl } => show(spool, id, *json, *curl).await,
            Action::Redeliver { selection } => delivery_acts::redeliver(spool, selection).await,
            Action::Discard { selection, yes } => delivery_acts::discard(spool, selection, *yes).await,
            Action::Replay { selection, rate } => delivery_acts::replay(spool, selection, *rate).await,
        }
    };
    block_on(async { done.await.unwrap_or_else(|exit| exit) })
}

async fn list(spool: &Path, args: &ListArgs) -> Result<Exit, Exit> {
    let (mut left, mut after) = (args.limit, None);
    if !args.json {
        print(format_args!(
            "{:<36} {:<24} {:<9} {:<11} {:>7} {:>8}  cut, and its last attempt\n",
            "webhook-id", "project", "callback", "state", "records", "attempts"
        ));
    }
    while left > 0 {
        let query = client::query(&DeliveryQuery {
            filter: args.filter.to_filter(),
            document: args.document.clone(),
            key: args.key.clone(),
            position: args.position.clone(),
            webhook_id: None,
            after,
            limit: u32::try_from(left.min(PAGE)).ok(),
        });
        let path = format!("/api/v1/deliveries?{query}");
        let response = client::text(spool, Method::GET, &path, &json!({}), client::TIMEOUT).await?;
        let page: DeliveryPage = client::parse(response.as_bytes())?;
        for delivery in &page.deliveries {
            let line = if args.json { as_json(delivery) } else { line(delivery) };
            print(format_args!("{line}\n"));
        }
        for record in page.records.iter().filter(|record| record.webhook_id.is_none() && !args.json) {
            print(format_args!("{}\n", record_line(record)));
        }
        left = left.saturating_sub(page.deliveries.len());
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(Exit::Done)
}

fn as_json(delivery: &DeliveryStatus) -> String {
    admin::json(&serde_json::to_string(delivery).unwrap_or_default())
}

fn line(delivery: &DeliveryStatus) -> String {
    let DeliveryStatus { id, project, callback, state, records, attempts, cut_at, .. } = delivery;
    let mut line = format!(
        "{:<36} {:<24} {callback:<9} {:<11} {records:>7} {attempts:>8}  {}",
        plain(id),
        plain(project),
        state.name(),
        plain(cut_at)
    );
    if let Some(last) = &delivery.last_attempt {
        let status = last.status.map(|status| format!(" {status}")).unwrap_or_default();
        let _ = write!(line, ", {}{status}", last.outcome);
    }
    if let Some(reason) = &delivery.waits_for {
        let _ = write!(line, ", waits for: {}", plain(reason));
    }
    if let Some(at) = &delivery.next_attempt_at {
        let _ = write!(line, ", next at {}", plain(at));
    }
    line
}

fn record_line(record: &FoundRecordStatus) -> String {
    let FoundRecordStatus { project, callback, position, committed_at, settled, .. } = record;
    let what = if *settled { "its batch is not kept any more" } else { "pending, in no batch yet" };
    format!(
        "{:<36} {:<24} {callback:<9} {what}: record {} of {}",
        "-",
        plain(project),
        plain(position),
        plain(committed_at)
    )
}

async fn show(spool: &Path, id: &str, json: bool, curl: bool) -> Result<Exit, Exit> {
    let path = format!("/api/v1/deliveries/{}", client::encoded(id));
    let Some(detail) = client::print_json_or_parse::<DeliveryDetail>(spool, &path, json).await? else {
        return Ok(Exit::Done);
    };
    if curl {
        let Some(curl) = &detail.request.curl else {
            eprintln!("there is no request to show: the lane has no webhook, or the records are not kept");
            return Err(Exit::Failed);
        };
        print(format_args!("{curl}\n"));
        return Ok(Exit::Done);
    }
    print(format_args!("{}\n", line(&detail.delivery)));
    if let Some(url) = &detail.request.url {
        print(format_args!("  POST {}\n", plain(url)));
    }
    for header in &detail.request.headers {
        print(format_args!("    {}: {}\n", plain(&header.name), plain(&header.value)));
    }
    detail.record_list.iter().for_each(print_record);
    detail.attempt_list.iter().for_each(print_attempt);
    Ok(Exit::Done)
}

/// Asked for at once.
const PAGE: usize = 500;

pub(super) const AFTER_HELP: &str = "\
A batch is
  waiting      not settled: it waits for its first or its next attempt
  in_flight    on the wire
  delivered    taken by the receiver
  dead_letter  given up: see `sidecar dead-letters`
  retired      not sent again: replaced by smaller batches, skipped or discarded
Settled ones are kept for `spool.retain`.

  sidecar deliveries list --project acme --state waiting
  sidecar deliveries list --status 5xx --since 2026-01-31T12:00:00Z
  sidecar deliveries list --project acme --document 4711
  sidecar deliveries list --position 0-16B3748/3
  sidecar deliveries show 01996f3c-5a7e-7c21-8a53-0d6f1f6a2b10 --curl
  sidecar deliveries redeliver --project acme --status 5xx --dry-run
  sidecar deliveries replay --project acme --since 2026-01-31T12:00:00Z --rate 50";
