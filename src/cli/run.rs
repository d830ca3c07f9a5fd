//! `sidecar run`: the service.

use super::exit::Exit;
use super::log;
use super::runtime::block_on;
use crate::service::{self, RunError};
use crate::settings::{Settings, Sources};

pub(super) fn run(settings: Settings, sources: Sources) -> Exit {
    if let Err(why) = log::start(&settings) {
        eprintln!("{why}");
        return Exit::Refused;
    }
    block_on(async {
        match service::run(settings, sources).await {
            Ok(()) => Exit::Done,
            Err(error @ RunError::Refused(_)) => {
                tracing::error!("refused to start: {error}");
                Exit::Refused
            }
            Err(error) => {
                tracing::error!("stopped: {error}");
                Exit::Failed
            }
        }
    })
}

pub(super) const AFTER_HELP: &str = "\
At its first start it makes the publication and the slot where they are missing and it may, and reads
the documents that are there. It waits for Postgres for as long as it takes.

Signals: SIGTERM and SIGINT finish the requests in flight; a second one ends them at once.
SIGHUP reads the settings again: webhooks and limits are applied, the rest by a restart.";
