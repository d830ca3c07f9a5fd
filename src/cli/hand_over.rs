//! `sidecar hand-over`.

use std::path::Path;

use super::client;
use super::exit::Exit;
use super::output::print;
use super::runtime::block_on;
use crate::admin::{HandOver, HandOverQuery, plain};
use crate::record::Callback;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The project
    #[arg(long)]
    project: String,

    /// The callback: ingested, modified or excluded
    #[arg(long)]
    callback: Callback,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn hand_over(spool: &Path, args: &Args) -> Exit {
    block_on(async { show(spool, args).await.unwrap_or_else(|exit| exit) })
}

async fn show(spool: &Path, args: &Args) -> Result<Exit, Exit> {
    let query = client::query(&HandOverQuery { callback: args.callback });
    let path = format!("/api/v1/projects/{}/hand-over?{query}", client::encoded(&args.project));
    if let Some(HandOver { text, .. }) = client::print_json_or_parse(spool, &path, args.json).await? {
        text.lines().for_each(|line| print(format_args!("{}\n", plain(line))));
    }
    Ok(Exit::Done)
}

pub(super) const AFTER_HELP: &str = "\
Prints what fails, with its class and what mends it, and the request that failed
last as a curl command. Secrets are replaced: it can be sent to whoever operates
the receiver. Where nothing failed, the command sends a test record.

  sidecar hand-over --project acme --callback modified > to-acme.txt";
