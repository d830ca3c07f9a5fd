//! `sidecar demo`: everything, on a temporary Postgres.

use super::Exit;

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// End after so many seconds, with a summary
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
}

pub(super) fn demo(_args: &Args) -> Exit {
    Exit::Failed
}
