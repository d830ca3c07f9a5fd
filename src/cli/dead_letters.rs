//! `sidecar dead-letters`.

use std::path::Path;

use hyper::Method;
use serde_json::json;

use super::batch_lines::{print_attempt, print_record};
use super::client;
use super::exit::Exit;
use super::jobs;
use super::output::{confirm_discard, print};
use super::runtime::block_on;
use crate::admin::{
    self, DeadLetterCounts, DeadLetterDetail, DeadLetterFilter, DeadLetterPage, DeadLetterQuery,
    DeadLetterSelection, DeadLetterStatus, plain,
};
use crate::amount::count;
use crate::record::Callback;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List dead letters
    List {
        #[command(flatten)]
        filter: FilterArgs,

        /// Print NDJSON
        #[arg(long)]
        json: bool,
    },
    /// Show one dead letter, with its first records and its attempts
    Show {
        /// Its number, as `list` shows it
        number: i64,

        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make one more attempt for each: the same batch with the same id
    Redeliver {
        #[command(flatten)]
        selection: SelectionArgs,
    },
    /// Discard dead letters: neither `redeliver` nor a replay can send them again
    Discard {
        #[command(flatten)]
        selection: SelectionArgs,

        /// Do not ask for confirmation
        #[arg(long)]
        yes: bool,
    },
}

#[derive(clap::Args, Debug)]
struct FilterArgs {
    /// Only dead letters of this project
    #[arg(long)]
    project: Option<String>,

    /// Only dead letters of this callback: ingested, modified or excluded
    #[arg(long)]
    callback: Option<Callback>,

    /// Only dead letters with this reason
    #[arg(long, value_parser = ["aborted", "given_up", "lane_full", "refused", "spool_full", "too_large"])]
    reason: Option<String>,

    /// Only dead letters given up then or later (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,

    /// Only dead letters given up before (RFC 3339)
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl FilterArgs {
    fn to_filter(&self) -> DeadLetterFilter {
        DeadLetterFilter {
            project: self.project.clone(),
            callback: self.callback.map(|callback| callback.name().to_owned()),
            reason: self.reason.clone(),
            since: self.since.clone(),
            until: self.until.clone(),
        }
    }
}

#[derive(clap::Args, Debug)]
struct SelectionArgs {
    /// Numbers of the dead letters, as `list` shows them
    #[arg(conflicts_with_all = ["FilterArgs", "all"])]
    numbers: Vec<i64>,

    #[command(flatten)]
    filter: FilterArgs,

    /// Every dead letter
    #[arg(long, conflicts_with = "FilterArgs")]
    all: bool,

    /// Only count them, and estimate how long it takes
    #[arg(long)]
    dry_run: bool,
}

impl SelectionArgs {
    fn to_request(&self) -> DeadLetterSelection {
        DeadLetterSelection {
            numbers: self.numbers.clone(),
            filter: self.filter.to_filter(),
            all: self.all,
            dry_run: self.dry_run,
        }
    }
}

pub(super) fn dead_letters(spool: &Path, args: &Args) -> Exit {
    let done = async {
        match &args.action {
            Action::List { filter, json } => list(spool, filter, *json).await,
            Action::Show { number, json } => show(spool, *number, *json).await,
            Action::Redeliver { selection } => redeliver(spool, selection).await,
            Action::Discard { selection, yes } => discard(spool, selection, *yes).await,
        }
    };
    block_on(async { done.await.unwrap_or_else(|exit| exit) })
}

async fn list(spool: &Path, filter: &FilterArgs, json: bool) -> Result<Exit, Exit> {
    let mut query = DeadLetterQuery { filter: filter.to_filter(), ..DeadLetterQuery::default() };
    if !json {
        print(format_args!(
            "{:>6} {:<24} {:<9} {:<10} {:>9} {:<24}  batch\n",
            "number", "project", "callback", "reason", "records", "given up"
        ));
    }
    loop {
        let path = format!("/api/v1/dead-letters?{}", client::query(&query));
        let response = client::text(spool, Method::GET, &path, &json!({}), client::TIMEOUT).await?;
        let page: DeadLetterPage = client::parse(response.as_bytes())?;
        for letter in &page.dead_letters {
            let line = if json { as_json(letter) } else { line(letter) };
            print(format_args!("{line}\n"));
        }
        if page.next.is_none() {
            return Ok(Exit::Done);
        }
        query.after = page.next;
    }
}

fn as_json(letter: &DeadLetterStatus) -> String {
    admin::json(&serde_json::to_string(letter).unwrap_or_default())
}

fn line(letter: &DeadLetterStatus) -> String {
    let DeadLetterStatus { no, project, callback, reason, at, records, batch, redelivering, .. } = letter;
    let batch = batch.as_deref().map_or_else(|| "-".to_owned(), plain);
    let redelivering = if *redelivering { "  (redelivery pending)" } else { "" };
    format!(
        "{no:>6} {:<24} {callback:<9} {:<10} {records:>9} {:<24}  {batch}{redelivering}",
        plain(project),
        reason.name(),
        plain(at)
    )
}

async fn show(spool: &Path, number: i64, json: bool) -> Result<Exit, Exit> {
    let path = format!("/api/v1/dead-letters/{number}");
    let Some(detail) = client::print_json_or_parse(spool, &path, json).await? else { return Ok(Exit::Done) };
    let DeadLetterDetail { dead_letter, first_records, attempts } = detail;
    print(format_args!("{}\n", line(&dead_letter)));
    first_records.iter().for_each(print_record);
    let more = dead_letter.records.saturating_sub(first_records.len() as u64);
    if more > 0 {
        print(format_args!("  and {}\n", count(more, "more record", "more records")));
    }
    attempts.iter().for_each(print_attempt);
    Ok(Exit::Done)
}

async fn redeliver(spool: &Path, selection: &SelectionArgs) -> Result<Exit, Exit> {
    let done = post(spool, "/api/v1/dead-letters/redeliver", &selection.to_request()).await?;
    if selection.dry_run {
        return Ok(counted(&done));
    }
    if let Some(job) = done.job {
        return jobs::follow(spool, job).await;
    }
    print(format_args!(
        "one more attempt is made for {}: `list` shows those that fail again\n",
        count(done.dead_letters, "dead letter", "dead letters")
    ));
    Ok(Exit::Done)
}

async fn discard(spool: &Path, selection: &SelectionArgs, yes: bool) -> Result<Exit, Exit> {
    if !selection.dry_run {
        confirm_discard(yes)?;
    }
    let done = post(spool, "/api/v1/dead-letters/discard", &selection.to_request()).await?;
    if selection.dry_run {
        return Ok(counted(&done));
    }
    if let Some(job) = done.job {
        return jobs::follow(spool, job).await;
    }
    print(format_args!("discarded: {}\n", what(&done)));
    Ok(Exit::Done)
}

fn counted(counts: &DeadLetterCounts) -> Exit {
    let takes =
        counts.estimated_seconds.map(|seconds| format!(", which takes about {}", jobs::seconds(seconds)));
    print(format_args!("{}{}\n", what(counts), takes.unwrap_or_default()));
    Exit::Done
}

fn what(counts: &DeadLetterCounts) -> String {
    let letters = count(counts.dead_letters, "dead letter", "dead letters");
    format!("{letters} with {}", count(counts.records, "record", "records"))
}

async fn post(spool: &Path, path: &str, selection: &DeadLetterSelection) -> Result<DeadLetterCounts, Exit> {
    client::json(spool, Method::POST, path, selection, client::TIMEOUT * 6).await
}

pub(super) const AFTER_HELP: &str = "\
Records become dead letters when
  given_up     their webhook failed for `delivery.give_up_after`
  lane_full    their lane held more than `spool.lane_bytes_max`
  spool_full   the spool was nearly full
  refused      the webhook refused the content of a single record (status 400,
               409, 415 or 422); its answer is in `dead-letters show`
  aborted      the webhook answered with `webhook-delivery: abort`
  too_large    the webhook refused a single record as too large (status 413)
They are kept for `spool.retain`.

  sidecar dead-letters list --project acme        list them
  sidecar dead-letters show 12                    show records and attempts of one
  sidecar dead-letters redeliver --project acme --dry-run     how many, and how long it takes
  sidecar dead-letters redeliver --project acme   send each once more, as the receiver is back
  sidecar dead-letters discard 12 13              drop two for ever

An attempt by `redeliver` does not change the state of the lane. If it fails,
the dead letter stays.";
