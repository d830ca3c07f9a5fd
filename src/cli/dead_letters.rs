//! `sidecar dead-letters`: what was given up.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use hyper::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::client;
use super::exit::Exit;
use super::output::print;
use super::runtime::block_on;
use crate::admin::{
    self, AttemptStatus, DeadLetterCounts, DeadLetterDetail, DeadLetterPage, DeadLetterRecord,
    DeadLetterSelection, DeadLetterStatus, plain, pretty_json,
};
use crate::record::Callback;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List them
    List {
        #[command(flatten)]
        filter: Filter,

        /// As JSON, one a line
        #[arg(long)]
        json: bool,
    },
    /// Show one, with its records and attempts
    Show {
        /// Its number, as `list` shows it
        number: i64,

        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make one more attempt for each: of the same batch, with the same id
    Redeliver {
        #[command(flatten)]
        picked: Picked,
    },
    /// Drop them: they are not sent again, by no replay either
    Discard {
        #[command(flatten)]
        picked: Picked,

        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(clap::Args, Debug)]
struct Filter {
    /// Only this project's
    #[arg(long)]
    project: Option<String>,

    /// Only this callback's: ingested, modified or excluded
    #[arg(long)]
    callback: Option<Callback>,

    /// Only those given up for this reason
    #[arg(long, value_parser = ["given_up", "lane_full", "spool_full", "too_large"])]
    reason: Option<String>,
}

#[derive(clap::Args, Debug)]
struct Picked {
    /// Their numbers, as `list` shows them
    #[arg(conflicts_with_all = ["project", "callback", "reason", "all"])]
    numbers: Vec<i64>,

    #[command(flatten)]
    filter: Filter,

    /// All of them
    #[arg(long, conflicts_with_all = ["project", "callback", "reason"])]
    all: bool,
}

impl Picked {
    fn selection(&self) -> DeadLetterSelection {
        DeadLetterSelection {
            numbers: self.numbers.clone(),
            project: self.filter.project.clone(),
            callback: self.filter.callback.map(|callback| callback.name().to_owned()),
            reason: self.filter.reason.clone(),
            all: self.all,
        }
    }
}

pub(super) fn dead_letters(spool: &Path, args: &Args) -> Exit {
    let done = async {
        match &args.action {
            Action::List { filter, json } => list(spool, filter, *json).await,
            Action::Show { number, json } => show(spool, *number, *json).await,
            Action::Redeliver { picked } => redeliver(spool, picked).await,
            Action::Discard { picked, yes } => discard(spool, picked, *yes).await,
        }
    };
    block_on(async { done.await.unwrap_or_else(|exit| exit) })
}

async fn list(spool: &Path, filter: &Filter, json: bool) -> Result<Exit, Exit> {
    let callback = filter.callback.map(|callback| callback.name().to_owned());
    let given = [("project", &filter.project), ("callback", &callback), ("reason", &filter.reason)];
    let given = given.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let mut query = String::new();
    for (name, value) in given {
        let _ = write!(query, "&{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
    }
    let mut after = 0;
    if !json {
        print(format_args!(
            "{:>6} {:<24} {:<9} {:<10} {:>9} {:<24}  batch\n",
            "number", "project", "callback", "reason", "records", "given up"
        ));
    }
    loop {
        let path = format!("/api/v1/dead-letters?after={after}{query}");
        let answer = client::text(spool, Method::GET, &path, &json!({}), client::PATIENCE).await?;
        let page: DeadLetterPage = client::read(answer.as_bytes())?;
        for letter in &page.dead_letters {
            let line = if json { as_json(letter) } else { line(letter) };
            print(format_args!("{line}\n"));
        }
        match page.next {
            Some(next) => after = next,
            None => return Ok(Exit::Done),
        }
    }
}

fn as_json(letter: &DeadLetterStatus) -> String {
    admin::json(&serde_json::to_string(letter).unwrap_or_default())
}

fn line(letter: &DeadLetterStatus) -> String {
    let DeadLetterStatus { no, project, callback, reason, at, records, batch, redelivering, .. } = letter;
    let batch = batch.as_deref().map_or_else(|| "-".to_owned(), plain);
    let redelivering = if *redelivering { "  (one more attempt is asked for)" } else { "" };
    format!(
        "{no:>6} {:<24} {callback:<9} {:<10} {records:>9} {:<24}  {batch}{redelivering}",
        plain(project),
        reason.name(),
        plain(at)
    )
}

async fn show(spool: &Path, number: i64, json: bool) -> Result<Exit, Exit> {
    let path = format!("/api/v1/dead-letters/{number}");
    let answer = client::text(spool, Method::GET, &path, &json!({}), client::PATIENCE).await?;
    if json {
        print(format_args!("{}\n", pretty_json(&answer)));
        return Ok(Exit::Done);
    }
    let DeadLetterDetail { dead_letter, first_records, attempts } = client::read(answer.as_bytes())?;
    print(format_args!("{}\n", line(&dead_letter)));
    for DeadLetterRecord { position, record, .. } in &first_records {
        // As `replay` takes it, its LSN as Postgres writes it.
        let position = plain(&position.replacen('-', "/", 1));
        print(format_args!("  {position:<22} {}\n", admin::json(record.get()).replace(['\n', '\r'], " ")));
    }
    let more = dead_letter.records.saturating_sub(first_records.len() as u64);
    if more > 0 {
        print(format_args!("  and {more} more records\n"));
    }
    for attempt in attempts {
        let AttemptStatus { number, started_at, outcome, status, detail, .. } = attempt;
        let status = status.map_or_else(|| "-".to_owned(), |status| status.to_string());
        let detail = detail.as_deref().map_or_else(|| "-".to_owned(), plain);
        print(format_args!("  attempt {number} at {}: {outcome} {status} {detail}\n", plain(&started_at)));
    }
    Ok(Exit::Done)
}

async fn redeliver(spool: &Path, picked: &Picked) -> Result<Exit, Exit> {
    let done = post(spool, "/api/v1/dead-letters/redeliver", &picked.selection()).await?;
    let count = done.dead_letters;
    print(format_args!(
        "one more attempt is made for {count} dead letters: `list` shows which of them are left\n"
    ));
    Ok(Exit::Done)
}

async fn discard(spool: &Path, picked: &Picked, yes: bool) -> Result<Exit, Exit> {
    if !yes && !confirmed() {
        eprintln!("nothing was discarded: say --yes to do it without being asked");
        return Err(Exit::Usage);
    }
    let done = post(spool, "/api/v1/dead-letters/discard", &picked.selection()).await?;
    let DeadLetterCounts { dead_letters, records } = done;
    print(format_args!("{dead_letters} dead letters with {records} records were discarded\n"));
    Ok(Exit::Done)
}

/// Asks a person; where there is none, the answer is no.
fn confirmed() -> bool {
    if !std::io::stdin().is_terminal() {
        return false;
    }
    eprint!("Discard them? They are not sent again, by no replay either. [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

async fn post(spool: &Path, path: &str, selection: &DeadLetterSelection) -> Result<DeadLetterCounts, Exit> {
    let patience = client::PATIENCE * 6;
    client::json(spool, Method::POST, path, selection, patience).await
}

pub(super) const AFTER_HELP: &str = "\
Records become dead letters when their webhook failed for `delivery.give_up_after`, when their
lane or the spool held too much, or when a single one was refused as too large. They are kept for
`spool.retain`.

  sidecar dead-letters list --project acme        what was given up?
  sidecar dead-letters show 12                    with its records and attempts
  sidecar dead-letters redeliver --project acme   the receiver is back: once more, each
  sidecar dead-letters discard 12 13              these are not wanted any more

One more attempt changes nothing of how the lane stands; where it fails, the dead letter stays.";
