//! `sidecar check-config` and `sidecar config`.

use super::exit::Exit;
use super::output::print;
use crate::settings::Settings;

/// The settings have been checked when this is called.
pub(super) fn check(settings: &Settings) -> Exit {
    let webhooks = settings.routes.all().count();
    let plural = if webhooks == 1 { "" } else { "s" };
    print(format_args!("the settings are right: {webhooks} webhook{plural}\n"));
    Exit::Done
}

pub(super) fn print_settings(settings: &str) -> Exit {
    print(settings);
    Exit::Done
}
