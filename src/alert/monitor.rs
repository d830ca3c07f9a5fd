//! What is worth an alert, and when. Pure: observations in, alerts out; the time is an argument.
//!
//! 1. An alert tells of a transition, once. What goes on is not repeated.
//! 2. Webhooks for which the same happens at about the same time share one alert, so that a host that fails
//!    with a thousand webhooks makes one message.
//! 3. What an earlier start has raised is not raised again: a threshold that passed before this start counts
//!    as raised.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::event::{Budgets, Event, Figures, LaneKey, LaneReport, WebhookChange, WebhookState, at};
use super::figures::FigureAlarms;
use super::message::{Alert, AlertKind, AlertWebhook};
use super::subject::{Detail, Group, Subject};
use super::text;
use crate::spool::PausedBy;
use crate::time::{Timestamp, Uptime};

/// Decides which alerts are posted.
#[derive(Debug)]
pub struct Monitor {
    budgets: Budgets,
    /// When the process started.
    started: Uptime,
    /// Lanes that fail or are paused.
    lanes: HashMap<LaneKey, Tracked>,
    /// The next threshold of each of them.
    thresholds: BTreeSet<(Uptime, LaneKey)>,
    /// Alerts that still collect webhooks, each until its time.
    open: BTreeMap<Subject, (Uptime, Group)>,
    figures: FigureAlarms,
}

#[derive(Debug)]
struct Tracked {
    report: LaneReport,
    /// The threshold that is in `thresholds`.
    next: Option<Uptime>,
    /// Shares of `give_up_after` that were raised, in percent.
    percent: u8,
    /// `Failing` or `NeedsOwner` was raised.
    failing: bool,
    needs_owner: bool,
    paused: bool,
}

impl Monitor {
    /// Of a process that started at this uptime.
    pub fn new(budgets: Budgets, started: Uptime) -> Self {
        Self {
            budgets,
            started,
            lanes: HashMap::new(),
            thresholds: BTreeSet::new(),
            open: BTreeMap::new(),
            figures: FigureAlarms::default(),
        }
    }

    /// The budgets from now on.
    pub fn set_budgets(&mut self, budgets: Budgets) {
        self.budgets = budgets;
    }

    /// Something was observed.
    pub fn observe(&mut self, event: Event, now: Uptime, wall: Timestamp) {
        match event {
            Event::DeadLetters { lane, owner, reason, records } => {
                self.dead_letters(lane, owner, reason, records, now);
            }
            Event::Figures(figures) => self.observe_figures(figures, now),
            Event::Lane(report) => self.observe_lane(report, (now, wall)),
            Event::Webhook(change) => self.observe_change(change, now),
        }
    }

    /// The alerts that are due.
    pub fn poll(&mut self, now: Uptime, wall: Timestamp) -> Vec<Alert> {
        while let Some((due, lane)) = self.thresholds.first().cloned().filter(|(due, _)| *due <= now) {
            self.thresholds.remove(&(due, lane.clone()));
            self.pass_thresholds(&lane, (now, wall));
        }
        let due: Vec<Subject> = self
            .open
            .iter()
            .filter(|(_, (until, _))| *until <= now)
            .map(|(subject, _)| subject.clone())
            .collect();
        due.into_iter()
            .filter_map(|subject| {
                let (_, group) = self.open.remove(&subject)?;
                Some(text::alert(subject, group, wall))
            })
            .collect()
    }

    /// When to poll again, if nothing is observed before.
    pub fn deadline(&self) -> Option<Uptime> {
        let threshold = self.thresholds.first().map(|(due, _)| *due);
        let open = self.open.values().map(|(until, _)| *until).min();
        threshold.into_iter().chain(open).min()
    }

    fn observe_lane(&mut self, report: LaneReport, time: (Uptime, Timestamp)) {
        let lane = report.lane.clone();
        let before = self.lanes.remove(&lane);
        if let Some(due) = before.as_ref().and_then(|tracked| tracked.next) {
            self.thresholds.remove(&(due, lane.clone()));
        }
        match &report.state {
            WebhookState::Removed => {}
            WebhookState::Healthy => {
                if before.is_some_and(|tracked| tracked.was_raised()) {
                    let webhook = webhook(&report, None, time);
                    self.raise(Subject::plain(AlertKind::Recovered, report.host.clone()), webhook, time.0);
                }
            }
            WebhookState::Failing { .. } | WebhookState::Paused { .. } => {
                let is_surge =
                    |state: &WebhookState| matches!(state, WebhookState::Paused { by: PausedBy::Surge, .. });
                // A project that is held for a surge is one alert: that of its first lane.
                let is_raised = is_surge(&report.state)
                    && self.lanes.values().any(|other| {
                        other.report.lane.project == lane.project && is_surge(&other.report.state)
                    });
                let mut tracked = Tracked::after(before, report);
                tracked.paused |= is_raised;
                self.lanes.insert(lane.clone(), tracked);
                self.pass_thresholds(&lane, time);
            }
        }
    }

    /// Raises the alerts of the lane's thresholds that have passed, and sets the next one.
    fn pass_thresholds(&mut self, lane: &LaneKey, time: (Uptime, Timestamp)) {
        let (budgets, started, now) = (self.budgets, self.started, time.0);
        let Some(tracked) = self.lanes.get_mut(lane) else { return };
        let passed = tracked.pass(&budgets, now);
        // What passed before this start was raised by an earlier one.
        let raised: Vec<AlertKind> =
            passed.into_iter().filter(|(due, _)| *due > started).map(|(_, kind)| kind).collect();
        let next = tracked.next_threshold(&budgets);
        tracked.next = next;
        self.thresholds.extend(next.map(|due| (due, lane.clone())));
        let Some(tracked) = self.lanes.get(lane) else { return };
        let report = tracked.report.clone();
        let percent = tracked.percent;
        for kind in raised {
            let subject = Subject::of(kind, &report, percent);
            self.raise(subject, webhook(&report, Some(&report.state), time), now);
        }
    }

    fn dead_letters(
        &mut self,
        lane: LaneKey,
        owner: Option<String>,
        reason: &'static str,
        records: u64,
        now: Uptime,
    ) {
        let subject =
            Subject { kind: AlertKind::DeadLetters, host: None, detail: Detail::DeadLetters { reason } };
        let group =
            self.open.entry(subject).or_insert_with(|| (now.plus(DEAD_LETTERS_EVERY), Group::default()));
        let is_lane = |other: &&mut AlertWebhook| {
            other.project == lane.project && other.callback == Some(lane.callback)
        };
        if let Some(listed) = group.1.listed.iter_mut().find(is_lane) {
            listed.records = Some(listed.records.unwrap_or_default().saturating_add(records));
            return;
        }
        group.1.add(AlertWebhook {
            project: lane.project,
            callback: Some(lane.callback),
            owner,
            records: Some(records),
            ..AlertWebhook::default()
        });
    }

    fn observe_figures(&mut self, figures: Figures, now: Uptime) {
        for (kind, sentence) in self.figures.observe(figures, &self.budgets, now) {
            let subject = Subject { kind, host: None, detail: Detail::Figure(sentence) };
            self.open.entry(subject).or_insert_with(|| (now, Group::default()));
        }
    }

    fn observe_change(&mut self, change: WebhookChange, now: Uptime) {
        let WebhookChange { project, callback, what, host, fingerprint } = change;
        let subject = Subject {
            kind: AlertKind::WebhookChanged,
            host: Some(host),
            detail: Detail::Change { what, fingerprint },
        };
        let callback = callback.parse().ok();
        let webhook = AlertWebhook { project, callback, ..AlertWebhook::default() };
        self.raise(subject, webhook, now);
    }

    fn raise(&mut self, subject: Subject, webhook: AlertWebhook, now: Uptime) {
        self.open.entry(subject).or_insert_with(|| (now.plus(LINGER), Group::default())).1.add(webhook);
    }
}

impl Tracked {
    /// The lane after a report. What was raised for the same failure or pause is not raised again.
    fn after(before: Option<Self>, report: LaneReport) -> Self {
        let fresh = |report| Self {
            report,
            next: None,
            percent: 0,
            failing: false,
            needs_owner: false,
            paused: false,
        };
        let Some(before) = before else { return fresh(report) };
        let is_paused = matches!(report.state, WebhookState::Paused { .. });
        let was_paused = matches!(before.report.state, WebhookState::Paused { .. });
        Self { next: None, paused: before.paused && is_paused && was_paused, report, ..before }
    }

    fn was_raised(&self) -> bool {
        self.failing || self.needs_owner || self.paused || self.percent > 0
    }

    fn since(&self) -> Uptime {
        match self.report.state {
            WebhookState::Failing { since, .. } | WebhookState::Paused { since, .. } => since,
            WebhookState::Healthy | WebhookState::Removed => Uptime::default(),
        }
    }

    /// Marks the thresholds that have passed. Returns each with its time; of several shares of
    /// `give_up_after` only the last.
    fn pass(&mut self, budgets: &Budgets, now: Uptime) -> Vec<(Uptime, AlertKind)> {
        let mut passed = Vec::new();
        let since = self.since();
        match self.report.state {
            WebhookState::Failing { needs_owner, .. } => {
                let due = since.plus(budgets.failing_after);
                if due <= now && needs_owner && !self.needs_owner {
                    // A failure that becomes the owner's after its alert is raised once more.
                    let due = if self.failing { now } else { due };
                    (self.failing, self.needs_owner) = (true, true);
                    passed.push((due, AlertKind::NeedsOwner));
                } else if due <= now && !self.failing {
                    self.failing = true;
                    passed.push((due, AlertKind::Failing));
                }
            }
            WebhookState::Paused { .. } if !self.paused => {
                self.paused = true;
                passed.push((since, AlertKind::Paused));
            }
            _ => {}
        }
        let last = PERCENTS.into_iter().filter(|percent| self.share_at(*percent) <= now).max().unwrap_or(0);
        if last > self.percent {
            passed.push((self.share_at(last), AlertKind::GivingUp));
            self.percent = last;
        }
        passed
    }

    fn next_threshold(&self, budgets: &Budgets) -> Option<Uptime> {
        let since = self.since();
        let is_failing = matches!(self.report.state, WebhookState::Failing { .. });
        let failing = (is_failing && !self.failing).then(|| since.plus(budgets.failing_after));
        let share = PERCENTS.into_iter().find(|percent| *percent > self.percent);
        failing.into_iter().chain(share.map(|percent| self.share_at(percent))).min()
    }

    /// When this share of `give_up_after` has passed, in percent.
    fn share_at(&self, percent: u8) -> Uptime {
        self.since().plus(self.report.give_up_after.mul_f64(f64::from(percent) / 100.0))
    }
}

fn webhook(report: &LaneReport, state: Option<&WebhookState>, time: (Uptime, Timestamp)) -> AlertWebhook {
    let since = match state {
        Some(WebhookState::Failing { since, .. } | WebhookState::Paused { since, .. }) => Some(*since),
        _ => None,
    };
    let next_attempt = match state {
        Some(WebhookState::Failing { next_attempt, .. }) => *next_attempt,
        _ => None,
    };
    let shown = |uptime: Uptime| at(uptime, time).to_rfc3339();
    AlertWebhook {
        project: report.lane.project.clone(),
        callback: Some(report.lane.callback),
        owner: report.owner.clone(),
        since: since.map(shown),
        next_attempt: next_attempt.map(shown),
        give_up_at: since.map(|since| shown(since.plus(report.give_up_after))),
        records: None,
    }
}

/// Shares of `give_up_after` that are worth an alert.
const PERCENTS: [u8; 4] = [50, 80, 90, 100];
/// How long an alert collects webhooks for which the same happens.
const LINGER: Duration = Duration::from_secs(5);
const DEAD_LETTERS_EVERY: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests;
