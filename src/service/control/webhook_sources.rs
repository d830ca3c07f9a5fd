//! Where webhooks come from, as the status shows it.

use super::Controller;
use crate::admin::{OriginCounts, RefusedRowStatus, WebhookOrigin, WebhookQueryStatus, WebhookSourcesStatus};
use crate::service::webhooks::key_of;
use crate::settings::RefusedRow;
use crate::time::Timestamp;

impl Controller {
    pub(super) fn webhook_sources(&self) -> WebhookSourcesStatus {
        let routes = self.webhooks.routes();
        self.webhooks.with(|in_force| {
            let mut counts = OriginCounts::default();
            for webhook in routes.all() {
                let count = match in_force.origin(&key_of(webhook)) {
                    WebhookOrigin::File => &mut counts.file,
                    WebhookOrigin::Query => &mut counts.query,
                    WebhookOrigin::Set => &mut counts.set,
                };
                *count += 1;
            }
            let (sources, list) = (in_force.sources(), in_force.query());
            let refused = list.refused().iter().take(REFUSED_SHOWN).cloned();
            let query = sources.query.as_ref().map(|_| WebhookQueryStatus {
                read_at: list.read_at().map(Timestamp::to_rfc3339),
                error: list.error().map(str::to_owned),
                webhooks: list.len() as u64,
                refused: refused
                    .map(|RefusedRow { project, callback, why }| RefusedRowStatus { project, callback, why })
                    .collect(),
                more_refused: list.refused().len().saturating_sub(REFUSED_SHOWN) as u64,
            });
            WebhookSourcesStatus {
                from: sources.from.iter().map(|source| source.name().to_owned()).collect(),
                locked: sources.locked(),
                counts,
                query,
            }
        })
    }
}

const REFUSED_SHOWN: usize = 100;
