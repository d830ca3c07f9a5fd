//! Figures beyond their budgets: each is raised once, and once more when it has ended.

use super::event::{Budgets, Figures};
use super::message::AlertKind;
use crate::amount::{size, span};
use crate::time::Uptime;

/// Which figures are beyond their budgets.
#[derive(Debug, Default)]
pub(super) struct FigureAlarms {
    slot: bool,
    spool: bool,
    no_change: bool,
    /// When the number of changes last grew, and the end of the server's WAL then.
    last_change: Option<(Uptime, u64)>,
    changes: u64,
}

impl FigureAlarms {
    /// What is raised, with a sentence.
    pub(super) fn observe(
        &mut self,
        figures: Figures,
        budgets: &Budgets,
        now: Uptime,
    ) -> Vec<(AlertKind, String)> {
        let mut raised = Vec::new();
        if let Some(retained) = figures.slot_retained_bytes {
            self.observe_slot(retained, budgets.slot_retained_bytes_max, &mut raised);
        }
        self.observe_spool(figures, budgets.spool_share_max, &mut raised);
        self.observe_changes(figures, budgets, now, &mut raised);
        raised
    }

    fn observe_slot(&mut self, retained: u64, max: u64, raised: &mut Vec<(AlertKind, String)>) {
        if retained > max && !self.slot {
            self.slot = true;
            let sentence = format!(
                "The replication slot retains {} of WAL on the server, more than `alerts.slot_retained_max` ({}). `sidecar status` and `sidecar doctor` show what it waits for.",
                size(retained),
                size(max)
            );
            raised.push((AlertKind::SlotRetained, sentence));
        } else if retained < max / 10 * 9 && self.slot {
            self.slot = false;
            let sentence = format!("The replication slot retains {} of WAL again.", size(retained));
            raised.push((AlertKind::Recovered, sentence));
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a share, shown in whole percent")]
    fn observe_spool(&mut self, figures: Figures, max: f64, raised: &mut Vec<(AlertKind, String)>) {
        let share = figures.spool_bytes as f64 / figures.spool_bytes_max.max(1) as f64;
        let percent = share * 100.0;
        if share > max && !self.spool {
            self.spool = true;
            let sentence = format!(
                "The spool is filled to {percent:.0} % of `spool.bytes_max` ({}). When it is nearly full, delivered records are removed first, then records of failing webhooks become dead letters.",
                size(figures.spool_bytes_max)
            );
            raised.push((AlertKind::SpoolFull, sentence));
        } else if share < max * 0.9 && self.spool {
            self.spool = false;
            raised.push((AlertKind::Recovered, format!("The spool is filled to {percent:.0} % again.")));
        }
    }

    fn observe_changes(
        &mut self,
        figures: Figures,
        budgets: &Budgets,
        now: Uptime,
        raised: &mut Vec<(AlertKind, String)>,
    ) {
        let Some(lsn) = figures.server_lsn else { return };
        let (since, lsn_then) = match self.last_change {
            Some(last) if figures.changes == self.changes => last,
            _ => *self.last_change.insert((now, lsn)),
        };
        let has_changed = figures.changes != self.changes;
        self.changes = figures.changes;
        let is_late = budgets.no_change_after.is_some_and(|after| now.since(since) >= after);
        if is_late && lsn > lsn_then && !self.no_change {
            self.no_change = true;
            let sentence = format!(
                "No change of the documents table was received for {} although the server wrote {} of WAL. `sidecar doctor` checks the publication and the slot.",
                span(now.since(since)),
                size(lsn - lsn_then)
            );
            raised.push((AlertKind::NoChange, sentence));
        } else if has_changed && self.no_change {
            self.no_change = false;
            raised.push((AlertKind::Recovered, "Changes are received again.".to_owned()));
        }
    }
}
