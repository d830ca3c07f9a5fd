//! Warnings about the settings, each logged once.

use std::collections::BTreeSet;

use crate::settings::Settings;

/// The warnings that were logged.
pub(super) struct LoggedWarnings(BTreeSet<String>);

impl LoggedWarnings {
    /// Logs all.
    pub(super) fn of(settings: &Settings) -> Self {
        let mut logged = Self(BTreeSet::new());
        logged.log(settings);
        logged
    }

    /// Logs those that were not logged before.
    pub(super) fn log(&mut self, settings: &Settings) {
        for warning in settings.warnings() {
            if !self.0.contains(&warning) {
                tracing::warn!("{warning}");
                self.0.insert(warning);
            }
        }
    }
}
