//! Limits the log of failing receivers: one line a minute for each host and kind of failure, however
//! many lanes fail. Pure: time is an argument.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::deliver::scheduler::retry::Outcome;
use crate::outcome::OutcomeKind;
use crate::record::LaneNo;
use crate::time::Uptime;

/// Hosts that fail or recently failed.
#[derive(Debug, Default)]
pub(in crate::deliver) struct Outages {
    hosts: HashMap<String, Host>,
}

#[derive(Debug, Default)]
struct Host {
    failing: BTreeSet<LaneNo>,
    /// The last line of each class.
    classes: HashMap<Class, Reported>,
    /// Lanes that recovered since the last line about a recovery.
    recovered: usize,
    recovered_at: Option<Uptime>,
    /// A failure was logged since all lanes last worked.
    is_reported: bool,
}

/// The kind of a failure: the response's status, or the error before there was one. A new kind is logged at
/// once.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Class {
    kind: OutcomeKind,
    status: Option<u16>,
}

#[derive(Clone, Copy, Debug)]
struct Reported {
    at: Uptime,
    /// Attempts since then with the same result.
    more: u64,
}

/// A log line: a host fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::deliver) struct FailureReport {
    /// Lanes of the host that fail now.
    pub(in crate::deliver) lanes: usize,
    /// Attempts with the same result since the last such line.
    pub(in crate::deliver) more_attempts: u64,
}

/// A log line: a host works again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::deliver) struct RecoveryReport {
    /// Lanes that recovered since the last such line.
    pub(in crate::deliver) lanes: usize,
    /// Lanes that still fail.
    pub(in crate::deliver) failing: usize,
}

impl Outages {
    /// A lane's attempt failed. `None`: it was logged within the last minute.
    pub(in crate::deliver) fn failed(
        &mut self,
        host: &str,
        lane: LaneNo,
        outcome: &Outcome,
        now: Uptime,
    ) -> Option<FailureReport> {
        if !self.hosts.contains_key(host) {
            self.hosts.retain(|_, host| host.is_recent(now));
        }
        let host = self.hosts.entry(host.to_owned()).or_default();
        host.failing.insert(lane);
        let class = Class { kind: outcome.kind, status: outcome.status };
        let reported = host.classes.entry(class);
        let fresh = matches!(reported, std::collections::hash_map::Entry::Vacant(_));
        let reported = reported.or_insert(Reported { at: now, more: 0 });
        if !fresh && now.since(reported.at) < REPORT_EVERY {
            reported.more = reported.more.saturating_add(1);
            return None;
        }
        let more_attempts = std::mem::take(&mut reported.more);
        reported.at = now;
        if !std::mem::replace(&mut host.is_reported, true) {
            host.recovered = 0;
        }
        Some(FailureReport { lanes: host.failing.len(), more_attempts })
    }

    /// A lane that failed works again. `None`: it is logged later, with others of its host.
    pub(in crate::deliver) fn works(
        &mut self,
        host: &str,
        lane: LaneNo,
        now: Uptime,
    ) -> Option<RecoveryReport> {
        // An unknown host failed before the start, or before the webhooks changed.
        let unknown = || Host { is_reported: true, ..Host::default() };
        let host = self.hosts.entry(host.to_owned()).or_insert_with(unknown);
        host.failing.remove(&lane);
        host.recovered += 1;
        let all = host.failing.is_empty();
        let rested = host.recovered_at.is_none_or(|at| now.since(at) >= REPORT_EVERY);
        if !(all || rested) || !host.is_reported {
            return None;
        }
        host.is_reported = !all;
        host.recovered_at = Some(now);
        Some(RecoveryReport { lanes: std::mem::take(&mut host.recovered), failing: host.failing.len() })
    }

    /// The webhooks changed: failures are logged again.
    pub(in crate::deliver) fn clear(&mut self) {
        self.hosts.clear();
    }
}

impl Host {
    /// It fails, or a line about it is not to be repeated yet.
    fn is_recent(&self, now: Uptime) -> bool {
        let recent = |reported: &Reported| now.since(reported.at) < REPORT_EVERY;
        !self.failing.is_empty() || self.classes.values().any(recent)
    }
}

const REPORT_EVERY: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Callback, ProjectNo};

    fn lane(project: u32) -> LaneNo {
        LaneNo::new(ProjectNo(project), Callback::Modified)
    }

    fn outcome(status: Option<u16>, kind: OutcomeKind) -> Outcome {
        Outcome { status, kind, detail: None, retry_after: None, directive: None }
    }

    fn second(second: u64) -> Uptime {
        Uptime::default().plus(Duration::from_secs(second))
    }

    #[test]
    fn three_hundred_lanes_behind_a_dead_host_are_one_line_a_minute() {
        let (mut outages, refused) = (Outages::default(), outcome(None, OutcomeKind::Refused));
        let mut lines = Vec::new();
        for at in 0..300 {
            for project in 0..300 {
                lines.extend(
                    outages
                        .failed("h:443", lane(project), &refused, second(at))
                        .map(|reported| (at, reported)),
                );
            }
        }
        let starts: Vec<u64> = lines.iter().map(|(at, _)| *at).collect();
        assert_eq!(starts, [0, 60, 120, 180, 240]);
        assert_eq!(lines[1].1, FailureReport { lanes: 300, more_attempts: 60 * 300 - 1 });
        let works: Vec<RecoveryReport> =
            (0..300).filter_map(|project| outages.works("h:443", lane(project), second(300))).collect();
        assert_eq!(
            works,
            [RecoveryReport { lanes: 1, failing: 299 }, RecoveryReport { lanes: 299, failing: 0 }]
        );
    }

    #[test]
    fn a_change_of_class_is_a_line_at_once_and_each_class_one_a_minute() {
        let mut outages = Outages::default();
        let classes = [
            outcome(Some(500), OutcomeKind::Status),
            outcome(Some(503), OutcomeKind::Status),
            outcome(None, OutcomeKind::Timeout),
            outcome(None, OutcomeKind::Refused),
            outcome(Some(200), OutcomeKind::Timeout),
        ];
        for again in 0..50 {
            for class in &classes {
                let reported = outages.failed("h", lane(1), class, second(again));
                assert_eq!(reported.is_some(), again == 0, "{class:?} at {again}");
            }
        }
        assert!(
            outages.failed("other", lane(2), &classes[0], second(50)).is_some(),
            "another host is another"
        );
        assert!(outages.failed("h", lane(1), &classes[0], second(60)).is_some());
    }

    #[test]
    fn a_receiver_that_fails_every_other_time_does_not_fill_the_log() {
        let (mut outages, broken) = (Outages::default(), outcome(Some(502), OutcomeKind::Status));
        let lines: usize = (0..600)
            .map(|at| {
                let failed = outages.failed("h", lane(1), &broken, second(at)).is_some();
                let works = outages.works("h", lane(1), second(at)).is_some();
                usize::from(failed) + usize::from(works)
            })
            .sum();
        assert_eq!(lines, 20, "ten minutes, a failure and an end each");
    }

    #[test]
    fn hosts_that_work_are_removed() {
        let (mut outages, broken) = (Outages::default(), outcome(None, OutcomeKind::Dns));
        for host in 0..1_000_u32 {
            let at = second(u64::from(host) * 120);
            outages.failed(&host.to_string(), lane(1), &broken, at);
            outages.works(&host.to_string(), lane(1), at);
        }
        assert!(outages.hosts.len() <= 2, "{}", outages.hosts.len());
    }

    #[test]
    fn lanes_that_failed_before_the_start_are_one_line_when_they_work() {
        let mut outages = Outages::default();
        let lines = (0..300).filter_map(|project| outages.works("h", lane(project), second(1))).count();
        assert_eq!(lines, 1);
    }
}
