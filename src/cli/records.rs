//! `sidecar records`.

use std::path::Path;

use hyper::Method;
use serde_json::json;

use super::client;
use super::exit::Exit;
use super::output::print;
use super::runtime::block_on;
use crate::admin::{self, RecordBody, RecordQuery};
use crate::record::Callback;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The project
    #[arg(long)]
    project: String,

    /// The callback: ingested, modified or excluded
    #[arg(long)]
    callback: Callback,

    /// Only records behind this position, as in 0-16B3748/3
    #[arg(long, value_name = "POSITION")]
    after: Option<String>,

    /// Records in one body
    #[arg(long, default_value_t = 100)]
    limit: u32,
}

pub(super) fn records(spool: &Path, args: &Args) -> Exit {
    block_on(async { pull(spool, args).await.unwrap_or_else(|exit| exit) })
}

async fn pull(spool: &Path, args: &Args) -> Result<Exit, Exit> {
    let project = client::encoded(&args.project);
    let mut after = args.after.clone();
    loop {
        let query = client::query(&RecordQuery {
            callback: args.callback.name().to_owned(),
            after: after.clone(),
            limit: Some(args.limit),
        });
        let path = format!("/api/v1/projects/{project}/records?{query}");
        let response = client::text(spool, Method::GET, &path, &json!({}), client::TIMEOUT).await?;
        let page: RecordBody = client::parse(response.as_bytes())?;
        if page.records > 0 {
            let line = json!({ "positions": page.positions, "body": page.body });
            print(format_args!("{}\n", admin::json(&line.to_string())));
        }
        if !page.more {
            return Ok(Exit::Done);
        }
        after = page.next;
    }
}

pub(super) const AFTER_HELP: &str = "\
Prints the bodies that the webhook gets, or would get, a line each: records that
are kept, delivered and pending ones, in order. For receivers that the sidecar
cannot reach, and to repair one that lost records.

  sidecar records --project acme --callback ingested
  sidecar records --project acme --callback modified --after 0-16B3748/3";
