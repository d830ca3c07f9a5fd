//! Warnings about webhooks, each logged once.

use std::collections::BTreeSet;

use crate::deliver::Routes;
use crate::settings::warnings;

/// The warnings that were logged.
#[derive(Default)]
pub(super) struct LoggedWarnings(BTreeSet<String>);

impl LoggedWarnings {
    /// Logs those about `routes` that were not logged before. Tenants set webhooks too: not all are logged.
    pub(super) fn log(&mut self, routes: &Routes) {
        for warning in warnings(routes) {
            if self.0.len() < LOGGED_MAX && !self.0.contains(&warning) {
                tracing::warn!("{warning}");
                self.0.insert(warning);
            }
        }
    }
}

const LOGGED_MAX: usize = 100;
