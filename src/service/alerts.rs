//! Posts alerts to `alerts.url`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use crate::alert::{Alert, Dropped, Event, Figures, Monitor, Outbox};
use crate::clock::Clock;
use crate::deliver::{Outcome, SendRequest, alert_request};
use crate::metrics::{AlertLabel, Metrics};
use crate::settings::Alerts;
use crate::time::Uptime;

/// Observes events, and posts the alerts that they are worth.
pub(super) struct AlertPoster {
    pub(super) events: mpsc::UnboundedReceiver<Event>,
    /// `None`: no alert is posted.
    pub(super) settings: watch::Receiver<Arc<Option<Alerts>>>,
    pub(super) post: SendRequest,
    pub(super) figures: Box<dyn Fn() -> Figures + Send>,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
}

impl AlertPoster {
    /// Runs until nothing sends events any more.
    pub(super) async fn run(mut self) {
        let started = self.clock.uptime();
        let Some(mut monitor) =
            self.first_settings().await.map(|alerts| Monitor::new(alerts.budgets, started))
        else {
            return;
        };
        let mut outbox = Outbox::default();
        let (ended, mut endings) = mpsc::unbounded_channel::<(Outcome, &'static str)>();
        let mut id = Uuid::now_v7();
        let mut sampled_at = started;
        loop {
            let now = self.clock.uptime();
            let next_sample = sampled_at.plus(SAMPLE_EVERY);
            let next = [monitor.deadline(), outbox.deadline(), Some(next_sample)].into_iter().flatten().min();
            let wait = next.unwrap_or(next_sample).since(now);
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => monitor.observe(event, self.clock.uptime(), self.clock.wall()),
                    None => return,
                },
                Some((outcome, kind)) = endings.recv() => {
                    self.ended(&mut outbox, &outcome, kind);
                }
                changed = self.settings.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    if let Some(alerts) = &**self.settings.borrow_and_update() {
                        monitor.set_budgets(alerts.budgets);
                    }
                }
                () = tokio::time::sleep(wait) => {}
            }
            let now = self.clock.uptime();
            if now >= next_sample {
                sampled_at = now;
                monitor.observe(Event::Figures((self.figures)()), now, self.clock.wall());
            }
            for alert in monitor.poll(now, self.clock.wall()) {
                self.raised(&mut outbox, alert, now);
            }
            let Some((alert, attempt)) = outbox.next(now) else { continue };
            if attempt == 1 {
                id = Uuid::now_v7();
            }
            self.send(&alert, id, ended.clone());
        }
    }

    /// Waits for settings with a URL. Events before are not worth keeping: the lanes' states are reported
    /// again with each failed attempt.
    async fn first_settings(&mut self) -> Option<Alerts> {
        loop {
            if let Some(alerts) = (**self.settings.borrow_and_update()).clone() {
                return Some(alerts);
            }
            tokio::select! {
                event = self.events.recv() => drop(event?),
                changed = self.settings.changed() => changed.ok()?,
            }
        }
    }

    fn raised(&self, outbox: &mut Outbox, alert: Alert, now: Uptime) {
        if self.settings.borrow().is_some()
            && let Some(Dropped(oldest)) = outbox.push(alert, now)
        {
            self.dropped(&oldest, "too many alerts wait");
        }
    }

    fn send(&self, alert: &Alert, id: Uuid, ended: mpsc::UnboundedSender<(Outcome, &'static str)>) {
        let kind = alert.alert.name();
        let settings = Arc::clone(&self.settings.borrow());
        let Some(alerts) = &*settings else { return };
        let body = serde_json::to_vec(alert).unwrap_or_default();
        let request = alert_request(&alerts.webhook, id, body.into(), self.clock.wall());
        (self.post)(request, Box::new(move |outcome, _| drop(ended.send((outcome, kind)))));
    }

    fn ended(&self, outbox: &mut Outbox, outcome: &Outcome, kind: &'static str) {
        let is_success = outcome.kind.is_success();
        if is_success {
            self.metrics.alerts.get_or_create(&AlertLabel { alert: kind, outcome: "posted" }).inc();
        } else {
            let (outcome, status, detail) = (outcome.kind.name(), outcome.status, outcome.detail.as_deref());
            tracing::warn!(
                alert = kind,
                outcome,
                status,
                detail,
                "an alert was not taken, and is tried again"
            );
        }
        if let Some(Dropped(alert)) = outbox.ended(is_success, self.clock.uptime()) {
            self.dropped(&alert, "it was not taken for a day");
        }
    }

    fn dropped(&self, alert: &Alert, why: &str) {
        let kind = alert.alert.name();
        self.metrics.alerts.get_or_create(&AlertLabel { alert: kind, outcome: "dropped" }).inc();
        tracing::error!(alert = kind, text = alert.text, "an alert is dropped: {why}");
    }
}

const SAMPLE_EVERY: Duration = Duration::from_secs(10);
