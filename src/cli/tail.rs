//! `sidecar tail`: prints the running sidecar's records as they are made.

use std::io::Write as _;
use std::path::Path;

use http_body_util::BodyExt as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::client;
use super::exit::Exit;
use super::runtime::block_on;
use crate::record::Callback;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Only records of this project
    #[arg(long)]
    project: Option<String>,

    /// Only records of this callback: ingested, modified or excluded
    #[arg(long)]
    callback: Option<Callback>,
}

pub(super) fn tail(spool: &Path, args: &Args) -> Exit {
    let mut path = "/api/v1/tail?".to_owned();
    if let Some(project) = &args.project {
        path.extend(["project=", &utf8_percent_encode(project, NON_ALPHANUMERIC).to_string(), "&"]);
    }
    if let Some(callback) = args.callback {
        path.extend(["callback=", callback.name()]);
    }
    block_on(async {
        let response = match client::get(spool, &path).await {
            Ok(response) => response,
            Err(why) => return client::unreachable(&why),
        };
        let mut body = response.into_body();
        while let Some(Ok(frame)) = body.frame().await {
            let Some(lines) = frame.data_ref() else { continue };
            let mut out = std::io::stdout();
            // A closed pipe ends the command.
            if out.write_all(lines).and_then(|()| out.flush()).is_err() {
                return Exit::Done;
            }
        }
        Exit::Done
    })
}

pub(super) const AFTER_HELP: &str = "\
Prints records from now on, one JSON object per line, whether or not a webhook
is configured for them. A reader that is too slow misses records:
{\"not_shown\":N} counts them. Ctrl-C ends it.

  sidecar tail
  sidecar tail --project acme --callback modified | jq .record";
