use super::*;
use crate::outcome::{Cause, OutcomeKind};
use crate::record::Callback;
use crate::spool::PausedBy;

const MINUTE: u64 = 60_000;
const GIVE_UP: Duration = Duration::from_hours(72);

fn budgets() -> Budgets {
    Budgets {
        failing_after: Duration::from_mins(5),
        slot_retained_bytes_max: 1_000_000,
        spool_share_max: 0.8,
        no_change_after: Some(Duration::from_mins(10)),
    }
}

/// A monitor with a clock.
struct Watch {
    monitor: Monitor,
    now: u64,
}

impl Watch {
    fn new() -> Self {
        Self { monitor: Monitor::new(budgets(), Uptime(0)), now: 1 }
    }

    fn wall(&self) -> Timestamp {
        Timestamp(i64::try_from(self.now).unwrap() * 1_000)
    }

    fn lane(&mut self, project: &str, state: WebhookState) {
        let report = LaneReport {
            lane: LaneKey { project: project.to_owned(), callback: Callback::Modified },
            host: "h:443".into(),
            owner: Some("ops@example.com".into()),
            state,
            give_up_after: GIVE_UP,
        };
        self.observe(Event::Lane(report));
    }

    fn observe(&mut self, event: Event) {
        self.monitor.observe(event, Uptime(self.now), self.wall());
    }

    /// Everything that is raised until this minute, polled at each deadline.
    fn until(&mut self, minute: u64) -> Vec<Alert> {
        let mut raised = Vec::new();
        let end = minute * MINUTE;
        while let Some(due) = self.monitor.deadline().filter(|due| due.0 <= end) {
            assert!(due.0 >= self.now || self.monitor.deadline().is_some());
            self.now = due.0.max(self.now);
            raised.extend(self.monitor.poll(Uptime(self.now), self.wall()));
        }
        self.now = end;
        raised
    }

    fn kinds(&mut self, minute: u64) -> Vec<AlertKind> {
        self.until(minute).iter().map(|alert| alert.alert).collect()
    }
}

fn failing(since: u64, status: u16) -> WebhookState {
    WebhookState::Failing {
        since: Uptime(since),
        cause: Cause::of(OutcomeKind::of_status(status), Some(status)).unwrap(),
        status: Some(status),
        needs_owner: status == 404,
        next_attempt: Some(Uptime(since + 1_000)),
    }
}

#[test]
fn a_failure_is_raised_after_its_time_once_then_by_shares_of_give_up_after_and_its_end_once() {
    let mut watch = Watch::new();
    watch.lane("a", failing(1, 503));
    assert_eq!(watch.kinds(4), []);
    watch.lane("a", failing(1, 503)); // Another attempt failed.
    let raised = watch.until(6);
    assert_eq!(raised.len(), 1);
    let alert = &raised[0];
    assert_eq!((alert.alert, alert.class.as_deref()), (AlertKind::Failing, Some("endpoint")));
    assert_eq!(alert.webhooks[0].owner.as_deref(), Some("ops@example.com"));
    assert_eq!(alert.webhooks[0].give_up_at.as_deref(), Some("1970-01-04T00:00:00.001Z"));
    assert!(alert.text.contains("kept until 1970-01-04"), "{}", alert.text);
    watch.lane("a", failing(1, 503));
    let raised = watch.until(73 * 60);
    let shares: Vec<_> = raised.iter().map(|alert| (alert.alert, alert.percent)).collect();
    assert_eq!(shares, [50, 80, 90, 100].map(|percent| (AlertKind::GivingUp, Some(percent))));
    watch.lane("a", failing(1, 503));
    assert_eq!(watch.kinds(74 * 60), []);
    watch.lane("a", WebhookState::Healthy);
    assert_eq!(watch.kinds(75 * 60), [AlertKind::Recovered]);
    watch.lane("a", WebhookState::Healthy);
    assert_eq!(watch.kinds(76 * 60), []);
}

#[test]
fn a_failure_that_ends_before_its_time_is_not_raised() {
    let mut watch = Watch::new();
    watch.lane("a", failing(1, 503));
    watch.until(4);
    watch.lane("a", WebhookState::Healthy);
    assert_eq!(watch.kinds(60), []);
    assert_eq!(watch.monitor.deadline(), None);
}

#[test]
fn a_failure_that_needs_its_owner_is_raised_as_such_also_when_it_becomes_so() {
    let mut watch = Watch::new();
    watch.lane("a", failing(1, 404));
    let raised = watch.until(6);
    assert_eq!(raised.len(), 1);
    assert_eq!(raised[0].alert, AlertKind::NeedsOwner);
    assert!(raised[0].remedy.is_some());
    watch.lane("b", failing(6 * MINUTE, 503));
    assert_eq!(watch.kinds(12), [AlertKind::Failing]);
    watch.lane("b", failing(6 * MINUTE, 404));
    assert_eq!(watch.kinds(13), [AlertKind::NeedsOwner]);
    watch.lane("b", failing(6 * MINUTE, 503));
    assert_eq!(watch.kinds(14), []);
}

#[test]
fn a_pause_is_raised_at_once_and_its_end() {
    let mut watch = Watch::new();
    let paused =
        WebhookState::Paused { since: Uptime(1), by: PausedBy::Receiver, reason: "status 410".into() };
    watch.lane("a", paused.clone());
    let raised = watch.until(1);
    assert_eq!(raised.len(), 1);
    assert_eq!(raised[0].alert, AlertKind::Paused);
    assert!(raised[0].text.contains("paused by the receiver: status 410"), "{}", raised[0].text);
    watch.lane("a", paused);
    assert_eq!(watch.kinds(2), []);
    watch.lane("a", WebhookState::Healthy);
    assert_eq!(watch.kinds(3), [AlertKind::Recovered]);
}

#[test]
fn webhooks_that_fail_together_share_a_message() {
    let mut watch = Watch::new();
    for project in 0..1_000 {
        watch.now += 1;
        watch.lane(&format!("p{project}"), failing(watch.now, 503));
    }
    let raised = watch.until(6);
    assert_eq!(raised.len(), 1);
    assert_eq!((raised[0].webhook_count, raised[0].webhooks.len()), (1_000, 100));
    assert!(raised[0].text.contains("and 997 more"), "{}", raised[0].text);
}

#[test]
fn what_an_earlier_start_has_raised_is_not_raised_again() {
    let started = 40 * 60 * MINUTE;
    let mut watch = Watch { monitor: Monitor::new(budgets(), Uptime(started)), now: started };
    watch.lane("a", failing(1, 503));
    assert_eq!(watch.kinds(41 * 60), []);
    assert_eq!(watch.until(60 * 60).iter().map(|alert| alert.percent).collect::<Vec<_>>(), [Some(80)]);
    watch.lane("a", WebhookState::Healthy);
    assert_eq!(watch.kinds(61 * 60), [AlertKind::Recovered]);
}

#[test]
fn dead_letters_are_summed_up() {
    let mut watch = Watch::new();
    for _ in 0..1_000 {
        let lane = LaneKey { project: "a".into(), callback: Callback::Modified };
        watch.observe(Event::DeadLetters { lane, owner: None, reason: "refused", records: 2 });
    }
    let raised = watch.until(2);
    assert_eq!(raised.len(), 1);
    assert_eq!(raised[0].webhooks[0].records, Some(2_000));
}

#[test]
fn figures_are_raised_when_they_pass_their_budgets_and_when_they_are_within_again() {
    let mut watch = Watch::new();
    let well = Figures {
        slot_retained_bytes: Some(10),
        spool_bytes: 10,
        spool_bytes_max: 100,
        server_lsn: Some(1),
        changes: 7,
    };
    let steps = [
        (Figures { slot_retained_bytes: Some(1_000_001), ..well }, vec![AlertKind::SlotRetained]),
        (Figures { slot_retained_bytes: Some(950_000), ..well }, vec![]),
        (well, vec![AlertKind::Recovered]),
        (Figures { spool_bytes: 81, ..well }, vec![AlertKind::SpoolFull]),
        (Figures { spool_bytes: 99, ..well }, vec![]),
        (well, vec![AlertKind::Recovered]),
    ];
    for (minute, (figures, expected)) in (1..).zip(steps) {
        watch.observe(Event::Figures(figures));
        assert_eq!(watch.kinds(minute), expected, "{figures:?}");
    }
    // The server's WAL stands still: no change is expected.
    watch.until(30);
    watch.observe(Event::Figures(well));
    assert_eq!(watch.kinds(31), []);
    watch.observe(Event::Figures(Figures { server_lsn: Some(5_000), ..well }));
    assert_eq!(watch.kinds(32), [AlertKind::NoChange]);
    watch.observe(Event::Figures(Figures { server_lsn: Some(6_000), changes: 8, ..well }));
    assert_eq!(watch.kinds(33), [AlertKind::Recovered]);
}

#[test]
fn a_changed_webhook_is_raised_with_the_fingerprint_of_its_url() {
    let mut watch = Watch::new();
    watch.observe(Event::Webhook(WebhookChange {
        project: "a".into(),
        callback: "*".into(),
        what: "changed",
        host: "h:443".into(),
        fingerprint: "0a1b2c3d".into(),
    }));
    let raised = watch.until(1);
    assert_eq!(raised.len(), 1);
    assert!(raised[0].text.contains("a/* was changed: h:443"), "{}", raised[0].text);
}

#[test]
fn a_surge_of_a_project_is_one_alert_however_many_of_its_lanes_are_held() {
    let mut watch = Watch::new();
    let surge = |reason: &str| WebhookState::Paused {
        since: Uptime(1),
        by: PausedBy::Surge,
        reason: reason.to_owned(),
    };
    for (project, callback) in
        [("a", Callback::Ingested), ("a", Callback::Modified), ("b", Callback::Ingested)]
    {
        let report = LaneReport {
            lane: LaneKey { project: project.to_owned(), callback },
            host: "h:443".into(),
            owner: None,
            state: surge(&format!("1,000 ingested of {project}")),
            give_up_after: GIVE_UP,
        };
        watch.observe(Event::Lane(report));
    }
    let raised = watch.until(1);
    let projects: Vec<_> = raised.iter().map(|alert| alert.webhooks[0].project.as_str()).collect();
    assert_eq!(projects, ["a", "b"], "{raised:?}");
    assert!(raised[0].text.contains("paused by the surge: 1,000 ingested of a"), "{}", raised[0].text);
}
