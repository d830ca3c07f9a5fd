//! `sidecar tail`: the running sidecar's records, as they are made.

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
    /// Of this project only
    #[arg(long)]
    project: Option<String>,

    /// Of this callback only: ingested, modified or excluded
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
        let answer = match client::ask(spool, &path).await {
            Ok(answer) => answer,
            Err(why) => return client::unreachable(&why),
        };
        let mut body = answer.into_body();
        while let Some(Ok(frame)) = body.frame().await {
            let Some(lines) = frame.data_ref() else { continue };
            let mut out = std::io::stdout();
            // Whoever read our output is gone: so are we.
            if out.write_all(lines).and_then(|()| out.flush()).is_err() {
                return Exit::Done;
            }
        }
        Exit::Done
    })
}
