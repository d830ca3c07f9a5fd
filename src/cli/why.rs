//! `sidecar why`.

use std::path::Path;

use super::batch_lines::{one_line, place};
use super::client;
use super::exit::Exit;
use super::output::print;
use super::runtime::block_on;
use crate::admin::{DocumentDetail, DocumentRecord, plain};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The project of the document
    #[arg(long)]
    project: String,

    /// The id of the document, as receivers have it
    #[arg(long)]
    id: String,

    /// The most records to print
    #[arg(long, default_value_t = 20)]
    limit: u32,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn why(spool: &Path, args: &Args) -> Exit {
    block_on(async { show(spool, args).await.unwrap_or_else(|exit| exit) })
}

async fn show(spool: &Path, args: &Args) -> Result<Exit, Exit> {
    let (project, id) = (client::encoded(&args.project), client::encoded(&args.id));
    let path = format!("/api/v1/projects/{project}/documents/{id}?limit={}", args.limit);
    let Some(detail) = client::print_json_or_parse::<DocumentDetail>(spool, &path, args.json).await? else {
        return Ok(Exit::Done);
    };
    for sentence in &detail.summary {
        print(format_args!("{}\n", plain(sentence)));
    }
    for record in &detail.records {
        let DocumentRecord { callback, position, committed_at, cause, state, record, .. } = record;
        let position = place(position);
        print(format_args!("\n{} {callback} {position}: {}\n", plain(committed_at), plain(cause)));
        print(format_args!("  {}\n", plain(state)));
        print(format_args!("  {}\n", one_line(record)));
    }
    if detail.next.is_some() {
        print(format_args!("\nThere are older records: use --limit.\n"));
    }
    Ok(Exit::Done)
}

pub(super) const AFTER_HELP: &str = "\
Says what the sidecar knows of the document, what happened to each of its
records or what they wait for, and where nothing was sent, why.

  sidecar why --project acme --id 4711";
