//! `sidecar check-config` and `sidecar config`.

use super::exit::Exit;
use super::output::print;
use crate::settings::{Settings, warnings};

/// Reports valid settings. Invalid ones are reported where they are read.
pub(super) fn check(settings: &Settings) -> Exit {
    let webhooks = settings.routes.all().count();
    for warning in warnings(&settings.routes) {
        print(format_args!("warning: {warning}\n"));
    }
    let plural = if webhooks == 1 { "" } else { "s" };
    print(format_args!("the settings are valid: {webhooks} webhook{plural}\n"));
    Exit::Done
}

/// Prints the effective settings.
pub(super) fn print_settings(settings: &str) -> Exit {
    print(settings);
    Exit::Done
}

pub(super) const CHECK_AFTER_HELP: &str = "\
Reads the settings as `sidecar run` does: file, environment and --set, and the
files and variables that secrets name. Prints one line for each invalid setting
and exits 78.

  sidecar check-config --config /etc/sidecar.toml";

pub(super) const AFTER_HELP: &str = "\
One line per setting: its key, its value, and its source (default, file,
environment or --set).

  sidecar config --config /etc/sidecar.toml
  SIDECAR_BATCH__WAIT_MAX_MS=100 sidecar config | grep wait_max_ms";
