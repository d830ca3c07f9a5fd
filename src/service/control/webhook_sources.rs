//! Where webhooks come from, as the status shows it.

use super::Controller;
use crate::admin::{
    OriginCounts, RefusedRowStatus, Scope, WebhookOrigin, WebhookQueryStatus, WebhookSourcesStatus,
};
use crate::service::webhooks::key_of;
use crate::settings::RefusedRow;
use crate::time::Timestamp;

impl Controller {
    /// What concerns the scope. The error of the query is the operator's.
    pub(super) fn webhook_sources(&self, scope: &Scope) -> WebhookSourcesStatus {
        let routes = self.webhooks.routes();
        self.webhooks.with(|in_force| {
            let mut counts = OriginCounts::default();
            for key in routes.all().map(key_of).filter(|key| scope.holds(&key.project)) {
                let count = match in_force.origin(&key) {
                    WebhookOrigin::File => &mut counts.file,
                    WebhookOrigin::Query => &mut counts.query,
                    WebhookOrigin::Set => &mut counts.set,
                };
                *count += 1;
            }
            let (sources, list) = (in_force.sources(), in_force.query());
            let is_own = |row: &&RefusedRow| scope.holds(row.project.as_deref().unwrap_or("*"));
            let refused: Vec<&RefusedRow> = list.refused().iter().filter(is_own).collect();
            let query = sources.query.as_ref().map(|_| WebhookQueryStatus {
                read_at: list.read_at().map(Timestamp::to_rfc3339),
                error: list.error().filter(|_| *scope == Scope::All).map(str::to_owned),
                webhooks: counts.query,
                refused: refused.iter().take(REFUSED_SHOWN).map(|row| shown(row)).collect(),
                more_refused: refused.len().saturating_sub(REFUSED_SHOWN) as u64,
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

fn shown(row: &RefusedRow) -> RefusedRowStatus {
    let RefusedRow { project, callback, why } = row.clone();
    RefusedRowStatus { project, callback, why }
}

const REFUSED_SHOWN: usize = 100;
