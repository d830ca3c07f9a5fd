//! `sidecar audit`: what was changed by whom.

use std::fmt::Write as _;
use std::path::Path;

use hyper::Method;
use serde_json::json;

use super::client;
use super::exit::Exit;
use super::output::print;
use super::runtime::block_on;
use crate::admin::{AuditEntry, AuditPage, AuditQuery, plain};

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Only changes of this project
    #[arg(long)]
    project: Option<String>,

    /// How many entries, the newest first
    #[arg(long, default_value_t = 100)]
    limit: usize,

    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

pub(super) fn audit(spool: &Path, args: &Args) -> Exit {
    block_on(async { entries(spool, args).await.unwrap_or_else(|exit| exit) })
}

async fn entries(spool: &Path, args: &Args) -> Result<Exit, Exit> {
    let (mut after, mut left) = (None, args.limit);
    while left > 0 {
        let limit = u32::try_from(left.min(PAGE)).ok();
        let query = client::query(&AuditQuery { project: args.project.clone(), after, limit });
        let path = format!("/api/v1/audit?{query}");
        let page: AuditPage = client::json(spool, Method::GET, &path, &json!({}), client::TIMEOUT).await?;
        left = left.saturating_sub(page.entries.len());
        for entry in &page.entries {
            let line = if args.json { serde_json::to_string(entry).unwrap_or_default() } else { line(entry) };
            print(format_args!("{line}\n"));
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    Ok(Exit::Done)
}

fn line(entry: &AuditEntry) -> String {
    let AuditEntry { at, by, what, project, callback, host, url, detail, .. } = entry;
    let mut line = format!("{at}  {}: {}", plain(by), plain(what));
    let fields = [("project", project), ("callback", callback), ("host", host), ("url", url)];
    for (name, value) in fields {
        if let Some(value) = value {
            let _ = write!(line, " {name}={}", plain(value));
        }
    }
    if let Some(detail) = detail {
        let _ = write!(line, " ({})", plain(detail));
    }
    line
}

const PAGE: usize = 1_000;

pub(super) const AFTER_HELP: &str = "\
Every change over the API, the page and the commands: who, what and when. Of a
webhook's URL, it shows the host and a fingerprint. The last 10,000 entries of the
last 365 days are kept.

  sidecar audit
  sidecar audit --project acme --limit 20
  sidecar audit --json | jq 'select(.by == \"token deploy\")'";
