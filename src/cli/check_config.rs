//! `sidecar check-config` and `sidecar config`.

use super::{Exit, refuse, say};
use crate::settings::{self, Sources, load};

pub(super) fn check(sources: &Sources) -> Exit {
    match load(sources) {
        Ok(settings) => {
            let webhooks = settings.routes.all().count();
            say(format_args!(
                "the settings are right: {webhooks} webhook{}\n",
                if webhooks == 1 { "" } else { "s" }
            ));
            Exit::Done
        }
        Err(wrong) => refuse(&wrong),
    }
}

pub(super) fn show(sources: &Sources) -> Exit {
    match settings::show(sources) {
        Ok(text) => {
            say(format_args!("{text}"));
            Exit::Done
        }
        Err(wrong) => refuse(&wrong),
    }
}
