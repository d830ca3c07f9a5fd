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
The first start creates the publication and the slot if they are missing and the
role has the privileges, and reads the documents that exist. While Postgres
cannot be reached, it retries.

  sidecar run --config /etc/sidecar.toml
  sidecar run --set log.level=debug

Signals:
  SIGTERM, SIGINT   finish the requests in flight, within `delivery.timeout_ms`;
                    a second signal stops at once
  SIGHUP            read the settings again: webhooks and limits apply at once,
                    other settings at a restart";
