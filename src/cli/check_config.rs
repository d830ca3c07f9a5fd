//! `sidecar check-config` and `sidecar config`.

use super::{Exit, refuse};
use crate::settings::{self, Sources, load, without_effect};

pub(super) fn check(sources: &Sources) -> Exit {
    match load(sources) {
        Ok(settings) => {
            for name in without_effect(&settings) {
                println!("`{name}` is set, and has no effect in this version");
            }
            let webhooks = settings.routes.all().count();
            println!("the settings are right: {webhooks} webhook{}", if webhooks == 1 { "" } else { "s" });
            Exit::Done
        }
        Err(wrong) => refuse(&wrong),
    }
}

pub(super) fn show(sources: &Sources) -> Exit {
    match settings::show(sources) {
        Ok(text) => {
            print!("{text}");
            Exit::Done
        }
        Err(wrong) => refuse(&wrong),
    }
}
